// Every page with texts that are 40 % longer (postern dev --pseudo): nothing is cut off, at 390 and at 320 px.
import assert from 'node:assert/strict'
import test from 'node:test'
import { Place } from './account.js'
import { allow, enterCode, open, shot, signIn } from './chromium.js'
import { authorizeURL, clientURI, people, schemeURI, start } from './server.js'

export default function pseudo(browser) {
  for (const [locale, person, other] of [['en-US', people.mia, people.ola], ['zh-CN', people.mei, people.pim]]) {
    test(`longer texts are all there, ${locale}`, async (t) => {
      const server = await start('--pseudo', '40')
      const b = await open(browser(), { locale })
      try {
        const check = (name) => t.test(name, () => whole(b.page, `${locale.slice(0, 2)}-${name}`))
        await walk(b.page, server, person, check)
        await settings(b.page, server, other, new Place(b, server.issuer), check)
        await b.context.clearCookies()
        await last(b.page, server, people.ann, check)
      } finally {
        await b.close()
        await server.stop()
      }
    })
  }

  test('what is cut off is seen', async () => { // the check itself must be able to fail
    const b = await open(browser())
    try {
      await b.page.setContent('<style>p { width: 40px; overflow: hidden; white-space: nowrap }</style><p>much too long for that</p>')
      assert.deepEqual(await b.page.evaluate(clipped), ['P much too long for that'])
    } finally {
      await b.close()
    }
  })
}

async function walk(page, { issuer }, person, check) {
  const app = (more) => authorizeURL(issuer, 'app', clientURI, more)
  await page.goto(app())
  const h1 = await page.textContent('h1')
  assert.ok(h1 !== 'Sign in' && h1 !== '登录', `${h1} is not longer than it was`)
  await check('login')
  await signIn(page, { ...person, password: 'wrong' })
  await page.waitForSelector('[role=alert]')
  await check('login-error')
  await signIn(page, person)
  await page.waitForURL('**/consent?**')
  await page.goto(app({ scope: 'openid profile email phone address offline_access orders:read', resource: 'https://api.example' }))
  await check('consent')
  await page.goto(app({ acr_values: 'urn:postern:acr:aal2', prompt: 'login' }))
  await check('login-again')
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
  for (const name of ['', '/sessions', '/apps', '/activity', '/passkeys', '/totp', '/recovery-codes', '/password', '/settings']) {
    await page.goto(`${issuer}/account${name}`)
    await check(`account${name.replace('/', '-')}`)
  }
  await page.goto(`${issuer}/logout`)
  await check('logout')
  await page.click('button[value=logout]')
  await page.waitForSelector('button[value=logout]', { state: 'detached' })
  await check('signed-out')
  for (const at of ['/recover', '/dev/outbox', '/recover/go', '/not-me']) {
    await page.goto(`${issuer}${at}`)
    await check(at.slice(1).replace('/', '-'))
  }
}

// last ends in a scheme that nothing here takes: after such an attempt Chromium may ignore clicks in the tab.
async function last(page, { issuer }, person, check) {
  await page.goto(authorizeURL(issuer, 'native', schemeURI))
  await signIn(page, person)
  await page.waitForURL('**/consent?**')
  await allow(page)
  await page.waitForURL('**/continue?**')
  await check('continue')
}

// settings are the pages of an account that has a password only, and so may be changed at once.
async function settings(page, { issuer }, person, place, check) {
  for (const name of ['passkeys', 'totp', 'password', 'settings', 'recovery-codes']) {
    if (name === 'passkeys') await place.in(name, person)
    else await page.goto(place.of(name))
    await check(`own-${name}`)
  }
  await page.click('main section button.primary, main form button')
  await page.waitForSelector('ol.codes')
  await check('own-codes')
  await page.goto(`${issuer}/recover`)
  await page.fill('[name=identifier]', person.email)
  await page.click('main form button.primary')
  await page.waitForSelector('[name=identifier]', { state: 'detached' })
  await check('recover-sent')
  await page.goto(`${issuer}/dev/outbox`)
  await page.click(`ul.events li:has-text("${person.email}") a`)
  await page.waitForSelector('p.mail')
  await check('mail')
  const links = await page.$$eval('p.mail a', (list) => list.map((a) => a.href))
  await page.goto(links.find((l) => l.includes('/recover/go')))
  await check('recover-open')
  await page.click('main form button.primary')
  await page.waitForSelector('[name=code]')
  await check('recover-wait')
}

async function whole(page, name) {
  await page.$$eval('details', (list) => { for (const d of list) d.open = true })
  try {
    for (const width of [390, 320]) {
      await page.setViewportSize({ width, height: 800 })
      await shot(page, `pseudo-${name}-${width}`)
      assert.deepEqual(await page.evaluate(clipped), [], `${name} at ${width} px`)
    }
  } finally {
    await page.setViewportSize({ width: 1280, height: 844 })
  }
}

// clipped are the elements that hold more than they show. What is hidden from sight for those who listen is no fault.
function clipped() {
  const out = []
  const root = document.scrollingElement
  if (root.scrollWidth > innerWidth) out.push(`the page is ${root.scrollWidth} px wide`)
  for (const e of document.body.querySelectorAll('*')) {
    const style = getComputedStyle(e), box = e.getBoundingClientRect()
    if (e instanceof SVGElement || style.display.startsWith('inline') && style.display !== 'inline-block' || box.width <= 1 || style.visibility === 'hidden') continue
    const fits = e.scrollWidth <= e.clientWidth + 1
    const scrolls = ['auto', 'scroll'].includes(style.overflowX) || e.matches('input, textarea')
    if (!fits && !scrolls && e.clientWidth > 0) out.push(`${e.tagName} ${e.textContent.trim().slice(0, 60)}`)
  }
  return out
}
