// oidc-client-ts in Chromium: a page that signs in with PKCE, renews by refresh token and in a hidden frame, and signs out.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { allow, launch, open, signIn } from '../../browser/chromium.js'
import { person } from './server.js'

const library = readFileSync(fileURLToPath(import.meta.resolve('oidc-client-ts').replace('/esm/oidc-client-ts.js', '/browser/oidc-client-ts.min.js')))

const script = (authority) => `
const { origin, pathname } = location
const manager = new oidc.UserManager({
  authority: ${JSON.stringify(authority)}, client_id: 'page', scope: 'openid profile email offline_access', loadUserInfo: true,
  redirect_uri: origin + '/cb', silent_redirect_uri: origin + '/silent', post_logout_redirect_uri: origin + '/bye',
  userStore: new oidc.WebStorageStateStore({ store: sessionStorage }), automaticSilentRenew: false,
})
const back = { '/cb': () => manager.signinCallback(), '/silent': () => manager.signinCallback(), '/bye': () => manager.signoutCallback() }[pathname]
const returned = back?.().then((user) => user && { ...user.profile, state: user.state })
`

export default function oidcClientTS(server) {
  test('oidc-client-ts', async () => {
    const { issuer, apps: { page: app } } = server()
    app.serve((req, res) => {
      const [type, body] = { '/oidc.js': ['text/javascript', library], '/app.js': ['text/javascript', script(issuer)] }[req.url] ??
        ['text/html', '<!doctype html><title>App</title><link rel="icon" href="data:,"><script src="/oidc.js"></script><script src="/app.js"></script>']
      res.writeHead(200, { 'content-type': type }).end(body)
    })
    const browser = await launch()
    try {
      const b = await open(browser)
      await walk(b.page, issuer, app.base)
      b.clean()
    } finally {
      await browser.close()
    }
  })
}

async function walk(page, issuer, base) {
  await page.goto(`${base}/`)
  await page.evaluate('void manager.signinRedirect({ state: "kept" })')
  await signIn(page, person)
  await allow(page)
  await page.waitForURL(`${base}/cb?**`)
  const { name, email, preferred_username, state } = await page.evaluate('returned') // of userinfo too
  assert.deepEqual([name, email, preferred_username, state], [person.name, person.email, person.username, 'kept'])
  const first = await tokens(page)

  await page.evaluate('manager.signinSilent()')
  const refreshed = await tokens(page)
  assert.ok(refreshed.access_token !== first.access_token && refreshed.refresh_token !== first.refresh_token, 'a refresh brought the old tokens')

  await page.evaluate('manager.signinSilent({ forceIframeAuth: true })') // prompt=none
  const framed = await tokens(page)
  assert.notEqual(framed.access_token, refreshed.access_token)
  assert.deepEqual([framed.sub, framed.sid], [first.sub, first.sid])

  await page.evaluate('void manager.signoutRedirect({ state: "s" })')
  await page.waitForURL(`${base}/bye?state=**`)
  await page.evaluate('returned')
  assert.equal(await page.evaluate('manager.getUser()'), null)
  for (const { access_token } of [first, refreshed, framed]) {
    const info = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${access_token}` } })
    assert.equal(info.status, 401)
  }
  assert.equal(await page.evaluate('manager.signinSilent({ forceIframeAuth: true }).catch(({ error }) => error)'), 'login_required')
}

const tokens = (page) => page.evaluate(`manager.getUser().then(({ access_token, refresh_token, profile: { sub, sid } }) => ({ access_token, refresh_token, sub, sid }))`)
