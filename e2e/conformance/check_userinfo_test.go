package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// scopeClaims are what a scope opens. OIDC Core §5.4.
var scopeClaims = map[string][]string{
	"openid": {"sub"},
	"profile": {"name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website", "gender", "birthdate",
		"zoneinfo", "locale", "updated_at", "preferred_username"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// userinfo calls the userinfo endpoint as every module does, which has to succeed. OIDC Core §5.3.1.
func (m *run) userinfo(token string) *reply {
	r := m.call(http.MethodGet, m.text("userinfo_endpoint"), "", http.Header{"Authorization": {"Bearer " + token}})
	if r.status != http.StatusOK {
		m.stop("userinfo answers %v", r)
	}
	return r
}

// userinfoPost calls it by POST, with the token in the header or in the form.
func (m *run) userinfoPost(token string, inForm bool) *reply {
	h, body := http.Header{}, ""
	if inForm {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
		body = url.Values{"access_token": {token}}.Encode()
	} else {
		h.Set("Authorization", "Bearer "+token)
	}
	return m.call(http.MethodPost, m.text("userinfo_endpoint"), body, h)
}

// checkUserinfo checks claims that userinfo gave against the ID tokens. OIDC Core §5.1, §5.3.2, §5.6.2.
func (m *run) checkUserinfo(claims map[string]any, i *issued) {
	sub, _ := claims["sub"].(string)
	if sub == "" {
		m.fail("userinfo has no sub")
	}
	for _, t := range []*idToken{i.front, i.back} {
		if t != nil && t.text("sub") != sub {
			m.fail("sub of userinfo is %q, that of the ID token %q", sub, t.text("sub"))
		}
	}
	m.standardClaims("userinfo", claims)
}

// holds says whether claims have all that the scopes of a request open.
func (m *run) holds(where string, claims map[string]any, scope string) {
	var missing []string
	for _, s := range strings.Fields(scope) {
		for _, c := range scopeClaims[s] {
			if claims[c] == nil {
				missing = append(missing, c)
			}
		}
	}
	if len(missing) > 0 {
		m.warn("%s lacks %s", where, strings.Join(missing, " "))
	}
}

var (
	datePattern = regexp.MustCompile(`^(\d{4}|0000-\d\d-\d\d|\d{4}-\d\d-\d\d)$`)
	addressPart = []string{"formatted", "street_address", "locality", "region", "postal_code", "country"}
)

// standardClaims checks the types of the claims of OIDC Core §5.1.
func (m *run) standardClaims(where string, claims map[string]any) {
	for name, v := range claims {
		good := true
		switch name {
		case "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "gender", "zoneinfo", "locale", "phone_number":
			s, ok := v.(string)
			good = ok && s != ""
		case "email":
			s, ok := v.(string)
			good = ok && strings.Contains(s, "@")
		case "profile", "picture", "website":
			s, ok := v.(string)
			u, err := url.Parse(s)
			good = ok && err == nil && u.IsAbs()
		case "birthdate":
			s, ok := v.(string)
			good = ok && datePattern.MatchString(s)
		case "email_verified", "phone_number_verified":
			_, good = v.(bool)
		case "address":
			parts, ok := v.(map[string]any)
			good = ok
			for p, x := range parts {
				_, text := x.(string)
				good = good && text && slices.Contains(addressPart, p)
			}
		case "updated_at":
			n, ok := v.(json.Number)
			at := time.Unix(seconds(n), 0)
			good = ok && at.Year() >= 2000 && at.Before(time.Now().Add(grace))
		}
		if !good {
			m.fail("%s of %s is %v", name, where, v)
		}
	}
}
