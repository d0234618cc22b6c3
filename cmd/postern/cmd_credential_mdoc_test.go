package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file may hold an mdoc as CBOR or in base64url; what the device signed is in the policy.
func TestCredentialVerifyMdoc(t *testing.T) {
	raw, err := os.ReadFile("../../did/testdata/auth0-mdl/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		IACA    string `json:"iaca"`
		Session string `json:"session_transcript"`
		Cases   []struct {
			At       string
			Response string `json:"device_response"`
			Issued   string `json:"issuer_signed"`
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	one := file.Cases[0]
	binary, err := base64.RawURLEncoding.DecodeString(one.Response)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := json.Marshal(map[string]any{"trust": map[string]any{"roots": []string{file.IACA}}, "transcript": file.Session, "at": one.At})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bytes, text, alone, rules, broken := filepath.Join(dir, "r.cbor"), filepath.Join(dir, "r.txt"), filepath.Join(dir, "i.txt"), filepath.Join(dir, "policy.json"), filepath.Join(dir, "broken.cbor")
	write(t, bytes, string(binary))
	write(t, text, one.Response+"\n")
	write(t, alone, one.Issued+"\n")
	write(t, rules, string(policy))
	write(t, broken, string(binary[:len(binary)-1]))
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"CBOR", []string{bytes, "--policy", rules}, exitOK, "mso_mdoc presentation"},
		{"base64url", []string{text, "--policy", rules}, exitOK, `"family_name":"Doe"`},
		{"IssuerSigned", []string{alone, "--policy", rules}, exitOK, "mso_mdoc credential"},
		{"no transcript", []string{bytes, "--trust", "any", "--at", one.At}, exitFailed, "no SessionTranscript"},
		{"no roots", []string{bytes}, exitFailed, "no IACA root"},
		{"cut short", []string{broken, "--policy", rules}, exitFailed, "form"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, "", nil, append([]string{"credential", "verify"}, tt.args...)...)
			if r.code != tt.code || !strings.Contains(r.out+r.err, tt.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}
