package authn

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The search by halves finds what is there and nothing else, whatever the lines and wherever it is.
func TestBreachSearch(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		hash := rapid.StringMatching(`[0-9A-F]{40}`)
		in := rapid.SliceOfNDistinct(hash, 1, 60, rapid.ID[string]).Draw(t, "in")
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		slices.Sort(in)
		var text strings.Builder
		for i, h := range in {
			fmt.Fprintf(&text, "%s:%d", h, 1+rapid.IntRange(0, 99999999).Draw(t, "count"))
			if i < len(in)-1 || rapid.Bool().Draw(t, "ends") {
				text.WriteString(eol)
			}
		}
		name := filepath.Join(dir, "list")
		if err := os.WriteFile(name, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := openBreaches(name)
		if err != nil {
			t.Fatal(err)
		}
		defer b.file.Close()
		for _, h := range in {
			if yes, err := b.search(h); err != nil || !yes {
				t.Fatalf("%s: %v %v", h, yes, err)
			}
		}
		if other := hash.Draw(t, "other"); !slices.Contains(in, other) {
			if yes, err := b.search(other); err != nil || yes {
				t.Fatalf("%s: %v %v", other, yes, err)
			}
		}
	})
}

func FuzzBreachFile(f *testing.F) {
	f.Add([]byte("0000000000000000000000000000000000000000:1\nFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF:2\n"), "x")
	f.Add([]byte("\n\n\n"), "")
	f.Add([]byte("0018A45C4D1DEF81644B54AB7F969B88D65:3\r\n"), "0018A45C4D1DEF81644B54AB7F969B88D65")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, list []byte, suffix string) {
		name := filepath.Join(dir, "list")
		if err := os.WriteFile(name, list, 0o600); err != nil {
			t.Fatal(err)
		}
		inRange(list, suffix)
		b, err := openBreaches(name)
		if err != nil {
			return
		}
		defer b.file.Close()
		_, _ = b.has(suffix) // it ends, and does not panic
	})
}
