// Passkeys, second part: what browsers are asked without a word of the page, phones, the last way in, and who is told of
// what. What a page asks of its browser is noted by a spy that runs before it.
import assert from 'node:assert/strict'
import test from 'node:test'
import { Place } from './account.js'
import { authenticator } from './authenticator.js'
import { allow, open, shot, signIn } from './chromium.js'
import { authorizeURL, clientURI, people } from './server.js'

const button = '.passkey button'

export default function ceremonies(browser, server) {
  const app = (more) => authorizeURL(server().issuer, 'app', clientURI, more)
  const it = (title, body, options) => test(title, async () => {
    const b = await open(browser())
    try {
      const asked = await spied(b)
      await body({ page: b.page, key: await authenticator(b, b.page, options), place: new Place(b, server().issuer), asked, b })
      b.clean()
    } finally {
      await b.close()
    }
  })

  it('a known device: what it holds is asked for at a click and not before, and who has nothing there is asked once more', async ({ page, key, place, asked, b }) => {
    await enrolled(page, key, place, people.uma)
    await forget(b, 'sid')
    asked.length = 0
    await page.goto(app())
    await page.waitForTimeout(500)
    assert.deepEqual(asked.filter((a) => a.name === 'get').map((a) => a.mediation), ['conditional'], 'something is asked at load')
    await key.touch(button, () => page.waitForURL('**/consent?**'))
    assert.deepEqual(asked.filter((a) => a.uiMode === 'immediate').map((a) => a.allow), [0])

    for (const c of await key.credentials()) await key.remove(c.credentialId) // the device was wiped
    await forget(b, 'sid')
    await page.goto(app())
    asked.length = 0
    await page.click(button)
    const modal = () => asked.filter((a) => a.name === 'get' && !a.mediation)
    await until(page, () => modal().length >= 2, () => `asked: ${JSON.stringify(asked)}`)
    const [first, second] = modal()
    assert.deepEqual([first.uiMode, first.ended, second.uiMode], ['immediate', 'NotAllowedError', undefined])
    assert.ok(second.allow > 0, 'the second question names the passkeys of the person')
  })

  it('a passkey made without a question, where the browser can', async ({ page, key, place, asked, b }) => {
    // Chromium makes one only if its own password manager filled the password in; here it makes one always.
    await b.context.addInitScript(() => {
      const real = navigator.credentials.create.bind(navigator.credentials)
      navigator.credentials.create = ({ mediation, ...how }) => real(how)
    })
    await key.presence(true)
    await page.goto(app())
    await signIn(page, people.ada2)
    await page.waitForURL((u) => u.searchParams.has('made') && u.searchParams.has('auto'))
    assert.match(await page.textContent('main'), /ready|created/i)
    await shot(page, 'passkey-auto')
    await place.mailed(people.ada2, /passkey/i)
    await page.click('#later button')
    await page.waitForURL('**/consent?**')
    assert.equal((await key.credentials()).length, 1)
  })

  it('a browser that makes none without a question says nothing, and its button works', async ({ page, key, asked }) => {
    await page.goto(app())
    await signIn(page, people.ben)
    await page.waitForURL('**/passkey?**')
    await until(page, () => asked.some((a) => a.name === 'create'), () => 'nothing is made')
    assert.equal(asked.find((a) => a.name === 'create').mediation, 'conditional')
    assert.equal((await page.textContent('.passkey [role=status]')).trim(), '')
    await key.touch(button, () => page.waitForURL('**/passkey?**made=1'))
  })

  it('a passkey of a phone signs in, and one for this device is offered after it', async ({ page, key, place, b }) => {
    await enrolled(page, key, place, people.cia)
    const [onPhone] = await key.credentials()
    await forget(b, 'sid', 'who', 'later')
    const here = await authenticator(b)
    await page.goto(app())
    assert.equal((await page.textContent(button)).trim(), 'Sign in with a passkey')
    await key.touch(button, () => page.waitForURL('**/passkey?**'))
    assert.match(await page.textContent('main'), /Create a passkey on this device/)
    await shot(page, 'passkey-after-phone')
    await here.touch(button, () => page.waitForURL('**/passkey?**made=1'))
    await page.click('#later button')
    await page.waitForURL('**/consent?**')
    assert.equal((await here.credentials()).length, 1)
    assert.deepEqual((await key.credentials()).map((c) => c.credentialId), [onPhone.credentialId])
    await page.goto(place.of('passkeys'))
    assert.equal((await page.$$('[name=rename]')).length, 2)
  }, { transport: 'cable' })

  it('password managers hear which passkeys are good, and what the account is called', async ({ page, key, place, asked, b }) => {
    const person = people.dag
    await enrolled(page, key, place, person)
    const [kept] = await key.credentials()
    await page.goto(place.of('passkeys'))
    await proven(page, key)
    const second = await authenticator(b, page, { transport: 'usb' })
    await second.touch(button, () => place.done('passkeys', 'added'))
    const [gone] = await second.credentials()
    const told = async (method) => {
      const of = () => asked.filter((a) => a.name === method)
      await until(page, () => of().length, () => `no ${method}`)
      return of().at(-1).what
    }
    await told('signalAllAcceptedCredentials')
    asked.length = 0
    await rename(page, 1, 'Blue phone')
    await place.done('passkeys', 'renamed')
    const details = await told('signalCurrentUserDetails')
    assert.deepEqual([details.rpId, details.name, details.displayName], ['localhost', person.username, person.name])
    await place.mailed(person, /passkey/i)

    asked.length = 0
    const id = url64(gone.credentialId)
    const card = page.locator('form', { has: page.locator(`[name=delete][value="${id}"]`) })
    await page.locator('details', { has: card }).locator('summary:has-text("Delete")').click()
    await card.locator('button.danger').click()
    await place.done('passkeys', 'deleted')
    const all = await told('signalAllAcceptedCredentials')
    assert.deepEqual([all.rpId, all.allAcceptedCredentialIds, all.userId], ['localhost', [url64(kept.credentialId)], details.userId])
    const { text } = await place.mailed(person, /Removed/)
    assert.match(text, /passkey/i)
  })

  it('the mails after a passkey was added, renamed and deleted', async ({ page, key, place }) => {
    const person = people.ebo
    await enrolled(page, key, place, person)
    const added = await place.mailed(person, /passkey/i)
    assert.match(added.text, /Something new can sign you in: passkey/)
    assert.ok(added.links.some((l) => l.includes('/not-me?')), 'no way to say that it was somebody else')
    await page.goto(place.of('passkeys'))
    await proven(page, key)
    await rename(page, 0, 'Green <b>key</b>')
    await place.done('passkeys', 'renamed')
    await page.waitForSelector('h2:has-text("Green <b>key</b>")')
    assert.match((await place.mailed(person, /Changed/i)).text, /passkey/i)
    await page.click('summary:has-text("Delete")')
    await page.click('button.danger')
    await place.done('passkeys', 'deleted')
    assert.match((await place.mailed(person, /Removed/)).text, /passkey/i)
  })

  it('who removed their password keeps their last passkey, and signs in with it alone', async ({ page, key, place, b }) => {
    const person = people.gro
    await enrolled(page, key, place, person)
    await page.goto(place.of('password'))
    await proven(page, key, 'password')
    await page.click('summary:has-text("Remove password")')
    await shot(page, 'password-remove')
    await page.click('button.danger')
    await place.done('password', 'nopass')
    assert.match((await place.mailed(person, /Removed/)).text, /password/i)
    await page.goto(place.of('passkeys'))
    assert.match(await page.textContent('main'), /your only way to sign in/)
    assert.equal(await page.locator('[name=delete]').count(), 0, 'the last passkey can be deleted')
    await shot(page, 'passkeys-last')

    await forget(b, 'sid', 'who')
    await page.goto(`${server().issuer}/login?to=/account`)
    await signIn(page, person)
    await page.waitForSelector('[role=alert]')
    await key.touch(button, () => page.waitForURL((u) => u.pathname === '/account'))
  })

  it('a passkey is what aal2 asks for, of whoever came by a password', async ({ page, key, place, b }) => {
    const person = people.hal
    await enrolled(page, key, place, person)
    await forget(b, 'sid')
    await page.route(`${clientURI}?**`, (route) => route.fulfill({ contentType: 'text/html', body: 'the client' }))
    await page.goto(app({ acr_values: 'urn:postern:acr:aal2' }))
    await signIn(page, person)
    await page.waitForURL('**/code?**')
    await key.touch(button, () => page.waitForURL('**/consent?**'))
    await allow(page)
    await page.waitForURL(`${clientURI}?**`)
    assert.ok(new URL(page.url()).searchParams.get('code'))
  })
}

