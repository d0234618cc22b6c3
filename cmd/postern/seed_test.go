package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-id/postern/authn"
)

const goodSeed = `
resources:
  - resource: https://api.example.com
    scopes: [read, write]
clients:
  - client_id: web
    client_secret: a secret of the operator's choice
    client_name: Shop
    "client_name#zh-CN": 商店
    redirect_uris: [https://shop.example.com/cb]
    grant_types: [authorization_code, refresh_token]
  - client_id: spa
    token_endpoint_auth_method: none
    redirect_uris: [http://localhost:3000/cb]
users:
  - username: ann
    email: ann@example.com
    email_verified: true
    password: umbrella glacier tuesday
    totp_secret: JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP
    name: Ann Lee
    birthdate: 1990-01-02
    phone_number: "+15550100"
    address: {country: DE, locality: Berlin}
  - username: bob
`

func TestParseSeed(t *testing.T) {
	s, err := parseSeed("seed.yaml", []byte(goodSeed))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Clients) != 2 || len(s.Users) != 2 || len(s.Resources) != 1 {
		t.Fatalf("got %+v", s)
	}
	if s.Clients[0].secret != "a secret of the operator's choice" || s.Clients[1].secret != "" || s.Clients[0].Names["zh-CN"] != "商店" {
		t.Errorf("clients: %+v", s.Clients)
	}
	ann := s.Users[0]
	if string(ann.user.Claims["birthdate"]) != `"1990-01-02"` || string(ann.user.Claims["phone_number"]) != `"+15550100"` {
		t.Errorf("claims: %s", ann.user.Claims)
	}
	if len(ann.totp) != 20 || ann.verified == nil || !*ann.verified {
		t.Errorf("ann: %+v", ann)
	}
	// The same as JSON, with tabs and a surrogate pair, which YAML would refuse.
	asJSON := []byte("{\n\t\"users\": [\n\t\t{\"username\": \"emma\", \"name\": \"\\ud83d\\ude00\"}\n\t]\n}")
	if s, err = parseSeed("seed.json", asJSON); err != nil || string(s.Users[0].user.Claims["name"]) != `"😀"` {
		t.Errorf("JSON: %v", err)
	}
	for _, empty := range []string{"", "# nothing\n", "clients:\nusers: []\n", "{}"} {
		if _, err := parseSeed("x", []byte(empty)); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestSeedFaults(t *testing.T) {
	for _, tc := range []struct {
		name, seed string
		want       []string
	}{
		{"unknown section", "groups: []\n", []string{"s:1: groups: unknown field"}},
		{"everything at once", "clients:\n  - client_id: a\n    colour: red\n  - client_secret: x\nusers:\n  - usrname: ann\n    totp_secret: '1'\nresources:\n  - resource: nothing\n",
			[]string{"s:2: clients[0]: ", "colour", "s:4: clients[1]: ", `users[0].usrname: unknown field (did you mean "username"?)`, "users[0].totp_secret: must be base32", "users[0].username: is missing", "s:9: resources[0]: "}},
		{"hash", "clients:\n  - client_id: a\n    client_secret_hash: x\n", []string{"cannot be declared: give client_secret"}},
		{"empty secret", "clients:\n  - client_id: a\n    client_secret: ''\n    redirect_uris: [https://a/]\n", []string{"client_secret must be a text"}},
		{"number as secret", "clients:\n  - {client_id: a, client_secret: 123, redirect_uris: ['https://a/']}\n", []string{"client_secret must be a text"}},
		{"twice", "users:\n  - username: Ann\n  - username: ann\n", []string{"s:3: users[1]: is declared before, at s:2"}},
		{"member twice", "users:\n  - username: a\n    username: b\n", []string{"given twice"}},
		{"section twice", "users: []\nusers: []\n", []string{"s:2: users: is given twice"}},
		{"alias", "users:\n  - &a {username: a}\n  - *a\n", []string{"YAML alias"}},
		{"claim type", "users:\n  - {username: a, name: 3, address: x, phone_number_verified: 'yes'}\n", []string{".name: has the wrong type", ".address: has", ".phone_number_verified: has"}},
		{"sub", "users:\n  - {username: a, sub: x}\n", []string{"users[0].sub: unknown field"}},
		{"short shared secret", "users:\n  - {username: a, totp_secret: JBSWY3DP}\n", []string{"must have 20 to 64 bytes"}},
		{"email", "users:\n  - {username: a, email: 'Ann <a@b.c>'}\n", []string{"is not an e-mail address"}},
		{"two documents", "users: []\n---\nusers: []\n", []string{"one YAML document"}},
		{"list", "[]", []string{"must be a mapping"}},
		{"not a list", "users: {a: b}", []string{"must be a list"}},
		{"no YAML", "\tx: [", []string{"s: "}},
		{"invisible", "users:\n  - username: \"a\\u200bb\"\n", []string{"cannot be a username"}},
		{"JSON line", "{\n \"users\": [\n  {\"usrname\": \"x\"}\n ]\n}", []string{"s:3: users[0].usrname"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parseSeed("s", []byte(tc.seed))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("not said: %q in %v", want, err)
				}
			}
		})
	}
}

