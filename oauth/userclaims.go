package oauth

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/postern-id/postern/authn"
)

// scopeClaims are the claims that a scope opens. OIDC Core §5.4.
var scopeClaims = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// ClaimsSupported lists the claims about a person that can be asked for; for discovery.
func ClaimsSupported() []string {
	out := []string{"sub", "iss", "auth_time", "acr", "amr", "sid", "nonce", "at_hash"}
	for _, s := range []string{"profile", "email", "address", "phone"} {
		out = append(out, scopeClaims[s]...)
	}
	return out
}

// ProfileClaims lists the claims that an account may hold beside its identifiers; for those who write accounts.
func ProfileClaims() []string {
	out := slices.Concat(scopeClaims["profile"], scopeClaims["address"], scopeClaims["phone"])
	return slices.DeleteFunc(out, func(s string) bool { return s == "preferred_username" || s == "updated_at" })
}

// ClaimsOf is what scope and wishes open of a person, sub excepted. A wish for certain values is met by the claim if it
// has one of them, and otherwise omitted. OIDC Core §5.4, §5.5.
func ClaimsOf(u authn.User, scope []string, wishes map[string]*ClaimWish) map[string]any {
	out := map[string]any{}
	for _, s := range scope {
		for _, name := range scopeClaims[s] {
			if v, ok := claimOf(u, name); ok {
				out[name] = v
			}
		}
	}
	for name, w := range wishes {
		if v, ok := claimOf(u, name); ok && w.allows(v) {
			out[name] = v
		}
	}
	return out
}

func claimOf(u authn.User, name string) (any, bool) {
	switch name {
	case "preferred_username":
		return u.Username, u.Username != ""
	case "email":
		return u.Email, u.Email != ""
	case "email_verified":
		return u.EmailVerified, u.Email != ""
	case "updated_at":
		return u.UpdatedAt.Unix(), !u.UpdatedAt.IsZero()
	}
	v, ok := u.Claims[name]
	return v, ok && slices.Contains(ProfileClaims(), name)
}

func (w *ClaimWish) allows(v any) bool {
	if w == nil || len(w.Value) == 0 && len(w.Values) == 0 {
		return true
	}
	have, err := json.Marshal(v)
	if err != nil {
		return false
	}
	for _, want := range append(slices.Clone(w.Values), w.Value) {
		if len(want) > 0 && bytes.Equal(compact(want), compact(have)) {
			return true
		}
	}
	return false
}

func compact(raw []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// Names lists the claims that c asks for anywhere, sorted: what a person consents to beyond scopes.
func (c *Claims) Names() []string {
	if c == nil {
		return nil
	}
	var out []string
	for _, m := range []map[string]*ClaimWish{c.UserInfo, c.IDToken} {
		for name := range m {
			if name != "sub" && name != "acr" && name != "auth_time" && name != "amr" {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Wishes is the claims parameter that the grant was given with, nil where there was none.
func (g *Grant) Wishes() *Claims {
	if len(g.Claims) == 0 {
		return nil
	}
	var c Claims
	if json.Unmarshal(g.Claims, &c) != nil {
		return nil
	}
	return &c
}
