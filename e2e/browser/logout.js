// Signing out in a real browser: the frames of the apps, the way back, and the frame that tells an app that a session is over.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { open, signIn } from './chromium.js'
import { authorizeURL, binary, people } from './server.js'

const sessionPage = (issuer) => `<!doctype html><title>asking</title>
<iframe id="op" src="${issuer}/check-session" hidden></iframe>
<script>
  const state = new URL(location).searchParams.get('session_state')
  const ask = (text) => new Promise((resolve) => {
    addEventListener('message', (e) => resolve(e.origin === '${issuer}' ? e.data : 'from ' + e.origin), { once: true })
    document.getElementById('op').contentWindow.postMessage(text, '${issuer}')
  })
</script>`

// app is an application on this machine: what came to its pages, and the page that asks the frame.
async function app(id) {
  const seen = []
  const a = { id, issuer: '', seen, slow: false }
  const srv = http.createServer(async (req, res) => {
    const u = new URL(req.url, 'http://localhost')
    if (u.pathname !== '/favicon.ico') seen.push(u)
    if (a.slow && u.pathname === '/out') await new Promise((r) => setTimeout(r, 8000))
    res.setHeader('content-type', 'text/html').end(u.pathname === '/cb' ? sessionPage(a.issuer) : `<!doctype html><title>${id}${u.pathname}</title>`)
  }).listen(0, '127.0.0.1')
  await once(srv, 'listening')
  a.base = `http://localhost:${srv.address().port}`
  a.close = () => { srv.closeAllConnections(); srv.close() }
  return a
}

async function freePort() {
  const s = createServer().listen(0, '127.0.0.1')
  await once(s, 'listening')
  const { port } = s.address()
  await new Promise((r) => s.close(r))
  return port
}

// serve runs `postern serve` with apps that want to be told by frame, and the frame that checks sessions.
async function serve(apps) {
  const dir = mkdtempSync(path.join(tmpdir(), 'postern-logout-'))
  const bin = binary(dir)
  const issuer = `http://localhost:${await freePort()}`
  writeFileSync(path.join(dir, 'seed.json'), JSON.stringify({
    users: [people.ann],
    clients: apps.map((a) => ({ client_id: a.id, token_endpoint_auth_method: 'none', skip_consent: true, redirect_uris: [`${a.base}/cb`],
      post_logout_redirect_uris: [`${a.base}/bye`], frontchannel_logout_uri: `${a.base}/out?app=${a.id}` })),
  }))
  const env = { PATH: process.env.PATH, POSTERN_ISSUER: issuer, POSTERN_LISTEN_ADDRESS: issuer.replace('http://localhost', '127.0.0.1'), POSTERN_MANAGEMENT_ADDRESS: '',
    POSTERN_DATABASE_DSN: path.join(dir, 'postern.db'), POSTERN_SECRETS_MASTER: randomBytes(32).toString('base64'), POSTERN_SESSIONS_MANAGEMENT_IFRAME: 'true', POSTERN_LOG_LEVEL: 'error' }
  execFileSync(bin, ['migrate'], { env, cwd: dir })
  execFileSync(bin, ['apply', '-f', path.join(dir, 'seed.json')], { env, cwd: dir })
  const proc = spawn(bin, ['serve'], { env, cwd: dir, stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(proc, 'exit')
  for (let i = 0; ; i++) {
    if (await fetch(`${issuer}/healthz`).then((r) => r.ok, () => false)) break
    if (i > 200) throw new Error('postern serve does not answer')
    await new Promise((r) => setTimeout(r, 50))
  }
  for (const a of apps) a.issuer = issuer
  return { issuer, stop: async () => { proc.kill('SIGINT'); await ended; rmSync(dir, { recursive: true, force: true }) } }
}

export default function logout(browser) {
  const setting = async (f) => {
    const [one, two] = [await app('one'), await app('two')]
    const op = await serve([one, two])
    try {
      await f(op.issuer, one, two)
    } finally {
      one.close()
      two.close()
      await op.stop()
    }
  }
  const outs = (a) => a.seen.filter((u) => u.pathname === '/out')
  const signOut = async (page, issuer, a) => {
    await page.goto(`${issuer}/logout?${new URLSearchParams({ client_id: a.id, post_logout_redirect_uri: `${a.base}/bye`, state: 'x' })}`)
    await page.click('button[name=decision][value=logout]')
  }

  test('a sign-out is told in frames, and an app that asks its frame hears that the session is over', async () => setting(async (issuer, one, two) => {
    const b = await open(browser())
    try {
      const meta = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
      assert.equal(meta.check_session_iframe, `${issuer}/check-session`)
      await b.page.goto(authorizeURL(issuer, 'one', `${one.base}/cb`, { scope: 'openid' }))
      await signIn(b.page, people.ann)
      await b.page.waitForURL(`${one.base}/cb?**`)
      await b.page.waitForLoadState('load')
      const ask = (text) => b.page.evaluate((t) => ask(t ?? `one ${state}`), text)
      assert.equal(await ask(), 'unchanged')
      for (const wrong of ['one', '', 'one x.y', `one ${'0'.repeat(64)}`, 7]) assert.equal(await ask(wrong), 'error', `${wrong}`)
      assert.equal(await ask(`one ${'0'.repeat(64)}.salt`), 'changed')
      const state = new URL(b.page.url()).searchParams.get('session_state')
      assert.match(state, /^[0-9a-f]{64}\.[\w-]+$/)
      assert.equal(await ask(`two ${state}`), 'changed', 'the state of another client')

      const second = await b.context.newPage()
      await second.goto(authorizeURL(issuer, 'two', `${two.base}/cb`, { scope: 'openid' }))
      await second.waitForURL(`${two.base}/cb?**`)
      assert.equal(await ask(), 'unchanged', 'after another app signed in')

      const begun = Date.now()
      await signOut(second, issuer, two)
      await second.waitForURL(`${two.base}/bye?state=x`)
      assert.ok(Date.now() - begun < 3500, `the script goes on by itself: ${Date.now() - begun} ms`)
      for (const a of [one, two]) {
        assert.equal(outs(a).length, 1, a.id)
        const q = outs(a)[0].searchParams
        assert.deepEqual([q.get('app'), q.get('iss')], [a.id, issuer])
        assert.ok(q.get('sid'))
      }
      assert.equal(await ask(), 'changed')
      b.clean()
    } finally {
      await b.close()
    }
  }))

  test('an app that does not answer holds nobody up for long; without a script there is a link, and the page goes on, too', async () => setting(async (issuer, one, two) => {
    for (const javaScriptEnabled of [true, false]) {
      one.slow = javaScriptEnabled
      const b = await open(browser(), { javaScriptEnabled })
      try {
        await b.page.goto(authorizeURL(issuer, 'one', `${one.base}/cb`, { scope: 'openid' }))
        await signIn(b.page, people.ann)
        await b.page.waitForURL(`${one.base}/cb?**`)
        await b.page.goto(authorizeURL(issuer, 'two', `${two.base}/cb`, { scope: 'openid' }))
        await b.page.waitForURL(`${two.base}/cb?**`)
        await signOut(b.page, issuer, two)
        const link = await b.page.getAttribute('a[data-next]', 'href')
        assert.equal(link, `${two.base}/bye?state=x`)
        await b.page.waitForURL(link, { timeout: 7000 }) // a slow app takes 8 s
      } finally {
        await b.close()
      }
    }
    assert.equal(outs(one).length, 2)
    assert.equal(outs(two).length, 2)
  }))
}
