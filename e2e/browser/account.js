// The pages on which people look after their account, with and without scripts, and the mails that tell of it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { authenticator } from './authenticator.js'
import { enterCode, open, shot, signIn } from './chromium.js'
import { people, totp } from './server.js'

export default function account(browser, server) {
  for (const javaScriptEnabled of [true, false]) {
    const how = javaScriptEnabled ? 'with scripts' : 'without scripts'
    const it = (title, body) => test(`${title}, ${how}`, async () => {
      const b = await open(browser(), { javaScriptEnabled })
      try {
        await body(b.page, new Place(b, server().issuer))
        b.clean()
      } finally {
        await b.close()
      }
    })

    it('an authenticator app is set up and removed', async (page, place) => {
      const person = people[javaScriptEnabled ? 'kim' : 'jon']
      await place.in('totp', person)
      assert.equal(await page.getAttribute('svg.qr', 'role'), 'img')
      assert.ok((await page.getAttribute('svg.qr .ink', 'd')).length > 500)
      const secret = (await page.textContent('.key code')).replace(/\s/g, '')
      await page.fill('[name=code]', '000000')
      await page.click('main form button.primary')
      await page.waitForSelector('[role=alert]')
      assert.equal((await page.textContent('.key code')).replace(/\s/g, ''), secret, 'another secret after a wrong code')
      await shot(page, 'totp-wrong')
      await page.fill('[name=code]', totp(secret))
      await page.click('main form button.primary')
      await place.done('totp', 'totp')
      await place.mailed(person, /authenticator app/i)
      await page.click('main section a.primary') // who has an app may change nothing with a password alone
      await page.fill('[name=password]', person.password)
      await page.click('form[action$="/login"] button.primary')
      await page.waitForURL('**/code?**')
      await enterCode(page, totp(secret, 1))
      await place.at('totp')
      await page.click('summary:has-text("Remove")')
      await page.click('button.danger')
      await place.done('totp', 'nototp')
      await place.mailed(person, /Removed/)
      assert.ok(await page.isVisible('svg.qr'), 'it is still on')
    })

    it('recovery codes are shown once, printed on one page, and used once', async (page, place) => {
      const person = people[javaScriptEnabled ? 'una' : 'zoe']
      const codes = await place.codes(person)
      assert.equal(new Set(codes).size, 10)
      if (javaScriptEnabled) {
        const pdf = (await page.pdf({ format: 'A4' })).toString('latin1')
        assert.equal(pdf.match(/\/Type\s*\/Page\b/g).length, 1)
      }
      await page.check('[name=saved]')
      await page.click('form.save button.primary')
      await place.done('recovery-codes', 'codes')
      await place.mailed(person, /recovery codes/i)
      assert.match(await page.textContent('main'), /10 of 10/)

      const again = async (code) => {
        await page.context().clearCookies()
        await page.goto(place.of('recovery-codes'))
        await signIn(page, person)
        await page.waitForURL('**/code?**')
        await page.click('main a[href*="/recovery-code"]')
        await page.fill('[name=code]', code)
        await page.click('form[action$="/recovery-code"] button.primary')
      }
      await again(codes[3])
      await place.at('recovery-codes')
      assert.match(await page.textContent('main'), /9 of 10/)
      await again(codes[3])
      await page.waitForSelector('[role=alert]')
      await shot(page, 'recovery-code-used')
    })

    it('a new password, language, theme, own data', async (page, place) => {
      const person = people[javaScriptEnabled ? 'rut' : 'wei']
      await place.in('password', person)
      const change = async (current, next) => {
        await page.fill('[name=current]', current)
        await page.fill('[name=new]', next)
        await page.click('main form button.primary')
      }
      await change(person.password, 'short')
      await page.waitForSelector('[role=alert]')
      assert.match(await page.textContent('[role=alert]'), /15/)
      await shot(page, 'password-weak')
      await change('not the password', 'lantern-orchard-velvet-91')
      await page.waitForSelector('#wrong')
      await change(person.password, 'lantern-orchard-velvet-91')
      await place.done('password', 'password')
      await place.mailed(person, /password/i)

      await page.goto(place.of('settings'))
      await page.check('#lang-zh-CN')
      await page.check('#theme-dark')
      await page.click('main form button.primary')
      await place.done('settings', 'settings')
      assert.deepEqual([await page.getAttribute('html', 'lang'), await page.getAttribute('html', 'data-theme')], ['zh-CN', 'dark'])
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('main a[href$="/account/export"]')])
      const own = JSON.parse(readFileSync(await download.path(), 'utf8'))
      assert.equal(own.user.username ?? own.user.Username, person.username)
      assert.doesNotMatch(JSON.stringify(own), /argon2|PasswordHash/i)

      await page.goto(place.of('activity'))
      await page.selectOption('#kind', 'data')
      await page.click('form.filter button')
      await page.waitForURL((u) => u.searchParams.get('kind') === 'data')
      assert.deepEqual(await page.$$eval('ul.events b', (l) => l.map((b) => b.textContent)), ['已下载数据', '账号资料已更改'])
      assert.equal(await page.inputValue('#kind'), 'data')
      await page.selectOption('#kind', 'signin')
      await page.click('form.filter button')
      await page.waitForURL((u) => u.searchParams.get('kind') === 'signin')
      await shot(page, 'activity-filtered')
      assert.ok((await page.$$('ul.events a[href*="/not-me?"]')).length > 0, 'no sign-in can be disowned')
    })

    it('"this was not me" ends every session', async (page, place) => {
      const person = people[javaScriptEnabled ? 'nel' : 'ada']
      await place.in('sessions', person)
      await page.context().clearCookies() // another device
      await place.in('sessions', person)
      const { links } = await place.mailed(person, /New device/)
      await page.goto(links.find((l) => l.includes('/not-me')))
      await shot(page, 'not-me')
      await page.click('form[action$="/not-me"] button.primary')
      await page.waitForSelector('form', { state: 'detached' })
      await shot(page, 'not-me-done')
      await page.goto(place.of('sessions'))
      assert.match(page.url(), /\/login\?/)
      await page.goto(links.find((l) => l.includes('/not-me')))
      assert.equal(await page.$$eval('form', (l) => l.length), 0, 'the link works twice')
    })

    it('who lost everything but a recovery code gets in again', async (page, place) => {
      const person = people[javaScriptEnabled ? 'max' : 'ivo']
      const [code, second] = await place.codes(person)
      await place.recover(person)
      await page.fill('[name=code]', 'AAAA-AAAA-AAAA')
      await page.click('main form button.primary')
      await page.waitForSelector('[role=alert]')
      await page.fill('[name=code]', code)
      await page.click('main form button.primary')
      await page.fill('[name=new]', 'short')
      await page.click('main form button.primary')
      await page.waitForSelector('[role=alert]')
      await shot(page, 'recover-set')
      await page.fill('[name=new]', 'lantern-orchard-velvet-92')
      await page.click('main form button.primary')
      await page.waitForSelector('h1:text("Your account is yours again")')
      await place.mailed(person, /Your account was recovered/)
      await page.click('main .actions a')
      await signIn(page, person)
      await page.waitForSelector('[role=alert]')
      await signIn(page, { ...person, password: 'lantern-orchard-velvet-92' })
      await page.waitForURL('**/code?**') // a recovery never takes the second factor away
      await page.click('main a[href*="/recovery-code"]')
      await page.fill('[name=code]', second)
      await page.click('form[action$="/recovery-code"] button.primary')
      await page.waitForURL((u) => u.pathname === '/account')
    })
  }
  byPasskey(browser, server)
}

