// express-openid-connect: sign-in by code and, as it is without settings, by ID token alone; back-channel logout.
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import openidConnect from 'express-openid-connect'
import session from 'express-session'
import { Browser } from './person.js'
import { person, secret } from './server.js'

export default function expressOpenIDConnect(server) {
  test('express-openid-connect', async () => {
    const { issuer, apps } = server()
    const [byCode, byIDToken] = [apps.express, apps.implicit]
    byCode.serve(application(issuer, byCode.base, { clientID: 'express', clientSecret: secret,
      authorizationParams: { response_type: 'code', scope: 'openid profile email offline_access' } }))
    byIDToken.serve(application(issuer, byIDToken.base, { clientID: 'implicit' }))
    const browser = new Browser()
    const home = ({ base }) => (url) => url.href === `${base}/`
    const signIn = (app) => browser.walk(`${app.base}/login`, home(app))
    const user = ({ base }) => browser.json(`${base}/user`)

    await signIn(byCode)
    await signIn(byIDToken)
    const [{ sub, sid }, claims] = [await user(byCode), await user(byIDToken)]
    assert.deepEqual([claims.sub, claims.sid, claims.email], [sub, sid, person.email])
    const { info, refreshed } = await browser.json(`${byCode.base}/tokens`)
    assert.deepEqual([info.sub, info.name, info.email], [sub, person.name, person.email])
    assert.ok(refreshed, 'a refresh brought the old token')

    // A sign-out at one application ends the session, and the other one learns of it behind the browser's back.
    await browser.walk(`${byIDToken.base}/logout`, home(byIDToken))
    assert.equal(await user(byIDToken), null)
    for (let i = 0; await user(byCode); i++) {
      assert.ok(i < 50, 'the application was not told of the sign-out')
      await sleep(100)
    }
  })
}

function application(issuerBaseURL, baseURL, settings) {
  const app = express()
  app.use(openidConnect.auth({ issuerBaseURL, baseURL, secret: 'a secret of this test', authRequired: false, idpLogout: true,
    backchannelLogout: { store: new session.MemoryStore() }, ...settings }))
  app.get('/user', ({ oidc }, res) => res.json(oidc.user ?? null))
  app.get('/tokens', async ({ oidc }, res) => {
    const old = oidc.accessToken.access_token
    res.json({ info: await oidc.fetchUserInfo(), refreshed: (await oidc.accessToken.refresh()).access_token !== old })
  })
  return app
}
