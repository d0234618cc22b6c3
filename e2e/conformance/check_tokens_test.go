package conformance

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// idToken is an ID token that was checked.
type idToken struct {
	raw            string
	header, claims map[string]any
}

func (t *idToken) text(claim string) string {
	s, _ := t.claims[claim].(string)
	return s
}

// at is a claim that is a time, in seconds; 0 without it.
func (t *idToken) at(claim string) int64 { return seconds(t.claims[claim]) }

func seconds(v any) int64 {
	n, _ := v.(json.Number)
	f, _ := n.Float64()
	return int64(f)
}

// issued is all that an authorization gave.
type issued struct {
	*answer
	front *idToken // from the authorization endpoint, or nil
	back  *idToken // from the token endpoint, or nil
	reply *reply   // of the token endpoint, or nil
	token string   // the newest access token, or ""
}

// id is the ID token that there is; the one of the token endpoint where there are two.
func (i *issued) id() *idToken {
	if i.back != nil {
		return i.back
	}
	return i.front
}

// grace is how far clocks may differ.
const grace = 5 * time.Minute

// checkIDToken checks an ID token as every module does. OIDC Core §2, §3.1.3.7, §3.2.2.11, §5.1, §10.1.
func (m *run) checkIDToken(raw string, a *answer) *idToken {
	if raw == "" {
		m.stop("there is no ID token")
	}
	t := &idToken{raw: raw}
	t.header, t.claims = m.verified("ID token", raw)
	now := time.Now()
	if t.text("iss") != m.text("issuer") {
		m.fail("iss of the ID token is %v", t.claims["iss"])
	}
	aud := texts(t.claims["aud"])
	if s := t.text("aud"); s != "" {
		aud = []string{s}
	}
	if !slices.Contains(aud, m.client.id) || len(aud) > 1 && t.text("azp") != m.client.id {
		m.fail("aud of the ID token is %v", t.claims["aud"])
	}
	if azp := t.claims["azp"]; azp != nil && azp != m.client.id {
		m.fail("azp of the ID token is %v", azp)
	}
	if exp := time.Unix(t.at("exp"), 0); exp.Before(now) {
		m.fail("the ID token expired at %v", t.claims["exp"])
	}
	if iat := time.Unix(t.at("iat"), 0); iat.After(now.Add(grace)) || iat.Before(now.Add(-grace)) {
		m.fail("iat of the ID token is %v", t.claims["iat"])
	}
	if nbf := t.at("nbf"); nbf != 0 && time.Unix(nbf, 0).After(now.Add(grace)) {
		m.fail("nbf of the ID token is %v", t.claims["nbf"])
	}
	if got := t.text("nonce"); got != a.asked.Get("nonce") {
		m.fail("nonce of the ID token is %q, not %q", got, a.asked.Get("nonce"))
	}
	sub := t.text("sub")
	if sub == "" || len(sub) > 255 || strings.ContainsFunc(sub, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		m.fail("sub of the ID token is %q", sub)
	}
	m.standardClaims("ID token", t.claims)
	return t
}

// halfHash is at_hash and c_hash by the alg of an ID token. OIDC Core §3.1.3.6, §3.3.2.11.
func halfHash(alg any, s string) string {
	if alg == "EdDSA" {
		sum := sha512.Sum512([]byte(s))
		return b64.EncodeToString(sum[:32])
	}
	sum := sha256.Sum256([]byte(s))
	return b64.EncodeToString(sum[:16])
}

// bound checks a hash claim; needed says that it must be there.
func (m *run) bound(t *idToken, claim, value string, needed bool) {
	got := t.text(claim)
	switch {
	case got == "" && needed:
		m.fail("the ID token has no %s", claim)
	case got != "" && value != "" && got != halfHash(t.header["alg"], value):
		m.fail("%s of the ID token is wrong", claim)
	}
}

// happy goes through a whole authorization.
func (m *run) happy(edits ...func(url.Values)) *issued { return m.success(m.ask(edits...)) }

// success checks a successful authorization to its end: tokens of the front channel, redemption of the code, userinfo.
func (m *run) success(a *answer) *issued {
	i := m.granted(a)
	if m.with("code") {
		m.redeem(i, nil)
		m.userinfo(i.token)
	}
	return i
}