func TestApplyIsIdempotent(t *testing.T) {
	_, do := workspace(t, "")
	file := filepath.Join(t.TempDir(), "seed.yaml")
	write(t, file, goodSeed)
	apply := func(want string, args ...string) {
		t.Helper()
		r := do("", append([]string{"apply", "-f", file}, args...)...)
		if r.code != exitOK || strings.Join(strings.Fields(r.out), " ") != want {
			t.Fatalf("got %+v, want %q", r, want)
		}
	}
	const all = "created resource https://api.example.com created client web created client spa created user ann created user bob"
	apply(strings.ReplaceAll(all, "created", "would create"), "--dry-run")
	apply(all)
	apply("no changes")
	apply("no changes", "--dry-run")
	if r := do("", "apply", "-f", file, "-o", "json"); r.code != exitOK || !strings.Contains(r.out, `"changes": []`) {
		t.Errorf("JSON: %+v", r)
	}

	// One thing of each kind changes; what is not named stays.
	write(t, file, strings.NewReplacer("read, write", "read", "operator's choice", "operator's new choice", "Ann Lee", "Ann Li",
		"umbrella glacier tuesday", "umbrella glacier thursday", "3PXP\n", "3PXQ\n", "    email: ann@example.com\n", "").Replace(goodSeed))
	apply("would update resource https://api.example.com scopes would update client web client_secret would update user ann name, totp_secret, password", "--dry-run")
	apply("updated resource https://api.example.com scopes updated client web client_secret updated user ann name, totp_secret, password")
	apply("no changes")
	if r := do("", "user", "show", "ann"); !strings.Contains(r.out, "ann@example.com") || !strings.Contains(r.out, "password totp") || !strings.Contains(r.out, "Ann Li") {
		t.Errorf("ann: %+v", r)
	}
	// Standard input.
	if r := do(goodSeed, "apply", "-f", "-", "--dry-run"); r.code != exitOK || !strings.Contains(r.out, "would update") {
		t.Errorf("stdin: %+v", r)
	}
}

// What an operator declares may be easy to guess: it is said, and done.
func TestApplyWarnsOfEasyPasswords(t *testing.T) {
	_, do := workspace(t, "")
	r := do("users:\n  - {username: bob, password: bobbobbobbobbob}\n", "apply", "-f", "-")
	if r.code != exitOK || !strings.Contains(r.err, `warning: user "bob"`) || strings.Contains(r.err+r.out, "bobbobbob") {
		t.Errorf("got %+v", r)
	}
	if r := do("users:\n  - {username: bob, password: bobbobbobbobbob}\n", "apply", "-f", "-"); !strings.Contains(r.out, "no changes") {
		t.Errorf("applied twice: %+v", r)
	}
}

func TestApplyRefusesBeforeItWrites(t *testing.T) {
	_, do := workspace(t, "")
	for _, tc := range []struct{ name, seed, want string }{
		{"weak passwords, all of them", "users:\n  - {username: ann, password: short}\n  - {username: bob, password: shorter}\n", `"bob" is refused`},
		{"algorithm", "clients:\n  - {client_id: a, token_endpoint_auth_method: none, redirect_uris: ['https://a/'], id_token_signed_response_alg: PS256}\n", "wants PS256, which is not in tokens.algs"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := do("clients:\n  - {client_id: first, token_endpoint_auth_method: none, redirect_uris: ['https://a/']}\n"+strings.TrimPrefix(tc.seed, "clients:\n"), "apply", "-f", "-")
			if r.code != exitConfig || !strings.Contains(r.err, tc.want) {
				t.Errorf("got %+v", r)
			}
			if r := do("", "client", "list", "-o", "json"); strings.TrimSpace(r.out) != "[]" {
				t.Errorf("something was written: %s", r.out)
			}
		})
	}
}

func TestTOTPText(t *testing.T) {
	secret, err := decodeTOTP("jbsw y3dp ehpk 3pxp jbsw y3dp ehpk 3pxp")
	if err != nil || encodeTOTP(secret) != "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" || len(secret) != authn.MinTOTPSecret {
		t.Errorf("got %x, %v", secret, err)
	}
}

func FuzzSeed(f *testing.F) {
	f.Add(goodSeed)
	f.Add(`{"users":[{"username":"a","address":{"x":[1,2.5,null,true]}}]}`)
	f.Add("clients: [{client_id: a, jwks: {keys: []}}]\nusers:\n- {? [a] : b}\n")
	f.Add("a: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSeed("f", []byte(text))
		if err != nil {
			return
		}
		for _, u := range s.Users {
			if authn.NormalizeIdentifier(u.user.Username) == "" {
				t.Errorf("a user without a name: %q", text)
			}
			for name, v := range u.user.Claims {
				if !json.Valid(v) {
					t.Errorf("%s is no JSON: %s", name, v)
				}
			}
		}
	})
}
