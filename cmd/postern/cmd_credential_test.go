package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/did/didtest"
)

func TestCredentialVerify(t *testing.T) {
	dir := t.TempDir()
	issuer, holder := didtest.NewSigner(t, "ES256"), didtest.NewSigner(t, "EdDSA")
	type object = map[string]any
	made := time.Now().Unix()
	credential := issuer.JWS(object{"typ": "vc+jwt"}, object{"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": []any{"VerifiableCredential"},
		"issuer": issuer.DID(), "validUntil": "2099-01-01T00:00:00Z", "credentialSubject": object{"id": holder.DID(), "name": "Ann\x1b[31m"}})
	presentation := holder.JWS(object{"typ": "vp+jwt"}, object{"@context": []any{"https://www.w3.org/ns/credentials/v2"}, "type": "VerifiablePresentation",
		"holder": holder.DID(), "iat": made, "aud": "me", "nonce": "n", "verifiableCredential": []any{object{"@context": "https://www.w3.org/ns/credentials/v2",
			"type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt," + credential}}})
	vc, vp, any, list, bad := filepath.Join(dir, "vc"), filepath.Join(dir, "vp"), filepath.Join(dir, "any.json"), filepath.Join(dir, "list.json"), filepath.Join(dir, "bad.json")
	write(t, vc, credential+"\n")
	write(t, vp, presentation)
	write(t, any, `{"trust":"any"}`)
	write(t, list, `{"trust":{"issuers":["`+issuer.DID()+`"]},"audience":"me","nonce":"n"}`)
	write(t, bad, `{"trusts":"any"}`)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string // in what is printed
	}{
		{"nobody is trusted by default", []string{vc}, exitFailed, "is not on the list"},
		{"any must be asked for", []string{vc, "--policy", any}, exitOK, "holds"},
		{"or listed", []string{vc, "--policy", list}, exitOK, "held  trust"},
		{"or named", []string{vc, "--trust", issuer.DID()}, exitOK, "holds"},
		{"expired then", []string{vc, "--trust", "any", "--at", "2100-01-01T00:00:00Z"}, exitFailed, "expired"},
		{"a presentation", []string{vp, "--policy", list}, exitOK, "holder"},
		{"by flags", []string{vp, "--trust", "any", "--audience", "me", "--nonce", "n"}, exitOK, "nonce"},
		{"another nonce", []string{vp, "--policy", list, "--nonce", "x"}, exitFailed, "another request"},
		{"no nonce", []string{vp, "--trust", "any"}, exitFailed, "names no nonce"},
		{"a policy that says nothing known", []string{vc, "--policy", bad}, exitUsage, "trusts"},
		{"a policy is no credential", []string{any}, exitFailed, "JSON of an unknown kind is not verified here"},
		{"no such time", []string{vc, "--at", "tomorrow"}, exitUsage, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, "", nil, append([]string{"credential", "verify"}, tt.args...)...)
			if r.code != tt.code || !strings.Contains(r.out+r.err, tt.want) {
				t.Errorf("%+v", r)
			}
			if strings.Contains(r.out, "\x1b") {
				t.Error("what a stranger wrote reaches the terminal")
			}
		})
	}
	r := call(t, credential, nil, "credential", "verify", "-", "--trust", "any", "-o", "json")
	var out struct {
		Held        bool
		Checks      []struct{ Name string }
		Credentials []struct{ Issuer string }
	}
	if err := json.Unmarshal([]byte(r.out), &out); err != nil || r.code != exitOK || !out.Held || len(out.Checks) < 5 || out.Credentials[0].Issuer != issuer.DID() {
		t.Errorf("%+v, %v", r, err)
	}
}