// spied notes what every page of b asks of its browser: the ceremonies, of an immediate one how it ended, and the signals.
async function spied(b) {
  const asked = []
  await b.page.exposeFunction('noted', (what) => { asked.push(what) })
  await b.context.addInitScript(() => {
    const note = (...a) => globalThis.noted?.(...a)
    for (const name of ['get', 'create']) {
      const real = navigator.credentials[name].bind(navigator.credentials)
      navigator.credentials[name] = (how) => {
        const what = { name, mediation: how.mediation, uiMode: how.uiMode, allow: how.publicKey.allowCredentials?.length ?? 0 }
        const answer = real(how), begun = Date.now()
        if (how.uiMode) answer.then(() => note({ ...what, ended: 'well' }), (e) => note({ ...what, ended: e.name, took: Date.now() - begun }))
        else note(what)
        return answer
      }
    }
    for (const name of ['signalAllAcceptedCredentials', 'signalCurrentUserDetails', 'signalUnknownCredential']) {
      const real = PublicKeyCredential[name].bind(PublicKeyCredential)
      PublicKeyCredential[name] = (what) => { note({ name, what: structuredClone(what) }); return real(what) }
    }
  })
  return asked
}

async function until(page, met, complaint) {
  for (let i = 0; !met(); i++) {
    if (i === 200) assert.fail(complaint())
    await page.waitForTimeout(50)
  }
}

async function enrolled(page, key, place, person) {
  await place.in('passkeys', person)
  await key.touch(button, () => place.done('passkeys', 'added'))
}

// proven shows the passkey once more: who has one may change nothing with a password alone.
async function proven(page, key, name = 'passkeys') {
  await page.click('main section a.primary')
  await page.waitForURL((u) => u.pathname === '/login')
  await key.touch(button, () => page.waitForURL((u) => u.pathname === `/account/${name}`))
}

async function rename(page, n, name) {
  await page.locator('summary:has-text("Rename")').nth(n).click()
  await page.locator('[name=name]').nth(n).fill(name)
  await page.click('details[open] button.primary')
}

async function forget({ context }, ...names) {
  for (const c of await context.cookies()) if (names.some((n) => c.name.includes(n))) await context.clearCookies({ name: c.name })
}

const url64 = (b64) => b64.replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
