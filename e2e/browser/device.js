// A device asks, and a person answers in a real browser: every page of it, in both languages, with scripts and without.
import assert from 'node:assert/strict'
import test from 'node:test'
import { allow, open, signIn } from './chromium.js'
import { suite } from './pages.js'
import { people } from './server.js'

const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
const post = async (url, form) => (await fetch(url, { method: 'POST', body: new URLSearchParams({ client_id: 'tv', ...form }) })).json()

export const ask = (issuer) => post(`${issuer}/device_authorization`, { scope: 'openid profile' })
export const poll = (issuer, { device_code }) => post(`${issuer}/token`, { grant_type, device_code })

const next = (page) => page.click('form[action$="/device"] button.primary')
const decide = (page, what) => page.click(`button[name=decision][value=${what}]`)

export default function device(browser, server) {
  for (const locale of ['en-US', 'zh-CN']) {
    suite(browser, `pages of a device, ${locale}`, locale, async (page, check) => {
      const { issuer } = server()
      await page.goto(`${issuer}/device`)
      await check('device')
      assert.equal(await page.evaluate(() => document.activeElement.name), 'user_code')
      await page.fill('[name=user_code]', 'bcdf ghjk')
      await next(page)
      await page.waitForSelector('[role=alert]')
      await check('device-wrong')
      let asked = await ask(issuer)
      await page.goto(asked.verification_uri_complete)
      assert.equal(await page.inputValue('[name=user_code]'), asked.user_code)
      await check('device-filled')
      await next(page)
      await page.waitForSelector('button[value=yes]')
      await check('device-confirm')
      assert.match(await page.textContent('main'), new RegExp(`tv\\.example[^]*${asked.user_code}`))
      assert.deepEqual(await page.$$eval('button[name=decision]', (list) => list.map((b) => b.value)), ['no', 'yes'])
      await decide(page, 'no')
      await page.waitForSelector('[role=status]')
      await check('device-stopped')
      assert.equal((await poll(issuer, asked)).error, 'access_denied')
      asked = await ask(issuer)
      await page.goto(asked.verification_uri)
      await page.fill('[name=user_code]', asked.user_code.toLowerCase().replace('-', ' '))
      await next(page)
      await decide(page, 'yes')
      await page.waitForURL('**/login?**')
      await check('device-login')
      await signIn(page, people.ann)
      await page.waitForURL((u) => !['/login', '/device-key'].includes(u.pathname))
      if (page.url().includes('/consent?')) { // once: the other language has it remembered
        await check('device-consent')
        await allow(page)
      }
      await page.waitForURL('**/continue?**')
      await check('device-done')
      assert.ok((await poll(issuer, asked)).access_token)
    })
  }

  test('a device without scripts', async () => {
    const b = await open(browser(), { javaScriptEnabled: false })
    try {
      const { issuer } = server()
      const asked = await ask(issuer)
      await b.page.goto(asked.verification_uri_complete)
      await next(b.page)
      await decide(b.page, 'yes')
      await signIn(b.page, people.dev)
      await b.page.waitForURL((u) => u.pathname !== '/login')
      await allow(b.page)
      await b.page.waitForSelector('[role=status]')
      assert.match(await b.page.textContent('main'), /Device connected/)
      assert.ok((await poll(issuer, asked)).access_token)
    } finally {
      await b.close()
    }
  })
}
