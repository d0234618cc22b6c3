// What the pages of a sign-in weigh, as docs/UX.md promises: bytes on the wire with headers, and nothing from elsewhere.
import assert from 'node:assert/strict'
import test from 'node:test'
import { authenticator } from './authenticator.js'
import { allow, open, signIn } from './chromium.js'
import { authorizeURL, clientURI, people } from './server.js'

const limits = { bytes: 15 * 1024, requests: 5, script: 3 * 1024 }

export default function budgets(browser, server) {
  test('what the pages of a sign-in weigh', async (t) => {
    const { issuer } = server()
    const b = await open(browser())
    const { page } = b
    try {
      const key = await authenticator(b)
      const weighed = await scale(b)
      const check = async (name, act, url) => {
        weighed.begin()
        await act()
        await page.waitForURL(url)
        await page.waitForLoadState('networkidle')
        const w = weighed.end()
        t.diagnostic(`${name}: ${w.bytes} bytes, ${w.requests} requests, ${w.script} of script without headers`)
        assert.ok(w.bytes <= limits.bytes, `${name} weighs ${w.bytes} bytes`)
        assert.ok(w.requests <= limits.requests, `${name} takes ${w.requests} requests: ${w.urls}`)
        assert.ok(w.script <= limits.script, `${name} has ${w.script} bytes of script`)
        assert.deepEqual(w.urls.filter((u) => new URL(u).origin !== issuer), [], `${name} asks others`)
      }
      const app = (more) => authorizeURL(issuer, 'app', clientURI, more)
      await check('sign-in', () => page.goto(app()), '**/login?**')
      await signIn(page, people.bea)
      await page.waitForURL('**/passkey?**')
      await key.touch('.passkey button', () => page.waitForURL('**/passkey?**made=1'))
      await check('consent', () => page.click('#later button'), '**/consent?**')
      await page.route(`${clientURI}?**`, (route) => route.fulfill({ contentType: 'text/html', body: 'the client' }))
      await allow(page)
      await page.waitForURL(`${clientURI}?**`)
      await page.goto(app({ prompt: 'login', acr_values: 'phr' }))
      await page.fill('[name=password]', people.bea.password)
      await check('step-up', () => page.click('form[action$="/login"] button.primary'), '**/code?**')
      await key.touch('.passkey button', () => page.waitForURL(`${clientURI}?**`)) // one tap, and back at the client
      await Promise.all([page.waitForRequest((r) => r.url().startsWith(clientURI)), page.goto(app()).catch(() => {})]) // no tap at all
      b.clean()
    } finally {
      await b.close()
    }
  })
}

// scale weighs documents, styles, scripts and pictures, all of them from the network. What a script of ours asks for
// afterwards (fetch) is no part of a page, and a redirect before the page is.
export async function scale({ context, page }) {
  const cdp = await context.newCDPSession(page)
  await cdp.send('Network.enable')
  await cdp.send('Network.setCacheDisabled', { cacheDisabled: true })
  let seen = new Map()
  const weigh = (r, bytes) => Object.assign(r, { bytes: r.bytes + bytes, body: bytes - r.head })
  cdp.on('Network.requestWillBeSent', (e) => e.type !== 'Fetch' && seen.set(e.requestId, { url: e.request.url, type: e.type, bytes: e.redirectResponse?.encodedDataLength ?? 0 }))
  cdp.on('Network.responseReceived', (e) => { if (seen.has(e.requestId)) seen.get(e.requestId).head = e.response.encodedDataLength })
  cdp.on('Network.loadingFinished', (e) => { if (seen.has(e.requestId)) weigh(seen.get(e.requestId), e.encodedDataLength) })
  return {
    begin: () => { seen = new Map() },
    end: () => {
      const all = [...seen.values()]
      const sum = (list, what) => list.reduce((n, r) => n + r[what], 0)
      return { bytes: sum(all, 'bytes'), requests: all.length, script: sum(all.filter((r) => r.type === 'Script'), 'body'), urls: all.map((r) => r.url) }
    },
  }
}
