// One browser signs in, another one approves: numbers, denials, and pushes, which arrive through the DevTools protocol and at
// a push service on this machine that opens what it gets.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import test from 'node:test'
import axe from 'axe-core'
import { authenticator } from './authenticator.js'
import { scale } from './budgets.js'
import { open, shot, signIn } from './chromium.js'
import { look } from './pages.js'
import { people, start } from './server.js'

export default function push(browser) {
  test('another device approves', async (t) => {
    const service = await pushService()
    process.env.SSL_CERT_FILE = service.cert // which the server believes, for its pushes
    const server = await start()
    delete process.env.SSL_CERT_FILE
    const world = { say: (m) => t.diagnostic(m), browser: browser(), issuer: server.issuer, service, clients: [] }
    try {
      for (const [title, body] of Object.entries(tests)) {
        await t.test(title, async () => {
          try {
            await body(world)
            for (const b of world.clients) b.clean()
          } finally {
            for (const b of world.clients.splice(0)) await b.close()
          }
        })
      }
    } finally {
      await server.stop()
      service.stop()
    }
  })
}

const tests = {
  'the right number, by hand': async (w) => {
    const phone = await approver(w, people.que)
    const laptop = await asks(w, people.que)
    const { page } = phone
    await page.goto(`${w.issuer}/approve`)
    await page.click('main section a.primary')
    const taps = await counted(page)
    await page.waitForSelector('#number')
    assert.equal(await page.evaluate(() => document.querySelector('#answer button[value=deny]').compareDocumentPosition(document.querySelector('#answer button.primary')) & 4), 4)
    await page.click('#answer button.primary') // without a number nothing happens
    await page.waitForSelector('#number[aria-invalid]')
    const before = taps()
    await page.fill('#number', await number(laptop.page))
    await phone.key.presence(true)
    await page.click('#answer button.primary')
    await page.waitForSelector('.note.ok')
    assert.ok(taps() - before <= 2, 'too many taps')
    await laptop.page.waitForURL('**/account') // by itself
    assert.match(await laptop.page.textContent('main'), /Que Holm/)
  },

  'a push leads there in four taps, and tells nobody on the way': async (w) => {
    const phone = await approver(w, people.rex)
    await subscribed(w, phone)
    await phone.page.click('main button[name=test]')
    await phone.page.waitForURL('**done=tested')
    assert.equal((await w.service.next()).notification.title, 'Test notification')
    await phone.page.goto(`${w.issuer}/account/approvers`)
    assert.match(await phone.page.textContent('main'), /Last notification delivered/)
    const laptop = await asks(w, people.rex)
    const said = await w.service.next()
    const handle = new URL(laptop.page.url()).searchParams.get('r')
    assert.deepEqual([said.web_push, said.notification.tag, said.notification.navigate], [8030, handle, `${w.issuer}/approve/${handle}`])
    assert.doesNotMatch(JSON.stringify(said), new RegExp(`"${await number(laptop.page)}"|rex|127\\.0`))
    await deliver(phone, JSON.stringify(said))
    assert.deepEqual(await shown(phone.page), [{ tag: handle, title: 'Sign-in request', actions: 0, requireInteraction: true }])
    // What the click on it opens; Chromium without a head has no notifications to click on.
    await phone.page.goto(said.notification.navigate)
    await approve(phone, await number(laptop.page))
    await laptop.page.waitForURL('**/account')
  },

  'a subscription that is gone is forgotten': async (w) => {
    const phone = await approver(w, people.sia)
    await subscribed(w, phone)
    w.service.status = 410
    await phone.page.click('main button[name=test]')
    await phone.page.waitForSelector('[role=alert]')
    await w.service.next()
    w.service.status = 201
    await phone.page.goto(`${w.issuer}/account/approvers`)
    assert.equal(await phone.page.locator('main button[name=test]').count(), 0)
    const laptop = await asks(w, people.sia) // it waits in the inbox all the same
    await phone.page.goto(`${w.issuer}/approve`)
    assert.equal(await phone.page.locator('main section').count(), 1)
    await laptop.page.click('button[value=other]')
    await laptop.page.waitForURL('**/code?**')
    await phone.page.reload()
    assert.equal(await phone.page.locator('main section').count(), 0)
  },

  'a wrong number, not me, and once more, without scripts where it is asked': async (w) => {
    const phone = await approver(w, people.tip)
    const laptop = await asks(w, people.tip, { javaScriptEnabled: false })
    const at = (l) => `${w.issuer}/approve/${new URL(l.page.url()).searchParams.get('r')}`
    await phone.page.goto(at(laptop))
    const right = await number(laptop.page)
    await phone.page.fill('#number', right === '111' ? '222' : '111')
    await phone.page.click('#answer button.primary')
    await phone.page.waitForSelector('.note.bad')
    assert.match(await phone.page.textContent('main'), /doesn't match/)
    await laptop.page.waitForSelector('[role=alert]') // the page looks again by itself
    assert.match(await laptop.page.textContent('main'), /Another number was entered/)

    await laptop.page.click('button[value=ask]')
    await laptop.page.waitForSelector('.number')
    // The form that denies needs no script.
    const bare = await open(w.browser, { javaScriptEnabled: false, storageState: await phone.context.storageState() })
    w.clients.push(bare)
    await bare.page.goto(at(laptop))
    await shot(bare.page, 'approve-noscript')
    assert.ok(await bare.page.locator('noscript .note').isVisible())
    await bare.page.click('button[value=deny]')
    await bare.page.waitForSelector('.note.bad')
    assert.match(await bare.page.textContent('h1'), /Request blocked/)
    await laptop.page.waitForSelector('[role=alert]')
    assert.match(await laptop.page.textContent('main'), /denied/)
    await laptop.page.click('button[value=ask]') // who was denied has to wait
    await laptop.page.waitForSelector('[role=alert]')
    assert.match(await laptop.page.textContent('main'), /Too many requests/)
  },

  'a call centre asks, in both languages': async (w) => {
    for (const [locale, person] of [['en-US', people.cia], ['zh-CN', people.dag]]) {
      const name = (n) => `${locale.slice(0, 2)}-${n}`
      const phone = await approver(w, person, { locale, deviceScaleFactor: 1 })
      const call = (path, form) => fetch(w.issuer + path, { method: 'POST', headers: { Authorization: `Basic ${btoa('calls:calls-secret-5e4d3c2b1a')}` },
        body: new URLSearchParams(form) }).then((r) => r.json())
      const ask = () => call('/bc-authorize', { scope: 'openid', login_hint: person.username, binding_message: 'Order 4711 <b>' })
      const token = (a) => call('/token', { grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: a.auth_req_id })
      const first = await ask()
      await phone.page.goto(`${w.issuer}/approve`)
      await phone.page.click('main section a.primary')
      assert.match(await phone.page.textContent('main'), /Order 4711 <b>/)
      assert.ok((await phone.page.textContent('main')).includes(first.comparison_code))
      assert.equal(await phone.page.locator('#number').count(), 0) // it is compared, not typed
      await look2(phone, name('ciba'))
      const left = phone.page.url()
      const second = await ask() // whatever was asked before by this client still stands
      await phone.page.goto(left)
      await phone.key.presence(true)
      await phone.page.click('#answer button.primary')
      await phone.page.waitForSelector('.note.ok')
      await phone.key.presence(false)
      await look2(phone, name('ciba-ok'))
      const got = await token(first)
      assert.ok(got.access_token && got.id_token, JSON.stringify(got))
      assert.equal((await token(second)).error, 'authorization_pending')
    }
  },

  'every page, in both languages': async (w) => {
    for (const [locale, person] of [['en-US', people.ulf], ['zh-CN', people.vim]]) {
      const name = (n) => `${locale.slice(0, 2)}-${n}`
      const phone = await approver(w, person, { locale, deviceScaleFactor: 1 }, (n) => look2(phone, name(n)))
      await subscribed(w, phone)
      await look2(phone, name('approvers'))
      await phone.page.goto(`${w.issuer}/approve`)
      await look2(phone, name('approvals-empty'))
      const laptop = await asks(w, person, { locale })
      await laptop.page.evaluate(axe.source)
      await look(laptop.page, name('push'))
      await phone.page.goto(`${w.issuer}/approve`)
      await look2(phone, name('approvals'))
      await phone.page.click('main section a.primary')
      const weighed = await weight(phone)
      w.say(`the page that approves: ${weighed.bytes} bytes, ${weighed.requests} requests, ${weighed.script} of script`)
      assert.ok(weighed.bytes <= 15 * 1024, `the page that approves weighs ${weighed.bytes} bytes`)
      // That the browser looks for a newer worker now and then is no part of the page.
      const asked = [...new Set(weighed.urls.filter((u) => !u.endsWith('/sw.js')))]
      assert.ok(asked.length <= 5, `the page that approves takes ${asked.length} requests: ${asked}`)
      await look2(phone, name('approve'))
      await approve(phone, await number(laptop.page))
      await look2(phone, name('approve-ok'))
      await laptop.page.waitForURL('**/account')

      await laptop.page.goto(`${w.issuer}/login?to=/account/sessions`) // a device that is known
      await laptop.page.evaluate(axe.source)
      await look(laptop.page, name('login-push'))
      await laptop.page.click('form[action$="/push"] button')
      await laptop.page.waitForSelector('.number')
      assert.match(await number(laptop.page), /^\d\d$/)
      const old = new URL(laptop.page.url()).searchParams.get('r')
      await laptop.page.click('button[value=ask]') // once more: the first request is over
      await laptop.page.waitForURL((u) => u.searchParams.get('r') !== old)
      await phone.page.goto(`${w.issuer}/approve/${old}`)
      await look2(phone, name('approve-superseded'))
      assert.equal(await phone.page.locator('#number').count(), 0)
      await phone.page.goto(`${w.issuer}/approve`)
      await phone.page.click('main section a.primary')
      await phone.page.click('button[value=deny]')
      await phone.page.waitForSelector('.note.bad')
      await look2(phone, name('approve-denied'))
      await laptop.page.waitForSelector('[role=alert]')
      await laptop.page.evaluate(axe.source)
      await look(laptop.page, name('push-denied'))
    }
  },
}

async function look2({ page }, name) {
  await page.evaluate(axe.source)
  await look(page, name)
}

// approver is a browser of person that approves.
async function approver(w, person, options = {}, seen = async () => {}) {
  const b = await open(w.browser, { viewport: { width: 390, height: 844 }, permissions: ['notifications'], ...options })
  w.clients.push(b)
  const { page } = b
  const key = b.key = await authenticator(b)
  b.person = person
  await page.goto(`${w.issuer}/account/passkeys`)
  await signIn(page, person)
  await page.waitForURL('**/account/passkeys')
  await key.touch('.passkey button', () => page.waitForURL('**done=added'))
  await page.goto(`${w.issuer}/account/approvers`)
  await page.click('main section a.primary') // confirm
  await page.waitForURL('**/login?**')
  await key.touch('.passkey button', () => page.waitForURL('**/account/approvers'))
  await page.evaluate(axe.source)
  await page.click('button[name=enrol]')
  await page.waitForURL('**done=approver')
  return b
}

// asks signs person in by password on a new device, which asks the other one.
async function asks(w, person, options = {}) {
  const b = await open(w.browser, options)
  w.clients.push(b)
  await b.page.goto(`${w.issuer}/login`)
  await signIn(b.page, person)
  await b.page.waitForURL('**/code?**')
  await b.page.click('form[action$="/push"] button')
  await b.page.waitForSelector('.number')
  return b
}

const number = async (page) => (await page.textContent('.number')).match(/\d+$/)[0]

async function approve({ page, key }, n) {
  await page.fill('#number', n)
  await key.presence(true)
  await page.click('#answer button.primary')
  await page.waitForSelector('.note.ok')
  await key.presence(false)
}

// subscribed turns notifications on. Chromium here reaches no push service: its subscription is ours; all else is real.
async function subscribed(w, { page }) {
  const { endpoint, keys } = w.service.subscription()
  await page.evaluate(({ endpoint, keys }) => {
    PushManager.prototype.subscribe = async (o) => {
      globalThis.subscribedWith = [o.userVisibleOnly, new Uint8Array(o.applicationServerKey).length]
      return { toJSON: () => ({ endpoint, keys }) }
    }
  }, { endpoint, keys })
  await page.click('#notify button')
  await page.waitForSelector('#notify .status:text-matches(".")')
  const on = await page.getAttribute('#notify .status', 'data-on')
  assert.equal(await page.textContent('#notify .status'), on)
  assert.deepEqual(await page.evaluate(() => globalThis.subscribedWith), [true, 65])
  await page.reload()
}

// deliver brings a push to the service worker as a browser would.
async function deliver({ context, page }, data) {
  const cdp = await context.newCDPSession(page)
  let id
  cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => { id ??= registrations[0]?.registrationId })
  await cdp.send('ServiceWorker.enable')
  while (!id) await page.waitForTimeout(50)
  await cdp.send('ServiceWorker.deliverPushMessage', { origin: new URL(page.url()).origin, registrationId: id, data })
}

