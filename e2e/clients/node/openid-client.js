// openid-client (v6): the whole walk of an application.
import assert from 'node:assert/strict'
import test from 'node:test'
import * as client from 'openid-client'
import { signIn } from './person.js'
import { algs, keys, loggedOut, person, redirectURI, resource, secret } from './server.js'

export default function openidClient(server) {
  const rows = [
    ['public', client.None()],
    ['post', client.ClientSecretPost(secret)],
    ...algs.map((alg) => [`app-${alg}`, client.ClientSecretBasic(secret), alg]),
    ...algs.map((alg) => [`jwt-${alg}`, alg]),
  ]
  for (const [id, auth, alg] of rows) {
    test(`openid-client: ${id}`, async () => {
      const method = typeof auth === 'string' ? client.PrivateKeyJwt(keys[auth]) : auth
      await walk(server(), id, method, alg ?? 'ES256')
    })
  }
}

async function walk({ issuer }, id, auth, alg) {
  const config = await client.discovery(new URL(issuer), id, { id_token_signed_response_alg: alg }, auth,
    { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] })
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectURI, scope: 'openid profile email offline_access orders:read', resource,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
    state: expectedState, nonce: expectedNonce, max_age: '300',
  })
  const back = await signIn(address, redirectURI)
  assert.equal(back.searchParams.get('iss'), issuer)

  const forged = new URL(back)
  forged.searchParams.set('iss', 'https://other.example')
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 300, idTokenExpected: true }
  await assert.rejects(client.authorizationCodeGrant(config, forged, checks), (err) => /iss/.test(err.cause.message))

  const tokens = await client.authorizationCodeGrant(config, back, checks, { resource })
  const claims = tokens.claims()
  assert.ok(claims.sid && claims.acr && claims.amr.length && claims.at_hash, JSON.stringify(claims))
  const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
  assert.equal(info.email, person.email)
  assert.equal(info.name, person.name)

  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token, { resource })
  assert.notEqual(fresh.access_token, tokens.access_token)
  assert.equal(fresh.claims()?.sub ?? claims.sub, claims.sub)
  if (id !== 'public') {
    const seen = await client.tokenIntrospection(config, fresh.access_token)
    assert.deepEqual([seen.active, seen.sub, seen.client_id, seen.iss], [true, claims.sub, id, issuer])
  }

  const out = client.buildEndSessionUrl(config, { id_token_hint: fresh.id_token ?? tokens.id_token, post_logout_redirect_uri: loggedOut, state: 's' })
  const left = await signIn(out, loggedOut)
  assert.equal(left.href, `${loggedOut}?state=s`)
  await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token), { error: 'invalid_grant' })
  await assert.rejects(client.fetchUserInfo(config, fresh.access_token, claims.sub))
  await client.tokenRevocation(config, fresh.refresh_token) // dead already: no error, RFC 7009 §2.2

  if (id !== 'public') {
    const own = await client.clientCredentialsGrant(config, { scope: 'orders:read', resource })
    assert.equal((await client.tokenIntrospection(config, own.access_token)).active, true)
    await client.tokenRevocation(config, own.access_token)
    assert.deepEqual(await client.tokenIntrospection(config, own.access_token), { active: false })
  }
}
