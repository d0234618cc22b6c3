// passport-openidconnect in an express application: sign-in, profile from userinfo, refresh.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import test from 'node:test'
import express from 'express'
import session from 'express-session'
import passport from 'passport'
import { Strategy } from 'passport-openidconnect'
import { Browser } from './person.js'
import { person, secret } from './server.js'

export default function passportOpenIDConnect(server) {
  test('passport-openidconnect', async () => {
    const { issuer } = server()
    const discovered = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()
    const app = application(discovered)
    const listener = app.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    try {
      const base = `http://127.0.0.1:${listener.address().port}`
      const seen = await signedIn(base)
      assert.deepEqual(seen.profile, { name: person.name, username: person.username, email: person.email })
      assert.ok(seen.refreshed.access_token && seen.refreshed.refresh_token)
      assert.equal(seen.issuer, issuer)
    } finally {
      listener.close()
      listener.closeAllConnections()
    }
  })
}

async function signedIn(base) {
  const browser = new Browser()
  await browser.walk(`${base}/login`, (url) => url.href === `${base}/me`)
  return browser.json(`${base}/me`)
}

function application(as) {
  const app = express()
  app.use(session({ secret: 'of this test', resave: false, saveUninitialized: false }))
  const authenticator = new passport.Passport()
  authenticator.serializeUser((user, done) => done(null, user))
  authenticator.deserializeUser((user, done) => done(null, user))
  authenticator.use('oidc', new Strategy({
    issuer: as.issuer, authorizationURL: as.authorization_endpoint, tokenURL: as.token_endpoint, userInfoURL: as.userinfo_endpoint,
    clientID: 'native', clientSecret: secret, callbackURL: '/cb', scope: ['profile', 'email', 'offline_access'],
    nonce: true, maxAge: 300, skipUserProfile: false, claims: { userinfo: { email: { essential: true } } },
  }, (issuer, profile, context, idToken, accessToken, refreshToken, done) => done(null, {
    issuer, refreshToken, profile: { name: profile.displayName, username: profile.username, email: profile.emails[0].value },
  })))
  app.use(authenticator.initialize(), authenticator.session())
  app.get('/login', authenticator.authenticate('oidc'))
  app.get('/cb', authenticator.authenticate('oidc', { successRedirect: '/me', failWithError: true }))
  app.get('/me', async (req, res) => {
    const { refreshToken, ...user } = req.user
    res.json({ ...user, refreshed: await refresh(as, refreshToken) })
  })
  return app
}

// refresh as applications do it that have no library for it. RFC 6749 §6.
async function refresh(as, refresh_token) {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token, client_id: 'native', client_secret: secret })
  return (await fetch(as.token_endpoint, { method: 'POST', body })).json()
}
