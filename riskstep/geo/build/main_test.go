package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBuild(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out := filepath.Join(dir, "out.bin")
	c4, c6 := file("c4", "8.8.8.0,8.8.8.255,US\n9.0.0.0,9.0.0.255,ZZ\n"), file("c6", "2a00::,2a00:ffff:ffff:ffff:ffff:ffff:ffff:ffff,DE\n")
	s4 := file("s4", "8.8.8.0,8.8.8.255,15169,\"A, Inc.\"\n")
	args := func(countries, systems, built string) []string {
		return []string{"-countries", countries, "-systems", systems, "-built", built, "-o", out}
	}
	var first string
	for range 2 { // the same bytes each time
		if err := run(args(c4+","+c6, s4, "2026-06-17")); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(out)
		if err != nil || !strings.Contains(string(b), "DEUS") || strings.Contains(string(b), "ZZ") || len(b) > 300 {
			t.Fatalf("%d bytes: %q, %v", len(b), b, err)
		}
		if first != "" && first != string(b) {
			t.Fatal("the same facts give other bytes")
		}
		first = string(b)
	}
	for name, a := range map[string][]string{
		"no day":       args(c4, s4, "yesterday"),
		"no file":      args(c4+"x", s4, "2026-06-17"),
		"no address":   args(file("bad1", "a,b,US\n"), s4, "2026-06-17"),
		"no number":    args(c4, file("bad2", "8.8.8.0,8.8.8.255,AS5\n"), "2026-06-17"),
		"two fields":   args(file("bad3", "8.8.8.0,8.8.8.255\n"), s4, "2026-06-17"),
		"no range":     args(file("bad4", "8.8.8.9,8.8.8.1,US\n"), s4, "2026-06-17"),
		"two families": args(file("bad5", "8.8.8.9,2a00::,US\n"), s4, "2026-06-17"),
	} {
		if err := run(a); err == nil {
			t.Errorf("%s: builds", name)
		}
	}
}
