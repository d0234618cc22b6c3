package postern_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestArchitectureCatches shows that each rule can fail, on trees of one file.
func TestArchitectureCatches(t *testing.T) {
	const own = `"` + module + "/"
	for _, tt := range []struct{ name, file, src, want string }{
		{"leftward", "oauth/a.go", `package oauth; import _ ` + own + `sessions"`, ""},
		{"rightward", "sessions/a.go", `package sessions; import _ ` + own + `oauth"`, "the line: sessions/a.go imports oauth"},
		{"rightward into a folder", "sessions/a.go", `package sessions; import _ ` + own + `oauth/issue"`, "the line: sessions/a.go imports oauth/issue"},
		{"same floor", "audit/a.go", `package audit; import _ ` + own + `keys"`, "the line: audit/a.go imports keys"},
		{"web and engine", "web/a.go", `package web; import _ ` + own + `engine/sqldb"`, "the line: web/a.go imports engine/sqldb"},
		{"two engines", "engine/sqldb/a.go", `package sqldb; import _ ` + own + `engine/redisdb"`, "the line: engine/sqldb/a.go imports engine/redisdb"},
		{"own room", "oauth/token/a.go", `package token; import _ ` + own + `oauth/issue"`, ""},
		{"own house", "riskstep/geo/a.go", `package geo; import _ ` + own + `riskstep"`, ""},
		{"tests may look right", "sessions/a_test.go", `package sessions; import _ ` + own + `engine/sqldb"`, ""},
		{"fakes may look right", "oauth/oauthtest/a.go", `package oauthtest; import _ ` + own + `engine/sqldb"`, ""},
		{"a room not drawn", "extras/a.go", `package extras`, `the line: extras/a.go: nobody drew the room "extras"`},
		{"the root", "a.go", `package postern`, `the line: a.go: nobody drew the room "."`},
		{"importing the root", "web/a.go", `package web; import _ "` + module + `"`, "the line: web/a.go imports ."},
		{"cmd imports all", "cmd/postern/a.go", `package main; import _ ` + own + `web"`, ""},
		{"verify alone", "verify/a.go", `package verify; import _ ` + own + `verify/cache"`, ""},
		{"verify with us", "verify/a.go", `package verify; import _ ` + own + `ident"`, "verify: verify/a.go imports ident"},
		{"ours with verify", "web/a.go", `package web; import _ ` + own + `verify"`, "the line: web/a.go imports verify"},
		{"jwx in keys", "keys/a.go", `package keys; import _ "github.com/lestrrat-go/jwx/v2/jwk"`, ""},
		{"jwx elsewhere", "oauth/a.go", `package oauth; import _ "github.com/lestrrat-go/jwx/v2/jwk"`, "one importer: oauth/a.go imports github.com/lestrrat-go/jwx, which belongs to keys and verify"},
		{"a driver in another engine", "engine/redisdb/a.go", `package redisdb; import _ "github.com/jackc/pgx/v5"`, "one importer: engine/redisdb/a.go"},
		{"x is everywhere", "authn/a.go", `package authn; import _ "golang.org/x/text/cases"`, ""},
		{"the real time", "authn/a.go", "package authn; import \"time\"\nvar _ = time.Now()", "one clock: authn/a.go:2"},
		{"the real time as a value", "cmd/postern/dev.go", "package main; import \"time\"\nvar now = time.Now", "one clock: cmd/postern/dev.go:2"},
		{"the real time by its other names", "authn/a.go", "package authn; import clock \"time\"\nvar _ = clock.Since(clock.Time{})", "one clock: authn/a.go:2"},
		{"the real time without a name", "authn/a.go", "package authn; import . \"time\"\nvar _ = Until(Time{})", "one clock: authn/a.go:2"},
		{"the real time in wire.go", "cmd/postern/wire.go", "package main; import \"time\"\nvar _ = time.Now", ""},
		{"the real time in another wire.go", "web/wire.go", "package web; import \"time\"\nvar _ = time.Now", "one clock: web/wire.go:2"},
		{"the real time in a fake", "verify/verifytest/a.go", "package verifytest; import \"time\"\nvar _ = time.Now()", ""},
		{"the real time in a test", "authn/a_test.go", "package authn; import \"time\"\nvar _ = time.Now()", ""},
		{"the real time outside", "bench/a.go", "package main; import \"time\"\nvar _ = time.Now()", ""},
		{"another Now", "authn/a.go", "package authn; import _ \"time\"\nvar _ = clock.Now()", ""},
		{"a folder without a meaning", "oauth/util/a.go", `package words`, `names: oauth/util/a.go: "util"`},
		{"a package without a meaning", "oauth/words/a.go", `package common`, `names: oauth/words/a.go: "common"`},
		{"a fake in the product", "cmd/postern/a.go", `package main; import _ ` + own + `authn/authntest"`, "test packages: cmd/postern/a.go imports authn/authntest"},
		{"a fake in a test", "web/a_test.go", `package web; import _ ` + own + `authn/authntest"`, ""},
		{"an example in the product", "web/a.go", `package web; import _ ` + own + `examples/wallet"`, "nothing outside: web/a.go imports examples/wallet"},
		{"an example in cmd", "cmd/postern/a.go", `package main; import _ ` + own + `examples/wallet"`, ""},
		{"cmd in an engine", "engine/sqldb/a.go", `package sqldb; import _ ` + own + `cmd/postern"`, "nothing outside: engine/sqldb/a.go imports cmd/postern"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			breach(t, fstest.MapFS{tt.file: {Data: []byte(tt.src)}}, tt.want)
		})
	}
	t.Run("a second importer", func(t *testing.T) {
		breach(t, fstest.MapFS{
			"authn/a.go": {Data: []byte(`package authn; import _ "example.com/owner/thing/part"`)},
			"web/a.go":   {Data: []byte(`package web; import _ "example.com/owner/thing"`)},
		}, "one importer: web/a.go imports example.com/owner/thing, which authn imports already")
	})
	t.Run("a nested module is another house", func(t *testing.T) {
		breach(t, fstest.MapFS{"e2e/clients/go.mod": {}, "e2e/clients/util/a.go": {Data: []byte(`package util`)}}, "")
	})
}

// breach demands that the rules find exactly one breach, which begins with want, or none where want is "".
func breach(t *testing.T, tree fs.FS, want string) {
	t.Helper()
	files, err := scan(tree)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for name, rule := range rules {
		for _, b := range rule(files) {
			got = append(got, name+": "+b)
		}
	}
	found := slices.ContainsFunc(got, func(b string) bool { return strings.HasPrefix(b, want) })
	if want == "" && len(got) > 0 || want != "" && !found {
		t.Errorf("breaches %q, want one that begins with %q", got, want)
	}
}
