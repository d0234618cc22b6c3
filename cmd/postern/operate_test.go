package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-id/postern/keys"
)

// must fails the test unless the command succeeded, and returns its output.
func must(t *testing.T, r result) string {
	t.Helper()
	if r.code != exitOK {
		t.Fatalf("got code %d: %s%s", r.code, r.out, r.err)
	}
	return r.out
}

func field(t *testing.T, doc, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		t.Fatalf("%v in %s", err, doc)
	}
	s, _ := m[name].(string)
	return s
}

func TestClientCommands(t *testing.T) {
	_, do := workspace(t, "")
	made := must(t, do("", "client", "create", "--type", "web", "--id", "shop", "--name", "Shop", "--redirect-uri", "https://shop.example/cb", "-o", "json"))
	secret := field(t, made, "client_secret")
	if len(secret) != 43 || field(t, made, "client_id") != "shop" {
		t.Errorf("created %s", made)
	}
	if r := do("", "client", "create", "--id", "shop", "--redirect-uri", "https://x/"); r.code != exitFailed || !strings.Contains(r.err, "already") {
		t.Errorf("twice: %+v", r)
	}
	for _, tc := range []struct{ typ, method, grants, made string }{
		{"spa", "none", "authorization_code refresh_token", ""},
		{"native", "none", "authorization_code refresh_token", ""},
		{"service", "client_secret_basic", "client_credentials", "secret"},
	} {
		args := []string{"client", "create", "--type", tc.typ, "--id", tc.typ, "-o", "json"}
		if tc.typ != "service" {
			args = append(args, "--redirect-uri", "http://127.0.0.1/cb")
		}
		if out := must(t, do("", args...)); (field(t, out, "client_secret") != "") != (tc.made != "") {
			t.Errorf("%s: secret in %s", tc.typ, out)
		}
		shown := must(t, do("", "client", "show", tc.typ))
		for _, want := range []string{tc.method, tc.grants} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: no %q in %s", tc.typ, want, shown)
			}
		}
	}
	if r := do("", "client", "create", "--type", "spa"); r.code != exitFailed || !strings.Contains(r.err, "redirect_uris is empty") {
		t.Errorf("without redirect: %+v", r)
	}
	must(t, do("", "client", "update", "shop", "-m", "client_name=Corner Shop", "-m", `redirect_uris=["https://shop.example/cb","https://shop.example/cb2"]`, "--disable"))
	shown := must(t, do("", "client", "show", "shop", "-o", "json"))
	if field(t, shown, "client_name") != "Corner Shop" || !strings.Contains(shown, "cb2") || !strings.Contains(shown, `"disabled": true`) {
		t.Errorf("updated: %s", shown)
	}
	if r := do("", "client", "update", "shop", "-m", "client_secret_hash=x"); r.code != exitUsage {
		t.Errorf("a hash was set: %+v", r)
	}
	if r := do("", "client", "update", "shop", "-m", "colour=red"); r.code != exitFailed || !strings.Contains(r.err, "colour") {
		t.Errorf("an unknown member was set: %+v", r)
	}
	second := field(t, must(t, do("", "client", "rotate-secret", "shop", "-o", "json")), "client_secret")
	if len(second) != 43 || second == secret {
		t.Errorf("rotated to %q", second)
	}
	list := must(t, do("", "client", "list", "-o", "json")) + must(t, do("", "client", "list"))
	for _, private := range []string{secret, second, "hmac-sha256"} {
		if strings.Contains(list+shown, private) {
			t.Errorf("shows %s", private)
		}
	}
	must(t, do("", "client", "delete", "shop"))
	if r := do("", "client", "delete", "shop"); r.code != exitFailed {
		t.Errorf("deleted twice: %+v", r)
	}
}