async function shown(page) {
  for (let i = 0; i < 100; i++) {
    const list = await page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications())
      .map(({ tag, title, actions, requireInteraction }) => ({ tag, title, actions: actions?.length ?? 0, requireInteraction })))
    if (list.length > 0) return list
    await page.waitForTimeout(50)
  }
  return []
}

// weight is what a page weighs when nothing of it is in a cache.
async function weight(b) {
  const weighed = await scale(b)
  weighed.begin()
  await b.page.reload({ waitUntil: 'networkidle' })
  return weighed.end()
}

async function counted(page) {
  let n = 0
  await page.exposeFunction('tapped', () => n++)
  await page.evaluate(() => addEventListener('click', () => globalThis.tapped(), true))
  return () => n
}

// pushService takes pushes as RFC 8030 has it, looks at who sends them, and opens them.
async function pushService() {
  const dir = mkdtempSync(path.join(tmpdir(), 'postern-push-'))
  const cert = path.join(dir, 'cert.pem'), key = path.join(dir, 'key.pem')
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=push',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' })
  const browsers = new Map()
  const arrived = []
  let waiting
  const self = { cert, status: 201 }
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, async (req, res) => {
    const parts = []
    for await (const p of req) parts.push(p)
    try {
      const origin = `https://127.0.0.1:${server.address().port}`
      assert.equal(req.headers['content-encoding'], 'aes128gcm')
      assert.deepEqual([req.headers.ttl, req.headers.urgency], ['120', 'high'])
      vouched(req.headers.authorization, origin)
      arrived.push(opened(browsers.get(req.url), Buffer.concat(parts)))
    } catch (e) {
      arrived.push(e)
    }
    res.writeHead(self.status).end()
    waiting?.()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  self.subscription = () => {
    const ecdh = createECDH('prime256v1')
    const keys = { p256dh: ecdh.generateKeys('base64url'), auth: randomBytes(16).toString('base64url') }
    const at = `/send/${randomBytes(8).toString('hex')}`
    browsers.set(at, { ecdh, auth: Buffer.from(keys.auth, 'base64url') })
    return { endpoint: `https://127.0.0.1:${server.address().port}${at}`, keys }
  }
  self.next = async () => {
    if (arrived.length === 0) await new Promise((resolve, reject) => { waiting = resolve; setTimeout(() => reject(new Error('no push')), 10_000).unref() })
    const got = arrived.shift()
    if (got instanceof Error) throw got
    return got
  }
  self.stop = () => {
    server.closeAllConnections()
    server.close()
    rmSync(dir, { recursive: true, force: true })
  }
  return self
}

