package issue_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/oauthtest"
)

func issuer(t testing.TB, more ...string) (*oauthtest.House, *issue.Issuer) {
	h := oauthtest.New(t, append(more, `{"client_id":"jwt","client_secret":"x","redirect_uris":["https://a.example/cb"]}`,
		`{"client_id":"opaque","client_secret":"x","redirect_uris":["https://a.example/cb"],"access_token_format":"opaque","access_token_lifetime":60}`,
		`{"client_id":"ed","client_secret":"x","redirect_uris":["https://a.example/cb"],"access_token_signed_response_alg":"EdDSA"}`), nil)
	return h, issue.New(issue.Options{Issuer: oauthtest.Issuer, Ring: h.Ring, Derive: h.Sealer.Derive, Anchor: h.Sealer.Anchor, Keys: h.ClientKeys, Registry: h.Registry, Users: h.DB, Now: h.Now, Rand: rand.Reader})
}

func grant(h *oauthtest.House) *oauth.Grant {
	return &oauth.Grant{ID: "g1", Client: "jwt", User: "u1", Session: "s1", Scope: []string{"openid"}, Assurance: ident.AAL1,
		AMR: []ident.AMR{ident.Password}, AuthTime: h.Clock.Add(-time.Minute)}
}

func TestAccessTokenReadsBack(t *testing.T) {
	h, i := issuer(t)
	for _, id := range []ident.ClientID{"jwt", "opaque", "ed"} {
		c, err := h.Registry.Client(id)
		if err != nil {
			t.Fatal(err)
		}
		out, err := i.AccessToken(t.Context(), c, grant(h), []string{"openid", "email"}, []string{"https://api.example", oauthtest.Issuer})
		if err != nil {
			t.Fatal(err)
		}
		a, err := i.Read(out.AccessToken)
		if err != nil {
			t.Fatal(err)
		}
		if a.Subject != "u1" || a.Client != id || a.Grant != "g1" || a.ACR != "urn:postern:acr:aal1" || !a.Has("email") || a.Has("mail") ||
			!slices.Equal(a.Audience, []string{"https://api.example", oauthtest.Issuer}) || a.Expires-a.IssuedAt != out.ExpiresIn {
			t.Errorf("%s: %+v", id, a)
		}
		was := h.Clock
		h.Clock = h.Clock.Add(time.Duration(out.ExpiresIn) * time.Second)
		if _, err := i.Read(out.AccessToken); err == nil { // L7
			t.Errorf("%s: accepted after its expiry", id)
		}
		h.Clock = was
	}
}

