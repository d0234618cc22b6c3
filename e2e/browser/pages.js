// Every page, in both languages, light and dark, narrow and wide: no fault for axe, no horizontal scroll at 320 px.
import assert from 'node:assert/strict'
import test from 'node:test'
import axe from 'axe-core'
import { authenticator } from './authenticator.js'
import { allow, enterCode, open, shot, signIn } from './chromium.js'
import { authorizeURL, clientURI, people, schemeURI, totp } from './server.js'

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']

export default function pages(browser, server) {
  for (const [locale, person] of [['en-US', people.mia], ['zh-CN', people.mei]]) {
    suite(browser, `pages, ${locale}`, locale, async (page, check) => {
      await signInPages(page, server(), person, check)
      await elsewhere(browser(), server(), person)
      await accountPages(page, server(), check)
      await logoutPages(page, server(), check)
      await nativePages(page, server(), person, check)
    })
  }
  for (const [locale, person] of [['en-US', people.eli], ['zh-CN', people.fay]]) {
    suite(browser, `pages of passkeys and factors, ${locale}`, locale, async (page, check, b) => {
      await factorPages(page, server(), person, check, b)
      await recoverPages(page, server(), person, check, b)
    })
  }
  suite(browser, 'pages of the demo wallet', 'en-US', (page, check) => walletPages(page, server(), check))
}

export function suite(browser, title, locale, walk) {
  test(title, async (t) => {
    const b = await open(browser(), { locale })
    await b.context.addInitScript({ content: axe.source }) // not a script of the page: no policy holds it
    try {
      await walk(b.page, (name) => t.test(name, async () => {
        assert.equal(await b.page.getAttribute('html', 'lang'), locale.replace('en-US', 'en'))
        await look(b.page, `${locale.slice(0, 2)}-${name}`)
      }), b)
      assert.deepEqual(b.faults.filter((f) => !f.includes('does not have a registered handler')), [])
    } finally {
      await b.close()
    }
  })
}

async function signInPages(page, { issuer }, person, check) {
  const app = (more) => authorizeURL(issuer, 'app', clientURI, more)
  await page.goto(app())
  await check('login')
  await signIn(page, { username: person.username, password: 'not the password' })
  await page.waitForSelector('[role=alert]')
  await check('login-error')
  await signIn(page, person)
  await page.waitForURL('**/consent?**')
  await page.goto(app({ scope: 'openid profile email phone address offline_access orders:read',
    claims: '{"userinfo":{"birthdate":null,"picture":null}}', resource: 'https://api.example' }))
  await check('consent')
  await page.route(`${clientURI}?**`, (route) => route.fulfill({ contentType: 'text/html', body: 'the client' }))
  await allow(page)
  await page.waitForURL(`${clientURI}?**`)

  await page.goto(app({ prompt: 'login' }))
  await check('login-again')
  await page.goto(app({ acr_values: 'urn:postern:acr:aal2' }))
  await page.fill('[name=password]', person.password)
  await page.click('form[action$="/login"] button.primary')
  await page.waitForURL('**/code?**')
  await check('code')
  await enterCode(page, '000000')
  await page.waitForSelector('[role=alert]')
  await check('code-error')
  await page.goto(authorizeURL(issuer, 'nobody', 'https://nobody.example/cb'))
  await check('error')
  await page.goto(`${issuer}/nowhere`)
  await check('error-404')
}

// nativePages end in a scheme that nothing on this machine takes, so that the page before it stays. They come last: after
// such an attempt Chromium may ignore clicks in the tab.
async function nativePages(page, { issuer }, person, check) {
  await page.goto(authorizeURL(issuer, 'native', schemeURI))
  await signIn(page, person)
  await page.waitForURL('**/consent?**')
  await check('consent-native')
  await allow(page)
  await page.waitForURL('**/continue?**')
  await check('continue')
  await page.goto(page.url())
  await check('finished')
}

// elsewhere signs the same person in on another device, which asks for a code.
async function elsewhere(browser, { issuer }, person) {
  const b = await open(browser)
  await b.page.goto(`${issuer}/account`)
  await signIn(b.page, person)
  await enterCode(b.page, totp(person.totp_secret))
  await b.page.waitForURL('**/account')
  await b.close()
}

async function accountPages(page, { issuer }, check) {
  for (const [name, at] of [['account', ''], ['sessions', '/sessions'], ['apps', '/apps'], ['activity', '/activity']]) {
    await page.goto(`${issuer}/account${at}`)
    await check(name)
    if (name === 'apps') assert.match(await page.textContent('main'), /See your orders|纸墨书店[^]*查看您的订单/)
  }
}