// opened is RFC 8291 §3 and RFC 8188 §2 from the browser's side.
function opened({ ecdh, auth }, body) {
  const salt = body.subarray(0, 16), theirs = body.subarray(21, 86), sealed = body.subarray(86)
  const ikm = hkdfSync('sha256', ecdh.computeSecret(theirs), auth, Buffer.concat([Buffer.from('WebPush: info\0'), ecdh.getPublicKey(), theirs]), 32)
  const cek = hkdfSync('sha256', ikm, salt, 'Content-Encoding: aes128gcm\0', 16)
  const nonce = hkdfSync('sha256', ikm, salt, 'Content-Encoding: nonce\0', 12)
  const open = createDecipheriv('aes-128-gcm', Buffer.from(cek), Buffer.from(nonce))
  open.setAuthTag(sealed.subarray(-16))
  const plain = Buffer.concat([open.update(sealed.subarray(0, -16)), open.final()])
  return JSON.parse(plain.subarray(0, plain.lastIndexOf(2)).toString())
}

// vouched is RFC 8292 §2 and §3.
function vouched(header, origin) {
  const [, head, claims, sig, k] = /^vapid t=([^.]+)\.([^.]+)\.([^.]+), k=(.+)$/.exec(header)
  const point = Buffer.from(k, 'base64url')
  const key = createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') } })
  assert.ok(verify('sha256', Buffer.from(`${head}.${claims}`), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(sig, 'base64url')))
  const { aud, exp } = JSON.parse(Buffer.from(claims, 'base64url'))
  assert.equal(aud, origin)
  assert.ok(exp > Date.now() / 1000 && exp < Date.now() / 1000 + 86_400)
}
