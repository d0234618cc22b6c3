// OpenID Connect libraries of the Node world against the real binary, each the whole way: npm test.
import { after, before } from 'node:test'
import authExpress from './auth-express.js'
import ciba from './ciba.js'
import device from './device.js'
import expressOpenIDConnect from './express-openid-connect.js'
import oauth4webapi from './oauth4webapi.js'
import oidcClientTS from './oidc-client-ts.js'
import openidClient from './openid-client.js'
import passportOpenIDConnect from './passport.js'
import { start } from './server.js'

let server
before(async () => { server = await start() })
after(() => server?.stop())

for (const walk of [openidClient, oauth4webapi, passportOpenIDConnect, oidcClientTS, authExpress, expressOpenIDConnect, device, ciba]) walk(() => server)
