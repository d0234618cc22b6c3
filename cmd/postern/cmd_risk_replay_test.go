package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRiskReplay(t *testing.T) {
	dir := t.TempDir()
	in, out, conf, bad := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.jsonl"), filepath.Join(dir, "postern.yaml"), filepath.Join(dir, "bad.yaml")
	const login = `{"t":"2026-01-02T03:04:05Z","user":"u1","net":{"country":"NO","asn":2119},"device":"d1"}` + "\n"
	write(t, in, login+login)
	write(t, conf, "risk:\n  thresholds:\n    step_up: 0.000001\n")
	write(t, bad, "risk:\n  mode: brave\n")

	r := call(t, "", nil, "risk", "replay", "--in", in, "--out", out)
	text, err := os.ReadFile(out)
	if r.code != exitOK || r.out != "" || err != nil || strings.Count(string(text), "\n") != 2 || !strings.HasPrefix(string(text), `{"i":0,"p":`) {
		t.Fatalf("%+v, wrote %q, %v", r, text, err)
	}
	if again := call(t, login+login, nil, "risk", "replay"); again.out != string(text) || again.code != exitOK {
		t.Errorf("from standard input: %+v", again)
	}
	if r := call(t, login, nil, "risk", "replay", "--config", conf); strings.Count(r.out, `"action":"step_up"`) != 1 {
		t.Errorf("with a threshold: %+v", r)
	}
	if r := call(t, login, nil, "risk", "replay", "--config", bad); r.code != exitConfig || !strings.Contains(r.err, "risk.mode") {
		t.Errorf("with a bad configuration: %+v", r)
	}
	// A private address has no country; a public one is looked up in the table in the binary.
	r = call(t, `{"t":"2026-01-02T03:04:05Z","user":"u1","ip":"10.0.0.1"}`+"\n"+`{"t":"2026-01-02T03:04:05Z","user":"u2","ip":"193.0.6.139"}`, nil, "risk", "replay")
	if r.code != exitOK || strings.Count(r.out, "\n") != 2 {
		t.Errorf("by address: %+v", r)
	}

	// A wrong line names itself, and leaves a file as it was.
	write(t, in, login+"{\"t\":1}\n")
	r = call(t, "", nil, "risk", "replay", "--in", in, "--out", out)
	kept, _ := os.ReadFile(out)
	files, _ := os.ReadDir(dir)
	if r.code != exitUsage || !strings.Contains(r.err, "line 2: t: ") || string(kept) != string(text) || len(files) != 4 {
		t.Errorf("%+v; %d files; kept %v", r, len(files), string(kept) == string(text))
	}
	if r := call(t, "", nil, "risk", "replay", "--in", in); r.code != exitUsage || strings.Count(r.out, "\n") != 1 {
		t.Errorf("to standard output: %+v", r)
	}
	if r := call(t, "", nil, "risk", "replay", "--in", filepath.Join(dir, "none")); r.code != exitUsage {
		t.Errorf("no input: %+v", r)
	}
	if r := call(t, "", nil, "risk", "replay"); r.code != exitOK || r.out != "" {
		t.Errorf("no logins: %+v", r)
	}
}
