package oauth

import (
	"strings"
	"testing"
)

// What a client registers for requests by back channel fits together, or is refused with a word about what does not.
func TestCIBARegistration(t *testing.T) {
	const key = `,"jwks":{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}` // RFC 7515 appendix A.3
	for _, tt := range []struct{ name, more, want string }{
		{"poll", ``, ""},
		{"poll by name", `,"backchannel_token_delivery_mode":"poll"`, ""},
		{"ping", `,"backchannel_token_delivery_mode":"ping","backchannel_client_notification_endpoint":"https://a.example/n"`, ""},
		{"signed", `,"backchannel_authentication_request_signing_alg":"ES256"` + key, ""},
		{"without a user code", `,"backchannel_user_code_parameter":false`, ""},
		{"with one", `,"backchannel_user_code_parameter":true`, ""},
		{"pairwise by its keys", `,"subject_type":"pairwise","jwks_uri":"https://keys.example/j"`, ""},
		{"pairwise by nothing", `,"subject_type":"pairwise"`, "sector_identifier_uri"},
		{"unknown mode", `,"backchannel_token_delivery_mode":"shout"`, "is not one of poll ping push"},
		{"ping to nowhere", `,"backchannel_token_delivery_mode":"ping"`, "needs a backchannel_client_notification_endpoint"},
		{"push to nowhere", `,"backchannel_token_delivery_mode":"push"`, "needs a backchannel_client_notification_endpoint"},
		{"plain http", `,"backchannel_client_notification_endpoint":"http://a.example/n"`, "is not an https URL"},
		{"with a password", `,"backchannel_client_notification_endpoint":"https://u:p@a.example/n"`, "is not an https URL"},
		{"a fragment", `,"backchannel_client_notification_endpoint":"https://a.example/n#x"`, "is not an https URL"},
		{"signed by nothing", `,"backchannel_authentication_request_signing_alg":"ES256"`, "needs jwks or jwks_uri"},
		{"symmetric", `,"backchannel_authentication_request_signing_alg":"HS256"` + key, "is not one of"},
		{"unsigned by name", `,"backchannel_authentication_request_signing_alg":"none"` + key, "is not one of"},
		{"public", `,"token_endpoint_auth_method":"none"`, "needs a client that authenticates"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := ParseClient([]byte(`{"client_id":"a","client_secret_hash":"x","grant_types":["` + CIBAGrant + `"]` + tt.more + `}`))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if strings.HasPrefix(tt.name, "pairwise by its") && c.Sector() != "keys.example" {
				t.Errorf("sector %q", c.Sector())
			}
		})
	}
	for name, p := range map[string]bool{"oauth21": false, "oidc": false, "fapi2": false, "fapi-ciba": true} {
		if got, ok := PolicyOf(name); !ok || got.Backchannel.Always != p || got.Backchannel.Life == 0 || got.Backchannel.Age == 0 {
			t.Errorf("%s: %+v", name, got.Backchannel)
		}
	}
}
