"""An application with authlib: code with PKCE, ID token, userinfo, refresh, revocation.

It reads a line of JSON that says which client it is, prints the address of its authorization request, reads the one at
which the browser came back, and prints what it learnt as JSON. It fails if authlib finds fault with anything.
"""
import json
import sys

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebToken
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken, UserInfo

conf = json.loads(sys.stdin.readline())
session = OAuth2Session(
    conf['client_id'], conf['key'] or conf['secret'], token_endpoint_auth_method=conf['method'],
    revocation_endpoint_auth_method=conf['method'], scope='openid profile email offline_access',
    redirect_uri=conf['redirect_uri'], code_challenge_method='S256')
server = session.get(conf['issuer'] + '/.well-known/openid-configuration', withhold_token=True).json()
if conf['key']:
    session.register_client_auth_method(PrivateKeyJWT(server['token_endpoint'], alg=conf['auth_alg'], headers={'kid': conf['kid']}))

verifier, nonce = generate_token(48), generate_token()
address, state = session.create_authorization_url(server['authorization_endpoint'], code_verifier=verifier, nonce=nonce)
print(address, flush=True)
back = sys.stdin.readline().strip()

token = session.fetch_token(server['token_endpoint'], authorization_response=back, state=state, code_verifier=verifier)
keys = session.get(server['jwks_uri'], withhold_token=True).json()


def validated(id_token, access_token, nonce):
    claims = JsonWebToken([conf['alg']]).decode(id_token, keys, claims_cls=CodeIDToken, claims_options={
        'iss': {'essential': True, 'value': server['issuer']}, 'aud': {'essential': True, 'value': conf['client_id']},
    }, claims_params={'client_id': conf['client_id'], 'access_token': access_token, 'nonce': nonce, 'max_age': 300})
    claims.validate()
    return claims


claims = validated(token['id_token'], token['access_token'], nonce)
answer = session.get(server['userinfo_endpoint'])
answer.raise_for_status()
info = UserInfo(answer.json())
old = dict(token)
token = session.refresh_token(server['token_endpoint'], old['refresh_token'])
again = validated(token['id_token'], token['access_token'], None)
session.revoke_token(server['revocation_endpoint'], token['refresh_token'], 'refresh_token').raise_for_status()
print(json.dumps({
    'same': info.sub == claims.sub == again.sub, 'name': info.name, 'email': info.email,
    'fresh': token['access_token'] != old['access_token'] and token['refresh_token'] != old['refresh_token'],
    'revoked': session.get(server['userinfo_endpoint']).status_code == 401,
}))