// D6: no other kind of token is an access token, and an access token is no hint.
func TestKindsDoNotMix(t *testing.T) {
	h, i := issuer(t)
	c, _ := h.Registry.Client("jwt")
	id, err := i.IDToken(t.Context(), c, grant(h), issue.With{Nonce: "n", AccessToken: "at"})
	if err != nil {
		t.Fatal(err)
	}
	access, err := i.AccessToken(t.Context(), c, grant(h), nil, []string{"x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Read(id); err == nil {
		t.Error("an ID token passes as an access token")
	}
	if _, err := i.ReadHint(access.AccessToken); err == nil {
		t.Error("an access token passes as an id_token_hint")
	}
	if _, err := i.ReadHint(id); err != nil {
		t.Errorf("the hint is refused: %v", err)
	}
	if _, err := i.Read(i.FirstRefresh("g1", "code").String()); err == nil {
		t.Error("a refresh token passes as an access token")
	}
}

// at_hash: OIDC Core appendix A.3 gives the value for this token under SHA-256.
func TestIDToken(t *testing.T) {
	h, i := issuer(t)
	c, _ := h.Registry.Client("jwt")
	g := grant(h)
	tok, err := i.IDToken(t.Context(), c, g, issue.With{Nonce: "n-0S6_WzA2Mj", AccessToken: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := h.Ring.Verify(tok, expectJWT)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(v.Payload, &m); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]any{"iss": oauthtest.Issuer, "sub": "u1", "aud": "jwt", "nonce": "n-0S6_WzA2Mj", "sid": "s1",
		"acr": "urn:postern:acr:aal1", "auth_time": float64(g.AuthTime.Unix()), "at_hash": "77QmUPtjPfzWtF2AnpK9RQ"} {
		if m[k] != want {
			t.Errorf("%s = %v, want %v", k, m[k], want)
		}
	}
}

func TestOpaqueIsSealed(t *testing.T) {
	h, i := issuer(t)
	c, _ := h.Registry.Client("opaque")
	out, err := i.AccessToken(t.Context(), c, grant(h), []string{"openid"}, []string{"https://api.example"})
	if err != nil {
		t.Fatal(err)
	}
	for k := range out.AccessToken {
		if k < len("pat_") {
			continue
		}
		b := []byte(out.AccessToken)
		b[k] ^= 1
		if _, err := i.Read(string(b)); err == nil {
			t.Fatalf("accepted with byte %d changed", k)
		}
	}
	sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(out.AccessToken, "pat_"))
	if err != nil || bytes.Contains(sealed, []byte(`"sub"`)) || bytes.Contains(sealed, []byte("https://api")) {
		t.Errorf("the token shows what it is about (%v)", err)
	}
}

// The family: every earlier token leads to the current one, nothing else does.
func TestRefreshFamily(t *testing.T) {
	_, i := issuer(t)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(rt, "rotations")
		tokens := []issue.Refresh{i.FirstRefresh("g1", "code")}
		for range n {
			tokens = append(tokens, i.Successor(tokens[len(tokens)-1]))
		}
		last := tokens[n]
		k := rapid.IntRange(0, n-1).Draw(rt, "earlier")
		parsed, err := issue.ParseRefresh(tokens[k].String())
		if err != nil || parsed != tokens[k] {
			rt.Fatalf("does not read back: %v", err)
		}
		if cur, ok := i.Ancestor(parsed, last.Seq, last.Hash()); !ok || cur != last {
			rt.Fatal("an earlier token is not recognised")
		}
		forged, err := issue.ParseRefresh(forge(tokens[k].String()))
		if err != nil {
			rt.Fatal(err)
		}
		if _, ok := i.Ancestor(forged, last.Seq, last.Hash()); ok {
			rt.Fatal("a forged token is recognised")
		}
		if _, ok := i.Ancestor(last, last.Seq, last.Hash()); ok {
			rt.Fatal("the current token is not its own ancestor")
		}
		other := i.FirstRefresh("g2", "code")
		if _, ok := i.Ancestor(other, last.Seq, last.Hash()); ok {
			rt.Fatal("a token of another family is recognised")
		}
	})
	first := i.FirstRefresh("g1", "code")
	if again, ok := i.FirstRefreshIs("g1", "code", first.Hash()); !ok || again != first {
		t.Error("the first token does not follow from the code")
	}
	if _, ok := i.FirstRefreshIs("g1", "other", first.Hash()); ok {
		t.Error("another code leads to the same token")
	}
	if first.Hash() == sha256.Sum256([]byte(first.String())) {
		t.Error("the hash covers the secret alone")
	}
}

// forge changes the last character but one, so that the base64 stays canonical.
func forge(tok string) string {
	b := []byte(tok)
	k := len(b) - 2
	if b[k] == 'A' {
		b[k] = 'B'
	} else {
		b[k] = 'A'
	}
	return string(b)
}

func FuzzParseRefresh(f *testing.F) {
	_, i := issuer(f)
	f.Add(i.FirstRefresh("g1", "code").String())
	f.Add("prt_a.1.AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := issue.ParseRefresh(s)
		if err == nil && r.String() != s {
			t.Fatalf("%q reads back as %q: one token, two spellings", s, r.String())
		}
	})
}

func FuzzRead(f *testing.F) {
	h, i := issuer(f)
	for _, id := range []ident.ClientID{"jwt", "opaque"} {
		c, _ := h.Registry.Client(id)
		out, err := i.AccessToken(f.Context(), c, grant(h), nil, []string{"x"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out.AccessToken)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := i.Read(s); err == nil && a.Issuer != oauthtest.Issuer {
			t.Fatal("accepted a token of another issuer")
		}
	})
}

func BenchmarkAccessToken(b *testing.B) {
	h, i := issuer(b)
	for _, id := range []ident.ClientID{"jwt", "opaque"} {
		c, _ := h.Registry.Client(id)
		b.Run(string(id), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := i.AccessToken(b.Context(), c, nil, []string{"api:read"}, []string{"https://api.example"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
