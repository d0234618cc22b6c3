// @auth/express (Auth.js): its own sign-in page, PKCE, and a session that knows the person.
import assert from 'node:assert/strict'
import test from 'node:test'
import { ExpressAuth, getSession } from '@auth/express'
import express from 'express'
import { Browser } from './person.js'
import { person, secret } from './server.js'

export default function authExpress(server) {
  test('@auth/express', async () => {
    const { issuer, apps: { authjs: app } } = server()
    app.serve(application(issuer))
    const browser = new Browser()
    assert.equal(await browser.json(`${app.base}/me`), null)
    await browser.walk(`${app.base}/auth/signin?callbackUrl=/me`, (url) => url.href === `${app.base}/me`)
    const session = await browser.json(`${app.base}/me`)
    assert.deepEqual(session.user, { name: person.name, email: person.email })
    assert.deepEqual(session.account, { type: 'oidc', provider: 'postern', token_type: 'bearer' })

    await browser.walk(`${app.base}/auth/signout?callbackUrl=/me`, (url) => url.href === `${app.base}/me`)
    assert.equal(await browser.json(`${app.base}/me`), null)
    await assert.rejects(browser.walk(`${app.base}/auth/callback/postern?code=x&iss=${issuer}`, (url) => url.href === `${app.base}/me`), /error/i)
  })
}

function application(issuer) {
  const config = {
    secret: 'of this test', trustHost: true, logger: { error() {} },
    providers: [{ id: 'postern', name: 'Postern', type: 'oidc', issuer, clientId: 'authjs', clientSecret: secret, checks: ['pkce', 'state', 'nonce'],
      idToken: false, // the profile is of userinfo: with an access token, only that has it, OIDC Core §5.4
      client: { id_token_signed_response_alg: 'ES256' } }],
    callbacks: {
      jwt: ({ token, account }) => account ? { ...token, account: { type: account.type, provider: account.provider, token_type: account.token_type } } : token,
      session: ({ session, token }) => ({ ...session, account: token.account }),
    },
  }
  const app = express()
  app.use('/auth', ExpressAuth(config))
  app.get('/me', async (req, res) => res.json(await getSession(req, config)))
  return app
}
