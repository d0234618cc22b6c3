// openid-client and requests by back channel (CIBA): a call centre asks and polls, the person approves with an app of theirs,
// which speaks docs/approver.md here in a few lines.
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import * as oidc from 'openid-client'
import { Browser } from './person.js'
import { caller, secret } from './server.js'

const b64 = (bytes) => Buffer.from(bytes).toString('base64url')

class App {
  static async enrol(issuer, code) {
    const app = new App()
    app.issuer = issuer
    app.pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', app.pair.publicKey)
    app.id = (await app.call('POST', '/approver/enrol', { code, name: 'Phone', jwk: { kty, crv, x, y } })).approver
    return app
  }

  async sign(typ, payload) {
    const input = `${b64(JSON.stringify({ alg: 'ES256', typ, ...(this.id && { kid: this.id }) }))}.${b64(JSON.stringify(payload))}`
    return `${input}.${b64(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, this.pair.privateKey, Buffer.from(input)))}`
  }

  async call(htm, path, doc) {
    const htu = this.issuer + path
    const body = doc && JSON.stringify(doc)
    const bh = createHash('sha256').update(body ?? '').digest('base64url')
    const proof = await this.sign('postern-approver+jws', { htm, htu, iat: Math.floor(Date.now() / 1000), jti: randomUUID(), bh })
    const res = await fetch(htu, { method: htm, body, headers: { authorization: `Approver ${proof}`, 'content-type': 'application/json' } })
    const text = await res.text()
    assert.ok(res.ok, `${htm} ${path}: ${res.status} ${text}`)
    return text && JSON.parse(text)
  }

  // question is the first request that waits, once there is one.
  async question() {
    const { requests } = await this.call('GET', '/approver/requests')
    assert.equal(requests.length, 1)
    return requests[0]
  }

  async approve({ statement }) {
    return this.call('POST', `/approver/requests/${statement.handle}`, { decision: 'approve', jws: await this.sign('postern-approval+jws', statement) })
  }

  async deny({ statement }) {
    return this.call('POST', `/approver/requests/${statement.handle}`, { decision: 'deny' })
  }
}

export default (server) => {
  test('openid-client: a request by back channel is approved, another one denied', { timeout: 60_000 }, async () => {
    const { issuer } = server()
    const browser = new Browser(caller)
    const page = `${issuer}/account/approvers`
    await browser.walk(`${issuer}/login?to=/account/approvers`, (url) => url.href === page)
    const app = await App.enrol(issuer, /<p class="code"><b>([A-Z0-9-]+)</.exec(await browser.press(page, 'app', '1'))[1])

    const config = await oidc.discovery(new URL(issuer), 'centre', undefined, oidc.ClientSecretBasic(secret), { execute: [oidc.allowInsecureRequests] })
    const asked = await oidc.initiateBackchannelAuthentication(config, { scope: 'openid profile', login_hint: 'cal', binding_message: 'Order 4711' })
    assert.match(asked.auth_req_id, /^pcr_/)
    assert.equal(asked.expires_in, 120)
    const question = await app.question()
    assert.equal(question.statement.text, 'Order 4711')
    assert.equal(question.statement.client, 'centre')
    assert.equal(question.statement.number, asked.comparison_code)
    const tokens = oidc.pollBackchannelAuthenticationGrant(config, asked)
    await app.approve(question)
    const got = await tokens
    assert.equal(got.claims().aud, 'centre')
    const me = await oidc.fetchUserInfo(config, got.access_token, got.claims().sub)
    assert.equal(me.name, 'Cal Ibarra')
    assert.ok((await oidc.refreshTokenGrant(config, got.refresh_token)).access_token)

    const again = await oidc.initiateBackchannelAuthentication(config, { scope: 'openid', login_hint: got.claims().sub })
    await app.deny(await app.question())
    await assert.rejects(oidc.pollBackchannelAuthenticationGrant(config, again), { error: 'access_denied' })
  })
}
