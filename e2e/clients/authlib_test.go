package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// python is that of the system, for which Debian has the library.
const python = "/usr/bin/python3"

// TestAuthlib walks with python3-authlib of Debian: authlib/client.py.
func TestAuthlib(t *testing.T) {
	rows := []object{{"client_id": "public", "method": "none", "alg": "ES256"}}
	for _, alg := range []string{"ES256", "RS256", "PS256"} { // it does not know the at_hash of EdDSA
		rows = append(rows, object{"client_id": "authlib-" + alg, "method": "client_secret_basic", "secret": plainSecret, "alg": alg})
	}
	for _, alg := range []string{"ES256", "RS256"} {
		rows = append(rows, object{"client_id": "jwt-" + alg, "method": "private_key_jwt", "key": string(pemKey(t, "jwt-"+alg)),
			"kid": keyID, "auth_alg": alg, "alg": "ES256"})
	}
	for _, row := range rows {
		t.Run(row["client_id"].(string), func(t *testing.T) {
			t.Parallel()
			conf := object{"issuer": issuer, "redirect_uri": redirectURI, "secret": nil, "key": nil}
			for k, v := range row {
				conf[k] = v
			}
			authlib(t, conf)
		})
	}
}

func authlib(t *testing.T, conf object) {
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("authlib", "client.py"))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: `make setup` installs what is missing", err)
	}
	defer cmd.Wait()
	out := bufio.NewScanner(stdout)
	said := func() string {
		if !out.Scan() {
			cmd.Wait()
			t.Fatalf("client.py: %s", complaint.String())
		}
		return out.Text()
	}
	if err := json.NewEncoder(in).Encode(conf); err != nil {
		t.Fatal(err)
	}
	q := signIn(t, said())
	if _, err := in.Write([]byte(redirectURI + "?" + q.Encode() + "\n")); err != nil {
		t.Fatal(err)
	}
	type result struct {
		Same, Fresh, Revoked bool
		Name, Email          string
	}
	var got result
	if err := json.Unmarshal([]byte(said()), &got); err != nil {
		t.Fatal(err)
	}
	if want := (result{true, true, true, "Ann Lindqvist", email}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
