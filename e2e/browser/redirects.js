// From our form to the client: form-action 'self' must not stand in the way, whatever the redirect URI is.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import test from 'node:test'
import { allow, open, shot, signIn } from './chromium.js'
import { authorizeURL, people, schemeURI } from './server.js'

export default function redirects(browser, server) {
  test('a client that sends the browser on to a third origin', async () => {
    const { issuer } = server()
    const third = await listen((req, res) => res.setHeader('content-type', 'text/html').end(`<title>third</title><p>${req.url}`))
    const client = await listen((req, res) => res.writeHead(303, { location: `http://localhost:${third.port}/home${req.url.slice(req.url.indexOf('?'))}` }).end())
    const b = await open(browser())
    try {
      await b.page.goto(authorizeURL(issuer, 'hopping', `http://127.0.0.1:${client.port}/cb`))
      await signIn(b.page, people.ann)
      await allow(b.page)
      await b.page.waitForURL(`http://localhost:${third.port}/home?**`)
      const q = new URL(b.page.url()).searchParams
      assert.ok(q.get('code'))
      assert.deepEqual([q.get('state'), q.get('iss')], ['state-1', issuer])
      b.clean()
    } finally {
      await b.close()
      client.close()
      third.close()
    }
  })

  for (const decision of ['deny', 'allow']) {
    test(`an app with a scheme of its own, ${decision}`, async () => {
      const { issuer } = server()
      const b = await open(browser())
      try {
        const cdp = await b.context.newCDPSession(b.page)
        await cdp.send('Page.enable')
        const tried = []
        cdp.on('Page.frameRequestedNavigation', (e) => tried.push(e.url))
        await b.page.goto(authorizeURL(issuer, 'native', schemeURI))
        await signIn(b.page, people.ann)
        await b.page.click(`button[value=${decision}]`)
        await b.page.waitForURL(`${issuer}/continue?**`)
        const to = await b.page.getAttribute('main a.primary', 'href')
        assert.ok(to.startsWith(`${schemeURI}?`), to)
        const q = new URL(to).searchParams
        assert.deepEqual([q.get('state'), q.get('iss'), q.has('code'), q.get('error')],
          ['state-1', issuer, decision === 'allow', decision === 'allow' ? null : 'access_denied'])
        assert.equal(await b.page.getAttribute('meta[http-equiv=refresh]', 'content'), `0;url=${to}`)
        await b.page.waitForTimeout(200)
        assert.ok(tried.includes(to), `Chromium went to ${tried}, not to ${to}`)
        assert.deepEqual(b.faults.filter((f) => !f.includes('does not have a registered handler')), [])
        await shot(b.page, `continue-${decision}`)
      } finally {
        await b.close()
      }
    })
  }

  // The check itself must be able to fail: what a policy forbids shows up.
  test('violations of a policy are seen', async () => {
    const { issuer } = server()
    const b = await open(browser())
    try {
      await b.page.goto(`${issuer}/login`)
      await b.page.evaluate(() => { document.body.setAttribute('style', 'color: red') })
      await b.page.evaluate(() => { document.body.append(Object.assign(document.createElement('img'), { src: 'http://127.0.0.1:1/x.png' })) })
      await b.page.waitForTimeout(100)
      assert.equal(b.faults.filter((f) => f.includes('Content Security Policy')).length, 2, b.faults.join('\n'))
    } finally {
      await b.close()
    }
  })
}

async function listen(handler) {
  const s = http.createServer(handler).listen(0, '127.0.0.1')
  await once(s, 'listening')
  return { port: s.address().port, close: () => { s.close(); s.closeAllConnections() } }
}