// factorPages leave recovery codes in b.codes.
async function factorPages(page, { issuer }, person, check, b) {
  const key = await authenticator(b)
  const press = (url) => key.touch('.passkey button', () => page.waitForURL(url))
  const at = (path) => (u) => u.pathname === path
  await page.goto(authorizeURL(issuer, 'app', clientURI))
  await signIn(page, person)
  await page.waitForURL(at('/passkey'))
  await check('passkey-prompt')
  await press((u) => u.searchParams.has('made'))
  await check('passkey-made')
  await page.goto(`${issuer}/account/passkeys`)
  await check('passkeys-confirm')
  await page.click('main section a.primary')
  await page.waitForURL(at('/login'))
  await check('login-confirm')
  await press(at('/account/passkeys'))
  for (const name of ['passkeys', 'totp', 'password', 'settings', 'recovery-codes']) {
    await page.goto(`${issuer}/account/${name}`)
    await check(name)
  }
  await page.click('main form button')
  await page.waitForSelector('ol.codes')
  await check('recovery-codes-new')
  b.codes = await page.$$eval('ol.codes li', (list) => list.map((li) => li.textContent.trim()))
  await page.goto(`${issuer}/account`)
  await check('account-safe')

  for (const c of await b.context.cookies()) if (c.name.endsWith('sid')) await b.context.clearCookies({ name: c.name })
  await page.goto(authorizeURL(issuer, 'app', clientURI, { acr_values: 'phr' }))
  await check('login-known')
  await signIn(page, person)
  await page.waitForURL(at('/code'))
  await check('code-passkey')
  await page.click('main a[href*="/recovery-code"]')
  await check('recovery-code')
}

async function recoverPages(page, { issuer }, person, check, b) {
  await b.context.clearCookies()
  const next = () => page.click('main form button.primary')
  await page.goto(`${issuer}/recover`)
  await check('recover')
  await page.fill('[name=identifier]', person.email)
  await next()
  await page.waitForSelector('[name=identifier]', { state: 'detached' })
  await check('recover-sent')
  await page.goto(`${issuer}/dev/outbox`)
  await check('outbox')
  await page.click(`ul.events li:has-text("${person.email}") a`)
  await page.waitForSelector('p.mail')
  await check('mail')
  const links = await page.$$eval('p.mail a', (list) => list.map((a) => a.href))
  await page.goto(links.find((l) => l.includes('/recover/go')))
  await check('recover-open')
  await next()
  await page.waitForSelector('[name=code]')
  await check('recover-wait')
  await page.fill('[name=code]', b.codes[0])
  await next()
  await page.waitForSelector('[name=new]')
  await check('recover-set')
  await page.goto(links.find((l) => l.includes('/not-me')))
  await check('not-me')
  await next()
  await page.waitForSelector('form', { state: 'detached' })
  await check('not-me-done')
}

async function logoutPages(page, { issuer }, check) {
  await page.goto(`${issuer}/logout`)
  await check('logout')
  await page.click('button[value=logout]')
  await page.waitForSelector('button[value=logout]', { state: 'detached' })
  await check('signed-out')
}

async function walletPages(page, { wallet }, check) {
  await page.goto(wallet)
  await check('wallet-welcome')
  await page.click('a.primary')
  await signIn(page, people.ann)
  await allow(page)
  await page.waitForSelector('.amount')
  await page.click('text=Call the API')
  await page.waitForSelector('.call')
  await check('wallet-home')
  await page.click('button:text("Withdraw")')
  await page.waitForURL('**/confirm')
  await check('wallet-confirm')
  await page.goto(`${wallet}/nowhere`)
  await check('wallet-error')
}

export async function look(page, name) {
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 844 })
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme })
      await shot(page, `${name}-${width}-${colorScheme}`)
      assert.deepEqual(await faults(page), [], `${name} ${width} ${colorScheme}`)
    }
  }
  await page.$$eval('details', (list) => { for (const d of list) d.open = true })
  assert.deepEqual(await faults(page), [], `${name}, all opened`)
  await page.setViewportSize({ width: 320, height: 640 })
  const wide = await page.evaluate(() => document.scrollingElement.scrollWidth)
  assert.ok(wide <= 320, `${name} is ${wide} px wide where there are 320`)
  await page.setViewportSize({ width: 1280, height: 844 })
  await page.emulateMedia({ colorScheme: 'light' })
}

async function faults(page) {
  const result = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values }, resultTypes: ['violations'] }), rules)
  return result.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' | ')}`)
}