// byPasskey ends a recovery in a passkey, after a ceremony that came to nothing.
function byPasskey(browser, server) {
  test('a recovery ends in a passkey, at the second try', async () => {
    const b = await open(browser())
    try {
      const { page } = b
      const key = await authenticator(b)
      const place = new Place(b, server().issuer)
      const person = people.kai2
      const [code] = await place.codes(person)
      const other = await page.context().browser().newContext({ locale: 'en-US' }) // the owner, elsewhere
      await other.addCookies(await page.context().cookies())
      const owner = await other.newPage()
      await place.recover(person)
      await owner.goto(`${server().issuer}/account`)
      assert.ok(await owner.isVisible('button[value=stop]'), 'the overview does not tell of it')
      await shot(owner, 'account-recovery')
      await page.fill('[name=code]', code)
      await page.click('main form[action$="/recover/show"] button')
      await page.waitForSelector('[data-passkey=create] button')
      await shot(page, 'recover-set-passkey')
      await key.verified(false) // as if the person had turned away from the prompt
      await key.touch('.passkey button', () => page.waitForSelector('.passkey .status.bad'))
      await key.verified(true)
      await key.touch('.passkey button', () => page.waitForURL((u) => u.pathname === '/recover' && u.searchParams.has('done')))
      assert.equal((await key.credentials()).length, 1)
      await shot(page, 'recovered')
      await place.mailed(person, /Your account was recovered/)
      await owner.goto(`${server().issuer}/account`)
      assert.match(owner.url(), /\/login\?/, 'who was signed in before still is')
      await other.close()
      await page.click('main .actions a')
      await key.touch('.passkey button', () => page.waitForURL((u) => u.pathname === '/account'))
      b.clean()
    } finally {
      await b.close()
    }
  })
}

