// openid-client and the device grant (RFC 8628): the library asks and polls, the person enters the code in a browser of their own.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as oidc from 'openid-client'
import { Browser } from './person.js'
import { secret } from './server.js'

const discover = (issuer, id, auth) =>
  oidc.discovery(new URL(issuer), id, undefined, auth, { execute: [oidc.allowInsecureRequests] })

export default (server) => {
  for (const [id, auth] of [['tv', oidc.None()], ['box', oidc.ClientSecretBasic(secret)]]) {
    test(`openid-client: device grant of ${id}`, { timeout: 60_000 }, async () => {
      const config = await discover(server().issuer, id, auth)
      const asked = await oidc.initiateDeviceAuthorization(config, { scope: 'openid profile offline_access' })
      assert.match(asked.user_code, /^[B-Z]{4}-[B-Z]{4}$/)
      assert.equal(asked.expires_in, 600)
      assert.equal(asked.interval, 5)
      assert.equal(asked.verification_uri, `${server().issuer}/device`)
      const tokens = oidc.pollDeviceAuthorizationGrant(config, asked)
      const browser = new Browser()
      const end = await browser.walk(asked.verification_uri_complete, (url) => url.pathname.endsWith('/continue'))
      assert.match(await browser.text(end), /Device connected/)
      const got = await tokens
      assert.equal(got.claims().aud, id)
      const me = await oidc.fetchUserInfo(config, got.access_token, got.claims().sub)
      assert.equal(me.name, 'Ann Lindqvist')
      const next = await oidc.refreshTokenGrant(config, got.refresh_token)
      assert.ok(next.access_token)
    })
  }

  test('openid-client: a device that is refused', { timeout: 60_000 }, async () => {
    const config = await discover(server().issuer, 'tv', oidc.None())
    const asked = await oidc.initiateDeviceAuthorization(config, { scope: 'openid' })
    const tokens = assert.rejects(oidc.pollDeviceAuthorizationGrant(config, asked), { error: 'access_denied' })
    assert.match(await new Browser().refuse(asked.verification_uri_complete), /not connected/)
    await tokens
  })
}
