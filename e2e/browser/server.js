// Starts the real binary, with clients of every kind of redirect URI beside the demo.
import { execFileSync, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

// People: who has an authenticator app is asked for a code on every new device, and a code works once, so that each test
// has one of its own.
const person = (username, name, totp_secret) => ({ username, email: `${username}@people.test`, email_verified: true,
  password: `plum-tractor-${username}-17`, name, totp_secret })
export const people = {
  ann: person('ann', 'Ann Lindqvist'),
  bo: person('bo', 'Bo Ek', 'KRSXG5CTMVRXEZLUKRSXG5CTMVRXEZLU'),
  mia: person('mia', 'Mia Moreau', 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'),
  mei: person('mei', '林小美', 'MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK'),
  ...Object.fromEntries(['eva', 'pia', 'ida', 'ole', 'tor', 'liv', 'kim', 'jon', 'una', 'zoe', 'rut', 'nel', 'ada', 'max', 'ivo', 'eli', 'fay', 'kai', 'bea', 'kai2',
    'que', 'rex', 'sia', 'tip', 'ulf', 'vim', 'uma', 'ada2', 'ben', 'cia', 'dag', 'ebo', 'gro', 'hal', 'ola', 'pim', 'dev', 'lea', 'nik'].map((n) => [n, person(n, `${n[0].toUpperCase()}${n.slice(1)} Holm`)])),
  wei: person('wei', '王小伟'),
}

export const clientURI = 'https://paper-and-ink.example/cb'
export const schemeURI = 'com.example.app:/cb'

const seed = {
  users: Object.values(people),
  resources: [{ resource: 'https://api.example', scopes: ['orders:read'],
    scope_descriptions: { 'orders:read': { en: 'See your orders', 'zh-CN': '查看您的订单' } } }],
  clients: [
    { client_id: 'app', client_name: 'Paper & Ink', 'client_name#zh-CN': '纸墨书店', token_endpoint_auth_method: 'none',
      redirect_uris: [clientURI], post_logout_redirect_uris: ['https://paper-and-ink.example/bye'],
      grant_types: ['authorization_code', 'refresh_token'], scope: 'openid profile email phone address offline_access orders:read',
      policy_uri: 'https://paper-and-ink.example/privacy', tos_uri: 'https://paper-and-ink.example/terms' },
    { client_id: 'tv', client_name: 'Living Room', 'client_name#zh-CN': '客厅电视', client_uri: 'https://tv.example', token_endpoint_auth_method: 'none',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code'], scope: 'openid profile' },
    { client_id: 'calls', client_name: 'Help line', 'client_name#zh-CN': '客服热线', client_uri: 'https://calls.example', client_secret: 'calls-secret-5e4d3c2b1a',
      grant_types: ['urn:openid:params:grant-type:ciba'], scope: 'openid profile', skip_consent: true },
    { client_id: 'native', client_name: 'Pocket', token_endpoint_auth_method: 'none', application_type: 'native', redirect_uris: [schemeURI] },
    { client_id: 'hopping', client_name: 'Hopper', token_endpoint_auth_method: 'none', redirect_uris: ['http://127.0.0.1/cb'] },
  ],
}

// binary is the server: POSTERN_BIN names one that is built; without it one is built into dir.
export function binary(dir) {
  let bin = process.env.POSTERN_BIN
  if (!bin) {
    bin = path.join(dir, 'postern')
    execFileSync('go', ['build', '-o', bin, './cmd/postern'], { cwd: path.join(import.meta.dirname, '../..'), stdio: 'inherit' })
  }
  return bin
}

// start returns what `postern dev --json` with flags says, and stop.
export async function start(...flags) {
  const dir = mkdtempSync(path.join(tmpdir(), 'postern-browser-'))
  const bin = binary(dir)
  writeFileSync(path.join(dir, 'seed.json'), JSON.stringify(seed))
  const server = spawn(bin, ['dev', '--json', '--listen', '127.0.0.1:0', '--seed', path.join(dir, 'seed.json'), ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(server, 'exit')
  const stop = async () => {
    server.kill('SIGINT')
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  const line = await Promise.race([
    once(createInterface({ input: server.stdout }), 'line').then(([l]) => l),
    ended.then(([code]) => { throw new Error(`postern dev ended with ${code}`) }),
  ])
  return { ...JSON.parse(line), stop }
}

// totp is the code of an authenticator app now, or in some steps of 30 s: a code works once. RFC 6238.
export function totp(secret, steps = 0) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  const bits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))
  const step = Buffer.alloc(8)
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps))
  const sum = createHmac('sha1', key).update(step).digest()
  const at = sum[19] & 15
  return String((sum.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

// challenge is that of RFC 7636 appendix B: no test here redeems a code.
export const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

export function authorizeURL(issuer, client_id, redirect_uri, more = {}) {
  return `${issuer}/authorize?${new URLSearchParams({ client_id, redirect_uri, response_type: 'code', scope: 'openid profile email',
    state: 'state-1', code_challenge: challenge, code_challenge_method: 'S256', ...more })}`
}