// Place is the account of the server at issuer, as the browser of b sees it.
export class Place {
  constructor(b, issuer) {
    Object.assign(this, { page: b.page, issuer })
  }

  of(name) { return `${this.issuer}/account/${name}` }

  at(name) { return this.page.waitForURL((u) => u.pathname === `/account/${name}`) }

  done(name, done) { return this.page.waitForURL((u) => u.pathname === `/account/${name}` && u.searchParams.get('done') === done) }

  async in(name, person) {
    await this.page.goto(this.of(name))
    await signIn(this.page, person)
    await this.at(name)
  }

  // codes makes recovery codes for a person.
  async codes(person) {
    await this.in('recovery-codes', person)
    await this.page.click('button:text("Create")')
    await this.page.waitForSelector('ol.codes')
    return this.page.$$eval('ol.codes li', (list) => list.map((li) => li.textContent.trim()))
  }

  // recover asks for the recovery of a person and begins its wait.
  async recover(person) {
    const { page } = this
    await page.context().clearCookies()
    await page.goto(this.of('settings'))
    await page.click('summary:has-text("sign in")')
    await page.click('main a[href$="/recover"]')
    await page.fill('[name=identifier]', person.email)
    await page.click('main form button.primary')
    await page.waitForSelector('h1:text("Check your email")')
    const { links } = await this.mailed(person, /^Recover your account/)
    await page.goto(links.find((l) => l.includes('/recover/go')))
    await page.click('main form button.primary')
    await page.waitForSelector('h1:text("Your recovery has begun")')
    await shot(page, 'recover-wait')
  }

  // mailed opens the newest mail to a person with such a subject, in a tab of its own, and returns its first link.
  async mailed(person, subject) {
    const tab = await this.page.context().newPage()
    try {
      await tab.goto(`${this.issuer}/dev/outbox`)
      const mail = tab.locator('ul.events li', { hasText: person.email }).filter({ has: tab.locator('a', { hasText: subject }) }).first()
      await mail.locator('a').click()
      await tab.waitForSelector('p.mail')
      await shot(tab, 'mail')
      return { text: await tab.textContent('p.mail'), links: await tab.$$eval('p.mail a', (l) => l.map((a) => a.href)) }
    } finally {
      await tab.close()
    }
  }
}
