package authn_test

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
)

const leakedPassword = "many small lanterns rise"

func sha(s string) string { return fmt.Sprintf("%X", sha1.Sum([]byte(s))) }

// rangeDir writes a list of ranges; those that hold nothing hold padding.
func rangeDir(t testing.TB, ext string, leaked ...string) string {
	t.Helper()
	dir := t.TempDir()
	write := func(prefix, lines string) {
		if err := os.WriteFile(filepath.Join(dir, prefix+ext), []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("00000", "00000000000000000000000000000000000:0\r\n")
	for _, p := range leaked {
		h := sha(p)
		write(h[:5], strings.Repeat("0", 35)+":7\r\n"+h[5:]+":42\r\n"+strings.Repeat("F", 35)+":1")
	}
	for _, p := range []string{"a quiet unknown phrase", authntest.Ann.Password, authntest.Ben.Password} {
		h := sha(p)
		write(h[:5], h[5:]+":0\n") // padding is no leak
	}
	return dir
}

func sortedFile(t testing.TB, leaked ...string) string {
	t.Helper()
	lines := []string{sha("a quiet unknown phrase") + ":0"}
	for _, p := range leaked {
		lines = append(lines, sha(p)+":42")
	}
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("%s:%d", sha(fmt.Sprint("filler", i)), i+1))
	}
	slices.Sort(lines)
	name := filepath.Join(t.TempDir(), "pwned.txt")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// I1: a password that leaked is refused with its reason, and one in use shows in the proof.
func TestI1Breached(t *testing.T) {
	for _, c := range []struct {
		name string
		list string
	}{
		{"ranges", rangeDir(t, "", leakedPassword)},
		{"ranges with .txt", rangeDir(t, ".txt", leakedPassword)},
		{"one file", sortedFile(t, leakedPassword)},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := authntest.Person{ID: "u-old", Username: "old", Password: leakedPassword}
			before := newHouse(t, authn.Policy{}, authntest.Ann, old)
			h := &house{clock: before.clock, trail: before.trail, engine: before.engine}
			h.Service = authntest.Service(t, authntest.Options{Engine: h.engine, Clock: h.clock, Trail: h.trail, Policy: authn.Policy{BreachFile: c.list}, People: []authntest.Person{}})
			u, err := h.engine.User(ctx, "u-ann")
			if err != nil {
				t.Fatal(err)
			}
			for password, want := range map[string][]string{
				leakedPassword: {authn.Breached}, "a quiet unknown phrase": nil, "another harmless phrase": nil,
			} {
				if c.name != "one file" && password == "another harmless phrase" {
					continue // its range is not there
				}
				err := h.CheckPassword(u, password)
				var weak authn.WeakPassword
				if errors.As(err, &weak); !slices.Equal(weak.Codes, want) {
					t.Errorf("%q: %v, want %v", password, err, want)
				}
			}
			for identifier, person := range map[string]authntest.Person{"old": old, "ann": authntest.Ann} {
				p, err := h.Password(ctx, authn.Attempt{Identifier: identifier, Password: person.Password, Env: from("192.0.2.1", "")})
				if err != nil || p.Breached() != (identifier == "old") {
					t.Errorf("%s: breached %v, %v", identifier, p.Breached(), err)
				}
				handle, err := h.Hold(ctx, p, "x")
				if err != nil {
					t.Fatal(err)
				}
				if q, err := h.Resume(ctx, handle, "x"); err != nil || q.Breached() != p.Breached() {
					t.Errorf("a held proof forgets: %v", err)
				}
			}
		})
	}
}

// A list with holes says nothing about what would be in them: a new password is refused, an old one signs in and is marked.
func TestBreachListWithHoles(t *testing.T) {
	dir := rangeDir(t, "")
	h := newHouse(t, authn.Policy{BreachFile: dir}, authntest.Ann)
	hole := "nobody has this range here"
	if err := h.CheckPassword(authn.User{}, hole); err == nil {
		t.Error("a password of a missing range was accepted")
	}
	if err := os.Remove(filepath.Join(dir, sha(authntest.Ann.Password)[:5])); err != nil {
		t.Fatal(err)
	}
	p, err := h.Password(ctx, authn.Attempt{Identifier: "ann", Password: authntest.Ann.Password, Env: from("192.0.2.1", "")})
	if err != nil || !p.Breached() {
		t.Errorf("%v, breached %v", err, p.Breached())
	}
}

func TestBreachListRefused(t *testing.T) {
	empty, text, long := t.TempDir(), filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	for name, content := range map[string]string{text: "password\nletmein\n", long: strings.Repeat("A", 5000)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	clock := authntest.NewClock()
	db := newEngine(t, clock)
	for _, file := range []string{empty, text, long, filepath.Join(empty, "none")} {
		_, err := authn.New(authn.Options{
			Users: db, Ephemeral: db, Counters: db, Sealer: authntest.NewSealer(), Audit: &authntest.Trail{}, Now: clock.Now,
			Policy: authn.Policy{BreachFile: file},
		})
		if err == nil {
			t.Errorf("%s is a breach list", file)
		}
	}
}
