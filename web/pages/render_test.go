package pages

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-id/postern/web/locales"
)

func newRenderer(t testing.TB) *Renderer {
	t.Helper()
	cat, err := locales.Load()
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(cat)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t testing.TB, r *Renderer, f Frame, v View) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Render(&b, f, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestWritePages writes every state to the directory of PAGES_DIR, for looking at them.
func TestWritePages(t *testing.T) {
	dir := os.Getenv("PAGES_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	r := newRenderer(t)
	for _, l := range locales.All {
		for _, s := range states {
			html := render(t, r, frame(l), s.view)
			if err := os.WriteFile(filepath.Join(dir, s.name+"."+string(l)+".html"), []byte(html), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
