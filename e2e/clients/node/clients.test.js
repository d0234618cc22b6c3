// OpenID Connect libraries of the Node world against the real binary, each the whole way: npm test.
import { after, before } from 'node:test'
import oauth4webapi from './oauth4webapi.js'
import openidClient from './openid-client.js'
import passportOpenIDConnect from './passport.js'
import { start } from './server.js'

let server
before(async () => { server = await start() })
after(() => server?.stop())

for (const walk of [openidClient, oauth4webapi, passportOpenIDConnect]) walk(() => server)
