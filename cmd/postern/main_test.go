package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// result is what one command line gave.
type result struct {
	code     int
	out, err string
}

// call runs a command line in this process, as main would.
func call(t *testing.T, stdin string, environ []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, environ, strings.NewReader(stdin), &out, &errs)
	return result{code, out.String(), errs.String()}
}

const testMaster = "base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// workspace makes a configuration on a new, migrated SQLite database and returns a function that runs commands on it.
func workspace(t *testing.T, more string) (file string, do func(stdin string, args ...string) result) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "master.key"), testMaster+"\n")
	file = filepath.Join(dir, "postern.yaml")
	write(t, file, "issuer: http://localhost:8080\n"+
		"database: {dsn: "+filepath.Join(dir, "postern.db")+"}\n"+
		"secrets: {master_file: "+filepath.Join(dir, "master.key")+"}\n"+more)
	environ := []string{"POSTERN_CONFIG=" + file}
	do = func(stdin string, args ...string) result { return call(t, stdin, environ, args...) }
	if r := do("", "migrate"); r.code != exitOK {
		t.Fatalf("migrate: %+v", r)
	}
	return file, do
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	var c cli
	parser, err := kong.New(&c, kong.Vars{"config": ""}, kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	var walk func(n *kong.Node, path []string)
	walk = func(n *kong.Node, path []string) {
		for _, f := range n.Flags {
			if f.Help == "" {
				t.Errorf("%v --%s has no help", path, f.Name)
			}
		}
		for _, p := range n.Positional {
			if p.Help == "" {
				t.Errorf("%v <%s> has no help", path, p.Name)
			}
		}
		for _, child := range n.Children {
			at := append(slices.Clone(path), child.Name)
			if child.Help == "" {
				t.Errorf("%v has no help", at)
			}
			commands++
			r := call(t, "", nil, append(at, "--help")...)
			if r.code != exitOK || !strings.Contains(r.out, "Usage: postern "+strings.Join(at, " ")) || r.err != "" {
				t.Errorf("%v --help: %+v", at, r)
			}
			walk(child, at)
		}
	}
	walk(parser.Model.Node, nil)
	if commands < 40 {
		t.Errorf("only %d commands were seen", commands)
	}
}

func TestExitCodes(t *testing.T) {
	_, do := workspace(t, "")
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	write(t, bad, "clients: 3\n")
	for _, tc := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"no arguments", nil, exitOK, ""},
		{"version", []string{"version"}, exitOK, ""},
		{"unknown command", []string{"frobnicate"}, exitUsage, "unexpected argument frobnicate"},
		{"unknown flag", []string{"client", "list", "--colour"}, exitUsage, "unknown flag --colour"},
		{"bad enum", []string{"client", "list", "-o", "xml"}, exitUsage, "--output"},
		{"missing argument", []string{"client", "show"}, exitUsage, "<id>"},
		{"exclusive", []string{"session", "revoke"}, exitUsage, "name a session or --user"},
		{"not there", []string{"client", "show", "nobody"}, exitFailed, `no client "nobody"`},
		{"configuration", []string{"client", "list", "-s", "log.level=loud"}, exitConfig, "log.level"},
		{"no such configuration", []string{"client", "list", "-c", filepath.Join(dir, "none.yaml")}, exitConfig, "no such file"},
		{"seed", []string{"apply", "-f", bad}, exitConfig, "must be a list"},
		{"database", []string{"client", "list", "-s", "database.driver=postgres", "-s", "database.dsn=postgres://127.0.0.1:1/x?connect_timeout=1"}, exitUnreachable, "does not answer"},
		{"redis", []string{"client", "list", "-s", "redis.url=redis://127.0.0.1:1"}, exitUnreachable, "Redis does not answer"},
		{"server", []string{"healthcheck", "--url", "http://127.0.0.1:1/readyz"}, exitUnreachable, "does not answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := do("", tc.args...)
			if r.code != tc.want || !strings.Contains(r.err, tc.says) {
				t.Errorf("got %+v, want code %d and %q", r, tc.want, tc.says)
			}
			if tc.want != exitOK && !strings.HasPrefix(r.err, "postern: ") {
				t.Errorf("not said who speaks: %q", r.err)
			}
		})
	}
}

func TestNothingIsAppliedToADatabaseThatLags(t *testing.T) {
	dir := t.TempDir()
	env := []string{"POSTERN_ISSUER=http://localhost:1", "POSTERN_DATABASE_DSN=" + filepath.Join(dir, "x.db"), "POSTERN_SECRETS_MASTER=" + testMaster}
	if r := call(t, "", env, "client", "list"); r.code != exitFailed || !strings.Contains(r.err, "postern migrate up") {
		t.Errorf("client list: %+v", r)
	}
	if r := call(t, "", env, "migrate", "status"); r.code != exitFailed || !strings.Contains(r.out, "pending") {
		t.Errorf("status: %+v", r)
	}
	if r := call(t, "", env, "migrate", "up"); r.code != exitOK || !strings.Contains(r.out, "applied") {
		t.Errorf("up: %+v", r)
	}
	if r := call(t, "", env, "migrate"); r.code != exitOK || !strings.Contains(r.out, "up to date") {
		t.Errorf("again: %+v", r)
	}
	if r := call(t, "", env, "migrate", "status", "-o", "json"); r.code != exitOK || !strings.Contains(r.out, `"pending": []`) {
		t.Errorf("status: %+v", r)
	}
}

func TestColourIsForTerminalsOnly(t *testing.T) {
	term := &terminal{ctx: context.Background(), environ: []string{"NO_COLOR=1"}}
	if got := term.paint(os.Stdout, "1", "x"); got != "x" {
		t.Errorf("NO_COLOR: %q", got)
	}
	if got := (&terminal{}).paint(&bytes.Buffer{}, "1", "x"); got != "x" {
		t.Errorf("a buffer: %q", got)
	}
}