func TestUserCommands(t *testing.T) {
	_, do := workspace(t, "")
	made := must(t, do("", "user", "create", "ann", "--email", "ann@example.com", "--claim", "name=Ann Lee", "-o", "json"))
	password := field(t, made, "password")
	if !regexp.MustCompile(`^[a-z2-9]{5}(-[a-z2-9]{5}){3}$`).MatchString(password) {
		t.Errorf("made up %q", password)
	}
	must(t, do("umbrella glacier tuesday\n", "user", "create", "bob", "--password-stdin"))
	for _, tc := range []struct {
		name, stdin string
		args        []string
		code        int
		want        string
	}{
		{"weak", "short\n", []string{"user", "create", "eve", "--password-stdin"}, exitFailed, "refused: too short"},
		{"empty", "\n", []string{"user", "create", "eve", "--password-stdin"}, exitUsage, "no password"},
		{"taken", "", []string{"user", "create", "ANN"}, exitFailed, "already"},
		{"address taken", "", []string{"user", "create", "eve", "--email", "ann@example.com"}, exitFailed, "another user"},
		{"claim", "", []string{"user", "update", "ann", "--claim", "sub=x"}, exitUsage, "unknown field"},
		{"address", "", []string{"user", "update", "ann", "--email", "x"}, exitUsage, "not an e-mail"},
		{"nobody", "", []string{"user", "show", "nobody"}, exitFailed, "postern user list"},
	} {
		if r := do(tc.stdin, tc.args...); r.code != tc.code || !strings.Contains(r.err, tc.want) {
			t.Errorf("%s: got %+v", tc.name, r)
		}
	}
	must(t, do("", "user", "update", "ann@example.com", "--claim", "name=", "--claim", "nickname=A", "--email-verified", "--disable"))
	shown := must(t, do("", "user", "show", "ann"))
	if strings.Contains(shown, "Ann Lee") || !strings.Contains(shown, "nickname") || !strings.Contains(shown, "disabled") {
		t.Errorf("updated: %s", shown)
	}
	totp := field(t, must(t, do("", "user", "reset-totp", "bob", "--new", "-o", "json")), "totp_secret")
	if secret, err := decodeTOTP(totp); err != nil || len(secret) != 20 {
		t.Errorf("secret %q: %v", totp, err)
	}
	if out := must(t, do("", "user", "set-password", "bob", "-o", "json")); field(t, out, "password") == "" {
		t.Errorf("no password in %s", out)
	}
	list := must(t, do("", "user", "list", "-o", "json")) + must(t, do("", "user", "list"))
	for _, private := range []string{password, totp, "argon2id", "umbrella"} {
		if strings.Contains(list, private) {
			t.Errorf("the list shows %s", private)
		}
	}
	if !strings.Contains(list, "password totp") {
		t.Errorf("the factors are not listed: %s", list)
	}
	must(t, do("", "user", "reset-totp", "bob"))
	must(t, do("", "user", "delete", "bob"))
	if list := must(t, do("", "user", "list")); strings.Contains(list, "bob") {
		t.Errorf("still there: %s", list)
	}
}