// granted checks a successful answer of the authorization endpoint. OIDC Core §3.1.2.5, §3.2.2.5, §3.3.2.5.
func (m *run) granted(a *answer) *issued {
	if a.Has("error") {
		m.stop("the authorization endpoint answers %s: %s", a.Get("error"), a.Get("error_description"))
	}
	i := &issued{answer: a}
	for name, wanted := range map[string]bool{"code": m.with("code"), "access_token": m.with("token"), "id_token": m.with("id_token")} {
		switch {
		case wanted && a.Get(name) == "":
			m.stop("the answer has no %s", name)
		case !wanted && a.Has(name):
			m.fail("the answer has a %s that was not asked for", name)
		}
	}
	if m.with("id_token") {
		i.front = m.checkIDToken(a.Get("id_token"), a)
		m.bound(i.front, "at_hash", a.Get("access_token"), m.with("token"))
		m.bound(i.front, "c_hash", a.Get("code"), m.with("code"))
	}
	if m.with("token") {
		if !strings.EqualFold(a.Get("token_type"), "Bearer") {
			m.fail("token_type is %q", a.Get("token_type"))
		}
		i.token = a.Get("access_token")
		m.userinfo(i.token)
	}
	return i
}

// redeem exchanges the code and checks the answer. RFC 6749 §5.1, OIDC Core §3.1.3.3, §3.3.3.
func (m *run) redeem(i *issued, edit func(url.Values)) {
	m.redeemed(i, m.exchange(i, edit))
}

// exchange sends the code to the token endpoint.
func (m *run) exchange(i *issued, edit func(url.Values)) *reply {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {i.Get("code")}, "redirect_uri": {i.asked.Get("redirect_uri")}}
	if edit != nil {
		edit(form)
	}
	return m.tokenRequest(form)
}

// redeemed checks a token response and takes what is in it.
func (m *run) redeemed(i *issued, r *reply) {
	m.tokenResponse(r)
	i.reply, i.token = r, r.text("access_token")
	i.back = m.checkIDToken(r.text("id_token"), i.answer)
	m.bound(i.back, "at_hash", i.token, false)
	m.bound(i.back, "c_hash", i.Get("code"), false)
	if i.front != nil && i.front.text("sub") != i.back.text("sub") {
		m.fail("the two ID tokens are about different people")
	}
}

func (m *run) tokenResponse(r *reply) {
	if r.status != http.StatusOK || !r.json() {
		m.stop("the token endpoint answers %v", r)
	}
	if !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
		m.fail("the token response has Cache-Control %q", r.header.Get("Cache-Control"))
	}
	if r.text("access_token") == "" || !strings.EqualFold(r.text("token_type"), "Bearer") {
		m.stop("no bearer token: %v", r)
	}
	if v, ok := r.fields["expires_in"]; ok && seconds(v) <= 0 {
		m.fail("expires_in is %v", v)
	}
}

// tokenError checks an error of the token endpoint. RFC 6749 §5.2.
func (m *run) tokenError(r *reply, code string) {
	if r.status != http.StatusBadRequest || !r.json() || r.text("error") != code {
		m.fail("the token endpoint answers %v, not 400 %s", r, code)
	}
	m.describable("error_description", r.text("error_description"))
}

// describable: RFC 6749 §5.2 says which characters an error may have.
func (m *run) describable(name, s string) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e || r == '"' || r == '\\' }) {
		m.fail("%s has forbidden characters: %q", name, s)
	}
}

// refused checks an error of the authorization endpoint, which must be one of codes. OIDC Core §3.1.2.6, RFC 6749 §4.1.2.1.
func (m *run) refused(a *answer, codes ...string) {
	if !slices.Contains(codes, a.Get("error")) {
		m.fail("the authorization endpoint answers %v, not an error of %v", a.Values, codes)
	}
	for _, p := range []string{"code", "access_token", "id_token"} {
		if a.Has(p) {
			m.fail("the error comes with a %s", p)
		}
	}
	for p := range a.Values {
		if !slices.Contains([]string{"error", "error_description", "error_uri", "state", "iss", "session_state"}, p) {
			m.warn("the error has a parameter %s", p)
		}
	}
	m.describable("error", a.Get("error"))
	m.describable("error_description", a.Get("error_description"))
}

// entropy is what the suite measures of a secret: its length times what each character tells, in bits.
func entropy(s string) float64 {
	n := map[rune]float64{}
	for _, r := range s {
		n[r]++
	}
	each := 0.0
	for _, c := range n {
		p := c / float64(len(s))
		each -= p * math.Log2(p)
	}
	return each * float64(len(s))
}

// guessable checks the length and the entropy of a secret. RFC 6749 §10.10, RFC 6819 §5.1.4.2.2.
func (m *run) guessable(what, s string) {
	if len(s)*8 < 128 || entropy(s) < 96 {
		m.fail("the %s has %d characters and %.0f bits of entropy", what, len(s), entropy(s))
	}
}
