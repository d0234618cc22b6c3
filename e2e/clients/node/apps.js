// Applications that are servers themselves. Their ports are open before Postern starts, since what it sends a sign-out to
// is registered character by character.
import { once } from 'node:events'
import http from 'node:http'

export async function open() {
  const server = http.createServer().listen(0, '127.0.0.1').unref()
  await once(server, 'listening')
  return {
    base: `http://localhost:${server.address().port}`,
    serve: (handler) => server.on('request', handler),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

// The clients, by the name of the application; base is where it is.
export const registrations = {
  // oidc-client-ts: a page without a server
  page: (base) => ({ token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: [`${base}/cb`, `${base}/silent`], post_logout_redirect_uris: [`${base}/bye`] }),
  // @auth/express
  authjs: (base) => ({ redirect_uris: [`${base}/auth/callback/postern`] }),
  // express-openid-connect, which wants RS256 unless it is told otherwise
  express: (base) => ({ id_token_signed_response_alg: 'RS256', redirect_uris: [`${base}/callback`], post_logout_redirect_uris: [base],
    backchannel_logout_uri: `${base}/backchannel-logout`, backchannel_logout_session_required: true }),
  // … as it is without settings: an ID token by form_post and nothing else, which the default profile does not have
  implicit: (base) => ({ profile: 'oidc', id_token_signed_response_alg: 'RS256', redirect_uris: [`${base}/callback`], post_logout_redirect_uris: [base],
    response_types: ['id_token'], grant_types: ['implicit'], backchannel_logout_uri: `${base}/backchannel-logout` }),
}
