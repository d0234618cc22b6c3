// Starts the real binary with the cast of these tests.
import { spawn, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { open, registrations } from './apps.js'

export const person = { username: 'ann', email: 'ann@people.test', password: 'plum-tractor-violin-17', name: 'Ann Lindqvist' }
export const secret = 'a secret + of: application/é%2B'
export const redirectURI = 'https://app.example/cb'
export const loggedOut = 'https://app.example/bye'
export const resource = 'https://api.example'
export const api = { id: 'api', secret: 'api-secret-9f8e7d6c5b4a' }
export const caller = { username: 'cal', email: 'cal@people.test', password: 'nine-copper-lanterns-44', name: 'Cal Ibarra' }
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code'
export const algs = ['ES256', 'RS256', 'PS256', 'EdDSA']

// Clients that authenticate with a key of their own, by algorithm: {kid, privateKey: CryptoKey}.
export const keys = {}

const generate = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  EdDSA: { name: 'Ed25519' },
}

async function seed(apps) {
  const app = (client_id, more) => ({
    client_id, redirect_uris: [redirectURI], post_logout_redirect_uris: [loggedOut],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    scope: 'openid profile email offline_access orders:read', ...more,
  })
  const clients = [
    { client_id: api.id, client_secret: api.secret, grant_types: ['client_credentials'], scope: 'orders:read', served_resources: [resource] },
    app('public', { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] }),
    app('tv', { token_endpoint_auth_method: 'none', grant_types: [deviceGrant, 'refresh_token'], redirect_uris: [], post_logout_redirect_uris: [] }),
    app('box', { client_secret: secret, grant_types: [deviceGrant, 'refresh_token'], redirect_uris: [], post_logout_redirect_uris: [] }),
    app('centre', { client_secret: secret, grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'], redirect_uris: [], post_logout_redirect_uris: [],
      skip_consent: true }),
    app('post', { token_endpoint_auth_method: 'client_secret_post', client_secret: secret }),
    app('native', { token_endpoint_auth_method: 'client_secret_post', client_secret: secret, redirect_uris: ['http://127.0.0.1/cb'] }),
  ]
  for (const [name, { base }] of Object.entries(apps)) {
    const registered = registrations[name](base)
    clients.push(app(name, { ...(registered.token_endpoint_auth_method ? {} : { client_secret: secret }), post_logout_redirect_uris: [], ...registered }))
  }
  for (const alg of algs) {
    clients.push(app(`app-${alg}`, { token_endpoint_auth_method: 'client_secret_basic', client_secret: secret,
      id_token_signed_response_alg: alg, access_token_signed_response_alg: alg }))
    const { privateKey, publicKey } = await crypto.subtle.generateKey(generate[alg], true, ['sign', 'verify'])
    const { key_ops, ext, ...jwk } = await crypto.subtle.exportKey('jwk', publicKey)
    keys[alg] = { kid: `key-${alg}`, key: privateKey }
    clients.push(app(`jwt-${alg}`, { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: alg,
      jwks: { keys: [{ ...jwk, kid: `key-${alg}`, alg, use: 'sig' }] }, served_resources: [resource] }))
  }
  return {
    clients, resources: [{ resource, scopes: ['orders:read'] }],
    users: [{ ...person, email_verified: true, given_name: 'Ann', family_name: 'Lindqvist' }, { ...caller, email_verified: true }],
  }
}

// start returns {issuer, apps, stop}; apps are the ones of apps.js by name, open but not served yet. POSTERN_BIN names a built binary; without it one is built.
export async function start() {
  const dir = mkdtempSync(path.join(tmpdir(), 'postern-clients-'))
  let bin = process.env.POSTERN_BIN
  if (!bin) {
    bin = path.join(dir, 'postern')
    execFileSync('go', ['build', '-o', bin, './cmd/postern'], { cwd: path.join(import.meta.dirname, '../../..'), stdio: 'inherit' })
  }
  const apps = {}
  for (const name of Object.keys(registrations)) apps[name] = await open()
  writeFileSync(path.join(dir, 'seed.json'), JSON.stringify(await seed(apps)))
  const server = spawn(bin, ['dev', '--json', '--listen', '127.0.0.1:0', '--seed', path.join(dir, 'seed.json')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(server, 'exit')
  const stop = async () => {
    for (const app of Object.values(apps)) app.close()
    server.kill('SIGINT')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  const line = await Promise.race([
    once(createInterface({ input: server.stdout }), 'line').then(([l]) => l),
    ended.then(([code]) => { throw new Error(`postern dev ended with ${code}`) }),
  ])
  return { ...JSON.parse(line), apps, stop }
}
