// oauth4webapi: every response goes through its checks of conformance, among them those of JWT access tokens (RFC 9068).
import assert from 'node:assert/strict'
import test from 'node:test'
import * as oauth from 'oauth4webapi'
import { signIn } from './person.js'
import { algs, api, keys, loggedOut, person, redirectURI, resource, secret } from './server.js'

const http = { [oauth.allowInsecureRequests]: true }

export default function oauth4webapi(server) {
  const rows = [
    ['public', oauth.None()],
    ['post', oauth.ClientSecretPost(secret)],
    ...algs.map((alg) => [`app-${alg}`, oauth.ClientSecretBasic(secret), alg]),
    ...algs.map((alg) => [`jwt-${alg}`, alg]),
  ]
  for (const [client_id, auth, alg] of rows) {
    test(`oauth4webapi: ${client_id}`, async () => {
      const method = typeof auth === 'string' ? oauth.PrivateKeyJwt(keys[auth]) : auth
      await walk(server(), { client_id, id_token_signed_response_alg: alg ?? 'ES256' }, method)
    })
  }
}

async function walk({ issuer }, client, auth) {
  const found = {}
  for (const algorithm of ['oidc', 'oauth2']) { // OpenID Connect Discovery, RFC 8414
    found[algorithm] = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm, ...http }))
  }
  assert.deepEqual(found.oidc, found.oauth2)
  const as = found.oidc

  const tokens = await signedIn(as, client, auth)
  const claims = oauth.getValidatedIdTokenClaims(tokens)
  const info = await oauth.processUserInfoResponse(as, client, claims.sub, await oauth.userInfoRequest(as, client, tokens.access_token, http))
  assert.equal(info.email, person.email)
  assert.equal(info.preferred_username, person.username)

  const res = await oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, { additionalParameters: { resource }, ...http })
  const fresh = await oauth.processRefreshTokenResponse(as, client, res)
  assert.notEqual(fresh.refresh_token, tokens.refresh_token)
  const call = new Request(resource, { headers: { authorization: `Bearer ${fresh.access_token}` } })
  const access = await oauth.validateJwtAccessToken(as, call, resource, http)
  assert.deepEqual([access.sub, access.client_id, access.scope.split(' ').includes('orders:read')], [claims.sub, client.client_id, true])

  assert.equal((await introspect(as, fresh.access_token)).active, true)
  const revoke = async () => oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, fresh.refresh_token, http))
  await revoke()
  assert.deepEqual(await introspect(as, fresh.access_token), { active: false })
  await revoke()

  const out = new URL(as.end_session_endpoint)
  out.search = new URLSearchParams({ id_token_hint: tokens.id_token, client_id: client.client_id, post_logout_redirect_uri: loggedOut })
  assert.equal((await signIn(out, loggedOut)).href, loggedOut)
}

async function signedIn(as, client, auth) {
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const address = new URL(as.authorization_endpoint)
  address.search = new URLSearchParams({
    client_id: client.client_id, redirect_uri: redirectURI, response_type: 'code', scope: 'openid profile email offline_access orders:read',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state, nonce, resource,
  })
  const back = await signIn(address, redirectURI)
  assert.throws(() => oauth.validateAuthResponse({ ...as, issuer: 'https://other.example' }, client, back, state), /iss/)
  const params = oauth.validateAuthResponse(as, client, back, state)
  const res = await oauth.authorizationCodeGrantRequest(as, client, auth, params, redirectURI, verifier,
    { additionalParameters: { resource }, ...http })
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, res, { expectedNonce: nonce, requireIdToken: true })
  await oauth.validateApplicationLevelSignature(as, res, http)
  return tokens
}

async function introspect(as, token) {
  const server = { client_id: api.id }
  return oauth.processIntrospectionResponse(as, server, await oauth.introspectionRequest(as, server, oauth.ClientSecretBasic(api.secret), token, http))
}
