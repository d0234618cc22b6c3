// Passkeys with a virtual authenticator of Chromium, whose owner touches it only when a test says so.
import assert from 'node:assert/strict'
import test from 'node:test'
import { authenticator } from './authenticator.js'
import { open, shot, signIn } from './chromium.js'
import { authorizeURL, clientURI, people } from './server.js'

export default function passkeys(browser, server) {
  const app = (more) => authorizeURL(server().issuer, 'app', clientURI, more)
  const manage = () => `${server().issuer}/account/passkeys`
  const it = (title, body) => test(title, async () => {
    const b = await open(browser())
    try {
      await body(b.page, await authenticator(b), b)
      b.clean()
    } finally {
      await b.close()
    }
  })

  it('a passkey from the prompt after a password, then one tap by autofill', async (page, key, b) => {
    await page.goto(app())
    await signIn(page, people.eva)
    await page.waitForURL('**/passkey?**')
    await shot(page, 'passkey-prompt')
    await key.touch(button, () => page.waitForURL('**/passkey?**made=1'))
    await page.click('#later button')
    await page.waitForURL('**/consent?**')

    await b.context.clearCookies()
    const taps = await counted(page)
    await page.goto(app(), { waitUntil: 'load' })
    await armed(page)
    await page.waitForTimeout(300)
    assert.match(page.url(), /\/login\?/, 'signed in without a touch')
    await key.presence(true) // Chromium takes the first entry of the autofill for the person: the one tap
    await page.reload()
    await page.waitForURL('**/consent?**')
    assert.equal(taps(), 0, 'something of the page had to be clicked as well')
  })

  it('a passkey from the account; the button, a name on a known device, a passkey beside a pending autofill', async (page, key, b) => {
    await page.goto(manage())
    await signIn(page, people.pia)
    await at(page, '/account/passkeys')
    await add(page, key)
    assert.match(await page.textContent('main'), /This device only/)
    assert.equal((await key.credentials()).length, 1)
    await confirm(page, key)
    await key.touch(button, () => says(page, 'exists')) // excludeCredentials

    await forget(b, 'sid', 'who')
    await page.goto(app())
    await armed(page)
    await press(page, key, '**/consent?**')

    await forget(b, 'sid')
    await page.goto(app())
    assert.equal((await page.textContent('.passkey button')).trim(), 'Continue as pia')
    await shot(page, 'login-known')
    await press(page, key, '**/consent?**')
  })

  it('an application that asks for more gets it by one touch, on the page of the code too', async (page, key) => {
    await enrol(page, key, people.ida, manage())
    await page.goto(`${server().issuer}/logout`)
    await page.click('button[value=logout]')
    await page.goto(app({ acr_values: 'phr' }))
    await page.fill('[name=identifier]', people.ida.username) // the password leaves one factor to show
    await page.fill('[name=password]', people.ida.password)
    await page.click('form[action$="/login"] button.primary')
    await page.waitForURL('**/code?**')
    await shot(page, 'code-passkey')
    await press(page, key, '**/consent?**')
    for (const acr_values of ['phr', 'urn:postern:acr:aal2']) { // reached already: nothing is asked
      await page.goto(app({ acr_values }))
      assert.match(page.url(), /\/consent\?/)
    }
    await page.goto(app({ prompt: 'login', acr_values: 'phr' }))
    assert.match(page.url(), /\/login\?/)
    await press(page, key, '**/consent?**')
  })

  it('a ceremony that was cancelled can be repeated', async (page, key, b) => {
    await enrol(page, key, people.ole, manage())
    await forget(b, 'sid', 'who')
    await page.goto(app())
    await armed(page)
    await key.verified(false) // as if the person had turned away from the prompt
    await key.touch(button, () => says(page, 'cancel'))
    await shot(page, 'login-cancelled')
    await key.verified(true)
    await press(page, key, '**/consent?**')
  })

  it('a deleted passkey is forgotten by the authenticator, and an unknown one too', async (page, key, b) => {
    await enrol(page, key, people.tor, manage())
    const [old] = await key.credentials()
    await confirm(page, key)
    await rename(page, 'Blue key')
    await page.waitForSelector('h2:has-text("Blue key")')
    const gone = key.once('credentialDeleted')
    await page.click('summary:has-text("Delete")')
    await page.click('button.danger')
    await at(page, '/account/passkeys', 'deleted')
    await gone // signalAllAcceptedCredentials
    assert.deepEqual(await key.credentials(), [])

    await key.add(old) // an authenticator that did not hear of it
    await forget(b, 'sid', 'who')
    await page.goto(app())
    await armed(page)
    const hidden = key.once('credentialDeleted')
    await key.touch(button, () => says(page, 'unknown'))
    await hidden // signalUnknownCredential
    assert.deepEqual(await key.credentials(), [])
    await shot(page, 'login-unknown')
  })

  it('a passkey whose counter goes back is suspect', async (page, key, b) => {
    await enrol(page, key, people.liv, manage())
    const [copied] = await key.credentials()
    for (let i = 0; i < 2; i++) {
      await forget(b, 'sid', 'who')
      await page.goto(app())
      await armed(page)
      await press(page, key, '**/consent?**')
    }
    await key.remove(copied.credentialId)
    await key.add({ ...copied, signCount: 1 })
    await forget(b, 'sid', 'who')
    await page.goto(`${server().issuer}/login?to=/account/passkeys`)
    await armed(page)
    await key.touch(button, () => page.waitForURL((u) => u.pathname !== '/login'))
    await page.goto(manage())
    assert.match(await page.textContent('main'), /may have been copied/)
    await shot(page, 'passkeys-suspect')
  })
}

const button = '.passkey button'
const add = (page, key) => key.touch(button, () => at(page, '/account/passkeys', 'added'))

async function enrol(page, key, person, manage) {
  await page.goto(manage)
  await signIn(page, person)
  await at(page, '/account/passkeys')
  await add(page, key)
}

async function rename(page, name) {
  await page.click('summary:has-text("Rename")')
  await page.fill('[name=name]', name)
  await page.click('details[open] button.primary')
}

const press = (page, key, url) => key.touch(button, () => page.waitForURL(url))

// armed waits until the page waits for a passkey from the autofill. (Scripts that poll in the page fall to its policy.)
async function armed(page) {
  const options = () => performance.getEntriesByType('resource').some((r) => r.name.endsWith('/webauthn/get/options'))
  while (!(await page.evaluate(options))) await page.waitForTimeout(20)
  await page.waitForTimeout(100)
}

async function says(page, code) {
  const text = await page.getAttribute('.passkey [role=status]', `data-${code}`)
  await page.waitForSelector(`.passkey [role=status]:text-is(${JSON.stringify(text)})`)
}

const at = (page, path, done) => page.waitForURL((u) => u.pathname === path && (!done || u.searchParams.get('done') === done))

// confirm shows the passkey again: who has one may change nothing with a password alone.
async function confirm(page, key) {
  await page.click('main section a.primary')
  await at(page, '/login')
  await key.touch(button, () => at(page, '/account/passkeys'))
}

// forget removes cookies by a part of their name: sid is the session, who is who used a passkey here.
async function forget({ context }, ...names) {
  for (const c of await context.cookies()) if (names.some((n) => c.name.includes(n))) await context.clearCookies({ name: c.name })
}

async function counted(page) {
  let n = 0
  await page.exposeFunction('tapped', () => n++)
  await page.addInitScript(() => addEventListener('click', () => globalThis.tapped(), true))
  return () => n
}
