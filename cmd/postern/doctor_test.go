package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir, time.Now().Add(3*24*time.Hour), "localhost")
	wrong := t.TempDir()
	wrongCert, wrongKey := certificate(t, wrong, time.Now().Add(90*24*time.Hour), "other.example")
	impostor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": "https://somebody.else"})
	}))
	defer impostor.Close()
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": "http://" + r.Host})
	}))
	defer late.Close()
	junk := filepath.Join(dir, "junk.mmdb")
	write(t, junk, "no database")
	fresh := strings.TrimSpace(call(t, "", nil, "secrets", "generate").out)

	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nothing wrong but what a demo lacks", nil, exitOK, "ok    master key"},
		{"configuration", []string{"-s", "log.level=loud", "-s", "listen.address=x"}, exitConfig, "listen.address: must be host:port"},
		{"database", []string{"-s", "database.driver=postgres", "-s", "database.dsn=postgres://127.0.0.1:1/x?connect_timeout=1"}, exitUnreachable, "fail  database"},
		{"migrations", []string{"-s", "database.dsn=" + filepath.Join(dir, "new.db")}, exitFailed, "run 'postern migrate up'"},
		{"redis", []string{"-s", "redis.url=redis://127.0.0.1:1"}, exitUnreachable, "fail  redis"},
		{"issuer of somebody else", []string{"-s", "issuer=" + impostor.URL}, exitFailed, `says it is "https://somebody.else"`},
		{"clock", []string{"-s", "issuer=" + late.URL}, exitFailed, "fail  clock"},
		{"nobody there", []string{"-s", "issuer=http://localhost:1"}, exitOK, "warn  issuer"},
		{"certificate expires", []string{"-s", "issuer=https://localhost:1", "-s", "listen.tls.cert_file=" + cert, "-s", "listen.tls.key_file=" + key}, exitOK, "warn  tls"},
		{"certificate of another", []string{"-s", "issuer=https://localhost:1", "-s", "listen.tls.cert_file=" + wrongCert, "-s", "listen.tls.key_file=" + wrongKey}, exitFailed, "is not for localhost"},
		{"certificate without its key", []string{"-s", "issuer=https://localhost:1", "-s", "listen.tls.cert_file=" + cert, "-s", "listen.tls.key_file=" + wrongKey}, exitFailed, "must belong together"},
		{"proxies", []string{"-s", "proxies.trusted=0.0.0.0/0"}, exitFailed, "claim any address"},
		{"geo", []string{"-s", "geo.file=" + junk}, exitFailed, "fail  geo"},
		{"algorithm", []string{"-s", "tokens.algs=ES256"}, exitFailed, "wants EdDSA"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, do := workspace(t, "tokens: {algs: [ES256, EdDSA]}\n")
			must(t, do("", "keys", "rotate"))
			must(t, do("clients: [{client_id: a, token_endpoint_auth_method: none, redirect_uris: ['https://a/'], id_token_signed_response_alg: EdDSA}]", "apply", "-f", "-"))
			r := do("", append([]string{"doctor"}, tc.args...)...)
			if r.code != tc.code || !strings.Contains(r.out, tc.want) {
				t.Errorf("got code %d, want %d and %q\n%s%s", r.code, tc.code, tc.want, r.out, r.err)
			}
			if j := do("", append([]string{"doctor", "-o", "json"}, tc.args...)...); j.code != tc.code || !json.Valid([]byte(j.out)) {
				t.Errorf("JSON: %+v", j)
			}
		})
	}
	t.Run("master key", func(t *testing.T) {
		file, do := workspace(t, "")
		must(t, do("", "keys", "rotate"))
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(filepath.Dir(file), "master.key"), fresh+"\n")
		if r := do("", "doctor"); r.code != exitFailed || !strings.Contains(r.out, "put it into secrets.previous") {
			t.Errorf("lost: %+v", r)
		}
		write(t, file, strings.Replace(string(raw), "secrets: {", "secrets: {previous: ['"+testMaster+"'], ", 1))
		if r := do("", "doctor"); r.code != exitOK || !strings.Contains(r.out, "run 'postern secrets rotate'") {
			t.Errorf("old: %+v", r)
		}
	})
}

// The doctor says what a geo file, the table and the lists are good for, and how old they are.
func TestDoctorGeo(t *testing.T) {
	dir := t.TempDir()
	list, junk, old := filepath.Join(dir, "list.txt"), filepath.Join(dir, "junk.txt"), filepath.Join(dir, "old.txt")
	write(t, list, "192.0.2.0/24\nAS64500\n")
	write(t, junk, "<html>")
	write(t, old, "192.0.2.1")
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-31*day)); err != nil {
		t.Fatal(err)
	}
	_, do := workspace(t, "")
	must(t, do("", "keys", "rotate"))
	for _, tc := range []struct {
		name string
		sets []string
		want []string
	}{
		{"countries", []string{"geo.file=" + geoFile(t, "GeoLite2-Country")}, []string{"ok    geo", ": countries only", "GeoLite Data created by MaxMind", "the table in the binary"}},
		{"cities", []string{"geo.file=" + geoFile(t, "GeoLite2-City")}, []string{"ok    geo", ": countries and places"}},
		{"the table", nil, []string{"the table in the binary", ": countries and networks"}},
		{"nothing", []string{"geo.embedded=false"}, []string{"warn  geo", "where an address is, is unknown"}},
		{"no networks", []string{"geo.asn_file=" + geoFile(t, "GeoLite2-Country")}, []string{"fail  geo", "no autonomous systems"}},
		{"a list", []string{"geo.tor_file=" + list}, []string{"ok    geo", "geo.tor_file of ", ": 1 networks, 1 autonomous systems"}},
		{"an old list", []string{"geo.tor_file=" + old}, []string{"warn  geo", "renew it"}},
		{"no list", []string{"geo.anonymous_file=" + junk}, []string{"fail  geo", "geo.anonymous_file: ", "line 1"}},
	} {
		args := []string{"doctor"}
		for _, s := range tc.sets {
			args = append(args, "-s", s)
		}
		r := do("", args...)
		for _, want := range tc.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%s: no %q in %d %s%s", tc.name, want, r.code, r.out, r.err)
			}
		}
	}
}