func TestSessionCommands(t *testing.T) {
	_, do := workspace(t, "")
	must(t, do("", "user", "create", "ann"))
	if out := must(t, do("", "session", "list", "-o", "json")); strings.TrimSpace(out) != "[]" {
		t.Errorf("listed %s", out)
	}
	if out := must(t, do("", "session", "revoke", "--user", "ann")); out != "ended 0 sessions of ann\n" {
		t.Errorf("got %q", out)
	}
	for _, args := range [][]string{{"session", "revoke", "x"}, {"session", "show", "x"}, {"session", "list", "--user", "x"}} {
		if r := do("", args...); r.code != exitFailed {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

func TestKeysCommands(t *testing.T) {
	_, do := workspace(t, "tokens: {algs: [ES256, EdDSA]}\n")
	must(t, do("", "keys", "rotate"))
	var list []shownKey
	read := func() map[keys.State]int {
		out := must(t, do("", "keys", "list", "-o", "json"))
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatal(err)
		}
		count := map[keys.State]int{}
		for _, k := range list {
			count[k.State]++
		}
		return count
	}
	if out := must(t, do("", "keys", "list", "-o", "json")); !strings.Contains(out, `"kty": "EC"`) || strings.Contains(out, `"d":`) {
		t.Errorf("not the public keys: %s", out)
	}
	if got := read(); got[keys.Active] != 3 || got[keys.Next] != 3 || got[keys.Retired] != 2 { // that for encryption stays
		t.Errorf("after a rotation: %v", got)
	}
	for _, k := range list {
		switch k.State {
		case keys.Active:
			must(t, do("", "keys", "retire", k.ID))
		case keys.Retired:
			must(t, do("", "keys", "revoke", k.ID))
		}
	}
	if got := read(); got[keys.Active] != 3 || got[keys.Retired] != 3 {
		t.Errorf("after retiring: %v", got)
	}
	if out := must(t, do("", "keys", "rotate", "--use", "enc")); strings.Count(out, "\n") != 1 || !strings.Contains(out, "encrypt to with ECDH-ES") {
		t.Errorf("got %q", out)
	}
	if got := read(); got[keys.Active] != 3 || got[keys.Retired] != 4 {
		t.Errorf("after a rotation of what is encrypted to: %v", got)
	}
	for _, args := range [][]string{{"--alg", "ECDH-ES"}, {"--use", "enc", "--alg", "ES256"}} { // each of the other use
		if r := do("", append([]string{"keys", "rotate"}, args...)...); r.code != exitFailed {
			t.Errorf("%v: %+v", args, r)
		}
	}
	if r := do("", "keys", "revoke", "nokey"); r.code != exitFailed || !strings.Contains(r.err, "no key") {
		t.Errorf("got %+v", r)
	}
	if r := do("", "keys", "rotate", "--alg", "RS256"); r.code != exitFailed {
		t.Errorf("got %+v", r)
	}
}

func TestResourceCommands(t *testing.T) {
	_, do := workspace(t, "")
	const api = "https://api.example.com"
	must(t, do("", "resource", "create", api, "--name", "API", "--scope", "read,write"))
	must(t, do("", "resource", "update", api, "--scope", "read"))
	if out := must(t, do("", "resource", "show", api, "-o", "json")); !strings.Contains(out, `"read"`) || strings.Contains(out, "write") || field(t, out, "name") != "API" {
		t.Errorf("got %s", out)
	}
	if r := do("", "resource", "create", "not-a-uri"); r.code != exitFailed || !strings.Contains(r.err, "absolute URI") {
		t.Errorf("got %+v", r)
	}
	if out := must(t, do("", "resource", "list")); !strings.Contains(out, api) {
		t.Errorf("got %s", out)
	}
	must(t, do("", "resource", "delete", api))
	if r := do("", "resource", "show", api); r.code != exitFailed {
		t.Errorf("still there: %+v", r)
	}
}

func TestAuditCommands(t *testing.T) {
	_, do := workspace(t, "")
	must(t, do("", "user", "create", "ann"))
	dir := t.TempDir()
	checkpoints, export := filepath.Join(dir, "checkpoints"), filepath.Join(dir, "export")
	must(t, do("", "audit", "checkpoint", "-f", checkpoints))
	must(t, do("", "user", "update", "ann", "--disable"))
	must(t, do("", "audit", "checkpoint", "-f", checkpoints))
	if out := must(t, do("", "audit", "verify", "--checkpoints", checkpoints)); !strings.Contains(out, "2 checkpoints agree") {
		t.Errorf("got %s", out)
	}
	must(t, do("", "audit", "export", "-f", export))
	if r := do("", "audit", "export", "-f", export); r.code == exitOK {
		t.Error("an export was overwritten")
	}
	must(t, do("", "audit", "verify", "--file", export))

	// Elsewhere, without the database and its master key.
	jwks := filepath.Join(dir, "jwks")
	write(t, jwks, must(t, do("", "keys", "jwks", "--use", "audit")))
	elsewhere := []string{"audit", "verify", "--file", export, "--checkpoints", checkpoints, "--jwks", jwks}
	if out := must(t, call(t, "", nil, elsewhere...)); !strings.Contains(out, "2 checkpoints agree") {
		t.Errorf("elsewhere: %s", out)
	}
	write(t, jwks, must(t, do("", "keys", "jwks")))
	if r := call(t, "", nil, elsewhere...); r.code != exitFailed {
		t.Errorf("with the keys of tokens: %+v", r)
	}

	raw, err := os.ReadFile(export)
	if err != nil {
		t.Fatal(err)
	}
	write(t, export, strings.Replace(string(raw), "user.disabled", "user.enabled_", 1))
	if r := do("", "audit", "verify", "--file", export); r.code != exitFailed || !strings.Contains(r.out, "FAULT") {
		t.Errorf("altered: %+v", r)
	}
	lines := strings.SplitAfter(string(raw), "\n")
	write(t, export, strings.Join(lines[:len(lines)-3], ""))
	if r := do("", "audit", "verify", "--file", export, "--checkpoints", checkpoints); r.code != exitFailed {
		t.Errorf("cut short: %+v", r)
	}
	other, err := os.ReadFile(checkpoints)
	if err != nil {
		t.Fatal(err)
	}
	write(t, checkpoints, strings.Replace(string(other), ".", ".A", 1))
	if r := do("", "audit", "verify", "--checkpoints", checkpoints, "-o", "json"); r.code != exitFailed || !strings.Contains(r.out, `"checkpoint"`) {
		t.Errorf("forged checkpoint: %+v", r)
	}
}

func TestSecretsRotate(t *testing.T) {
	file, do := workspace(t, "")
	must(t, do("", "user", "create", "ann"))
	must(t, do("", "user", "reset-totp", "ann", "--new"))
	must(t, do("", "keys", "rotate"))
	old := testMaster
	fresh := strings.TrimSpace(must(t, do("", "secrets", "generate")))
	env := func(master, previous string) []string {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var plain []string
		for _, line := range strings.Split(string(raw), "\n") {
			if !strings.HasPrefix(line, "secrets:") {
				plain = append(plain, line)
			}
		}
		bare := filepath.Join(t.TempDir(), "bare.yaml")
		write(t, bare, strings.Join(plain, "\n"))
		e := []string{"POSTERN_CONFIG=" + bare, "POSTERN_SECRETS_MASTER=" + master}
		if previous != "" {
			e = append(e, "POSTERN_SECRETS_PREVIOUS="+previous)
		}
		return e
	}
	if r := call(t, "", env(fresh, ""), "keys", "rotate"); r.code != exitFailed || !strings.Contains(r.err, "not configured") {
		t.Errorf("without the old master key: %+v", r)
	}
	must(t, call(t, "", env(fresh, old), "secrets", "rotate"))
	must(t, call(t, "", env(fresh, ""), "keys", "rotate"))
	if r := call(t, "", env(old, ""), "keys", "rotate"); r.code != exitFailed {
		t.Errorf("the old master key still opens: %+v", r)
	}
}
