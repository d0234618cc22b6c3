// Sessions that are bound to a key of their browser: one that a script makes, and one that the browser keeps by itself
// (Device Bound Session Credentials). Cookies that were copied are of no use; whoever was signed in notices nothing.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { chromium } from 'playwright-core'
import { Place } from './account.js'
import { open, signIn } from './chromium.js'
import { suite } from './pages.js'
import { binary, people } from './server.js'

const proof = /^(__Host-)?dbk$/
const has = async (context, name) => (await context.cookies()).some((c) => name.test(c.name))

// bound waits until the browser of page has proved its key.
async function bound(page, context) {
  for (let i = 0; i < 100 && !await has(context, proof); i++) await page.waitForTimeout(50)
  assert.ok(await has(context, proof), 'no key was proved')
}

export default function binding(browser, server) {
  test('a copied cookie is challenged, and its owner notices nothing', async () => {
    const { issuer } = server()
    const b = await open(browser())
    const thief = await open(browser())
    try {
      const place = new Place(b, issuer)
      await place.in('sessions', people.lea)
      await bound(b.page, b.context)
      await b.page.reload()
      assert.match(await b.page.textContent('main'), /Bound to this browser/)
      const kept = await b.page.evaluate(() => new Promise((ok) => {
        const r = indexedDB.open('postern')
        r.onsuccess = () => {
          const all = r.result.transaction('keys').objectStore('keys').getAll()
          all.onsuccess = () => { r.result.close(); ok(Promise.all(all.result.map((k) => crypto.subtle.exportKey('jwk', k.privateKey).then(() => 'copied', (e) => e.name)))) }
        }
      }))
      assert.deepEqual(kept, ['InvalidAccessError'], 'a script can read the key')

      // All cookies but the proof, which is too old by the time anybody uses what they stole.
      await thief.context.addCookies((await b.context.cookies()).filter((c) => !proof.test(c.name)))
      await thief.page.goto(place.of('sessions'))
      await thief.page.waitForURL('**/login?**')
      assert.doesNotMatch(await thief.page.content(), /lea/i)
      assert.ok(!await has(thief.context, proof))

      await b.page.reload()
      await place.at('sessions')
      await b.context.clearCookies({ name: proof }) // ten minutes later
      await b.page.goto(place.of('settings'))
      await place.at('settings')
      await bound(b.page, b.context)
      b.clean()
      thief.clean()
    } finally {
      await b.close()
      await thief.close()
    }
  })

  test('a browser that lost its key is asked who it is, and goes on', async () => {
    const { issuer } = server()
    const b = await open(browser())
    try {
      const place = new Place(b, issuer)
      await place.in('sessions', people.nik)
      await bound(b.page, b.context)
      await b.page.evaluate(() => new Promise((ok) => { indexedDB.deleteDatabase('postern').onsuccess = ok }))
      await b.context.clearCookies({ name: proof })
      await b.page.goto(place.of('sessions'))
      await b.page.waitForURL('**/login?**')
      await signIn(b.page, people.nik)
      await place.at('sessions')
      assert.equal(await b.page.$$eval('ul.sessions li', (l) => l.length), 1, 'a second session instead of the same')
      b.clean()
    } finally {
      await b.close()
    }
  })

  for (const [locale, person] of [['en-US', people.lea], ['zh-CN', people.nik]]) {
    suite(browser, `the page that proves a key, ${locale}`, locale, async (page, check, b) => {
      const place = new Place(b, server().issuer)
      await place.in('sessions', person)
      await bound(page, b.context)
      await page.reload()
      await check('sessions-bound')
      await page.route('**/static/bind.*', (route) => route.fulfill({ contentType: 'text/javascript', body: '' })) // it would go on at once
      await b.context.clearCookies({ name: proof })
      await page.goto(place.of('sessions'))
      await page.waitForURL('**/device-key?**')
      await check('device-key')
      await page.click('main a.button')
      await page.waitForURL('**/login?**')
    })
  }

  // Software stands in for the hardware, by a flag of Chromium; all else is as in any browser that has it. It wants a
  // registrable domain and a certificate without fault.
  test('the browser binds the session to a key of its own', async () => {
    const s = await secure()
    const dir = mkdtempSync(path.join(tmpdir(), 'postern-profile-'))
    const context = await chromium.launchPersistentContext(dir, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', locale: 'en-US',
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-component-update', '--disable-sync',
        `--ignore-certificate-errors-spki-list=${s.pin}`, '--host-resolver-rules=MAP id.example.com 127.0.0.1, MAP * ~NOTFOUND',
        '--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting'],
    })
    try {
      const page = await context.newPage()
      const cdp = await context.newCDPSession(page)
      await cdp.send('Network.enable')
      await cdp.send('Network.enableDeviceBoundSessions', { enable: true })
      const events = []
      cdp.on('Network.deviceBoundSessionEventOccurred', (e) => events.push(e))
      const sessions = `${s.issuer}/account/sessions`
      await page.goto(sessions)
      await signIn(page, s.person)
      await page.waitForURL(sessions)
      for (let i = 0; i < 100 && !/hardware/.test(await page.textContent('main')); i++) {
        await page.waitForTimeout(100)
        await page.reload()
      }
      assert.match(await page.textContent('main'), /Bound to this device’s hardware/)
      const copied = (await context.cookies()).filter((c) => !proof.test(c.name))

      await context.clearCookies({ name: proof }) // its ten minutes are over: the browser proves its key before it asks
      const asked = []
      page.on('request', (r) => asked.push(new URL(r.url()).pathname))
      await page.goto(sessions)
      assert.equal(page.url(), sessions)
      assert.ok(!asked.includes('/device-key'), `a page in between: ${asked}`)
      assert.ok(events.some((e) => e.succeeded), 'the browser proved nothing')
      assert.ok(await has(context, proof))

      // So it does where another site leads here.
      await context.clearCookies({ name: proof })
      await page.goto(`data:text/html,<a href="${sessions}">here</a>`)
      await page.click('a')
      await page.waitForURL(sessions)
      assert.match(await page.textContent('main'), /hardware/)

      // The same cookies in a browser that has the protocol, and not the key.
      const other = mkdtempSync(path.join(tmpdir(), 'postern-profile-'))
      const thief = await chromium.launchPersistentContext(other, {
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        args: ['--headless', '--no-sandbox', '--disable-gpu', `--ignore-certificate-errors-spki-list=${s.pin}`, '--host-resolver-rules=MAP id.example.com 127.0.0.1, MAP * ~NOTFOUND'],
      })
      try {
        await thief.addCookies(copied)
        const p = await thief.newPage()
        await p.goto(sessions)
        await p.waitForURL('**/login?**')
      } finally {
        await thief.close()
        rmSync(other, { recursive: true, force: true })
      }
    } finally {
      await context.close()
      await s.stop()
      rmSync(dir, { recursive: true, force: true })
    }
  })
}

