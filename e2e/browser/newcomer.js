// The first minutes of a newcomer: the demo wallet, with and without scripts.
import assert from 'node:assert/strict'
import test from 'node:test'
import { authenticator } from './authenticator.js'
import { allow, enterCode, open, shot, signIn } from './chromium.js'
import { people, totp } from './server.js'

export default function newcomer(browser, server) {
  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with scripts' : 'without scripts'
    test(`a newcomer signs in, withdraws and signs out, ${how}`, async () => {
      const { wallet, issuer, user } = server()
      const b = await open(browser(), { javaScriptEnabled })
      try {
        const who = javaScriptEnabled ? { ...user, name: 'Lin Demo' } : people.bo
        await walk(b.page, wallet, issuer, who, javaScriptEnabled ? 'wallet' : 'noscript')
        b.clean()
      } finally {
        await b.close()
      }
    })
  }

  test('a newcomer comes again: a password and a passkey first, one tap from then on', async () => {
    const { wallet, issuer } = server()
    const b = await open(browser())
    const { page } = b
    try {
      const key = await authenticator(b)
      const { kai } = people
      const home = () => page.waitForSelector('.amount')
      await page.goto(wallet)
      await page.click('a.primary')
      await signIn(page, kai)
      await page.waitForURL(`${issuer}/passkey?**`)
      await key.touch('.passkey button', () => page.waitForURL(`${issuer}/passkey?**made=1`))
      await page.click('#later button')
      await allow(page)
      await home()
      await page.click('text=Sign out')
      await page.waitForSelector('a.primary')

      await page.click('a.primary')
      await page.waitForURL(`${issuer}/login?**`)
      assert.equal((await page.textContent('.passkey button')).trim(), 'Continue as kai')
      await shot(page, 'wallet-8-again')
      await key.touch('.passkey button', home) // nothing else is asked: the consent is remembered
      assert.equal(await page.textContent('h1'), kai.name)
      b.clean()
    } finally {
      await b.close()
    }
  })
}

async function walk(page, wallet, issuer, person, prefix) {
  const reads = async (text) => assert.ok((await page.textContent('main')).includes(text), `${page.url()} does not say ${JSON.stringify(text)}`)
  const at = (url) => page.waitForURL((u) => u.href.startsWith(url))

  await page.goto(wallet)
  await shot(page, `${prefix}-1-welcome`)
  await page.click('a.primary')
  await at(`${issuer}/login`)
  await shot(page, `${prefix}-2-login`)
  await signIn(page, person)
  await at(`${issuer}/consent`)
  await shot(page, `${prefix}-3-consent`)
  await allow(page)

  await at(`${wallet}/`)
  await page.waitForSelector('.amount')
  await reads('1,250.00')
  await reads(person.name)
  assert.equal(await page.textContent('h1'), person.name)
  for (const section of await page.$$('section:has(details)')) await (await section.$('summary')).click()
  const claims = (await page.$$eval('section details pre', (list) => list.map((e) => e.textContent))).map((text) => JSON.parse(text))
  assert.ok(claims.some((c) => c.typ === 'at+jwt') && claims.some((c) => c.iss === issuer && c.at_hash && c.sid), JSON.stringify(claims))
  await shot(page, `${prefix}-4-signed-in`)
  await page.click('text=Call the API')
  await page.waitForSelector('.call >> text=GET /api/balance')
  await page.click('text=Refresh tokens')
  await page.waitForSelector('text=You have new tokens.')

  await page.fill('[name=amount]', '25.00')
  await page.click('button:text("Withdraw")')
  await at(`${wallet}/confirm`)
  await shot(page, `${prefix}-5-confirm`)
  await page.click('text=Continue')
  await page.waitForURL((u) => u.origin === issuer)
  if (page.url().includes('/login')) {
    await page.fill('[name=password]', person.password)
    await page.click('form[action$="/login"] button.primary')
  }
  await at(`${issuer}/code`)
  await shot(page, `${prefix}-6-code`)
  await enterCode(page, totp(person.totp_secret))
  await at(`${wallet}/`)
  await page.waitForSelector('.amount')
  await reads('You withdrew €25.00')
  await reads('1,225.00')
  await shot(page, `${prefix}-7-withdrawn`)

  await page.click('text=Sign out')
  await at(`${wallet}/`)
  await page.waitForSelector('a.primary')
  await page.goto(`${issuer}/account`)
  await at(`${issuer}/login`) // the provider's session is over as well
}