// secure starts a server that ends TLS itself, with one person; pin is the fingerprint of its key.
async function secure() {
  const dir = mkdtempSync(path.join(tmpdir(), 'postern-secure-'))
  const at = (name) => path.join(dir, name)
  const bin = binary(dir)
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  await new Promise((ok) => probe.close(ok))
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at('key.pem'), '-out', at('cert.pem'), '-days', '2',
    '-subj', '/CN=id.example.com', '-addext', 'subjectAltName=DNS:id.example.com'], { stdio: 'ignore' })
  const spki = execFileSync('openssl', ['pkey', '-in', at('key.pem'), '-pubout', '-outform', 'DER'])
  const pin = execFileSync('openssl', ['dgst', '-sha256', '-binary'], { input: spki }).toString('base64')
  const issuer = `https://id.example.com:${port}`
  const { POSTERN_BIN, ...rest } = process.env // not a setting
  const env = { ...rest, POSTERN_ISSUER: issuer, POSTERN_LISTEN_ADDRESS: `127.0.0.1:${port}`, POSTERN_LISTEN_TLS_CERT_FILE: at('cert.pem'),
    POSTERN_LISTEN_TLS_KEY_FILE: at('key.pem'), POSTERN_DATABASE_DRIVER: 'sqlite', POSTERN_DATABASE_DSN: at('db'), POSTERN_DATABASE_MIGRATE: 'true',
    POSTERN_MANAGEMENT_ADDRESS: '127.0.0.1:0', POSTERN_LOG_LEVEL: 'warn',
    POSTERN_SECRETS_MASTER: execFileSync(bin, ['secrets', 'generate']).toString().trim().split('\n').pop() }
  const person = { username: 'ann', email: 'ann@people.test', email_verified: true, password: 'plum-tractor-ann-17' }
  writeFileSync(at('seed.json'), JSON.stringify({ users: [person] }))
  execFileSync(bin, ['migrate', 'up'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  execFileSync(bin, ['apply', '-f', at('seed.json')], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const server = spawn(bin, ['serve'], { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(server, 'exit')
  for (let i = 0; ; i++) {
    try {
      execFileSync('openssl', ['s_client', '-connect', `127.0.0.1:${port}`], { input: '', stdio: ['pipe', 'ignore', 'ignore'] })
      break
    } catch (e) {
      if (i > 100) throw e
      await new Promise((r) => setTimeout(r, 100))
    }
  }
  const stop = async () => {
    server.kill('SIGINT')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  return { issuer, pin, person, stop }
}
