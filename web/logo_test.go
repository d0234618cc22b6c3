package web

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/oauth"
)

// picture is half red, half clear.
func picture(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w / 2 {
			m.SetNRGBA(x, y, color.NRGBA{R: 255, A: 255})
		}
	}
	return m
}

func encoded(t testing.TB, kind string, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch kind {
	case "png":
		err = png.Encode(&b, m)
	case "jpeg":
		err = jpeg.Encode(&b, m, nil)
	case "gif":
		err = gif.Encode(&b, m, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRedraw(t *testing.T) {
	whole := encoded(t, "png", picture(300, 100))
	for name, c := range map[string]struct {
		raw  []byte
		w, h int // 0: refused
	}{
		"png": {whole, 192, 64}, "jpeg": {encoded(t, "jpeg", picture(96, 96)), 96, 96}, "gif": {encoded(t, "gif", picture(400, 800)), 96, 192},
		"one pixel": {encoded(t, "png", picture(1, 1)), 1, 1}, "a line": {encoded(t, "png", picture(2048, 1)), 192, 1}, "with a tail": {append(bytes.Clone(whole), "<script>"...), 192, 64},
		"too wide": {encoded(t, "png", picture(2049, 1)), 0, 0}, "too high": {encoded(t, "gif", picture(1, 2049)), 0, 0}, "cut": {whole[:len(whole)/2], 0, 0},
		"svg": {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), 0, 0}, "html": {[]byte("<html>"), 0, 0}, "nothing": {nil, 0, 0},
		"bmp": {[]byte("BM\x00\x00"), 0, 0}, "only a header": {whole[:33], 0, 0},
	} {
		out, err := redraw(c.raw)
		if (err == nil) != (c.w > 0) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			continue
		}
		m, err := png.Decode(bytes.NewReader(out))
		if err != nil || m.Bounds().Dx() != c.w || m.Bounds().Dy() != c.h {
			t.Errorf("%s: %v %v", name, err, m.Bounds())
		}
		if bytes.Contains(out, []byte("script")) {
			t.Errorf("%s: what was behind the picture is still there", name)
		}
	}
	m := shrink(picture(400, 400), 100)
	for x, want := range map[int]color.RGBA{10: {R: 255, A: 255}, 90: {}} {
		if got := m.RGBAAt(x, 50); got != want {
			t.Errorf("at %d: %v, want %v", x, got, want)
		}
	}
}

func FuzzRedraw(f *testing.F) {
	for _, kind := range []string{"png", "jpeg", "gif"} {
		f.Add(encoded(f, kind, picture(8, 8)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := redraw(raw)
		if err != nil {
			return
		}
		cfg, err := png.DecodeConfig(bytes.NewReader(out))
		if err != nil || cfg.Width > logoShown || cfg.Height > logoShown {
			t.Errorf("%v %+v", err, cfg)
		}
	})
}

func TestLogosAreFetchedOnce(t *testing.T) {
	var asked atomic.Int32
	good := encoded(t, "png", picture(8, 8))
	var down atomic.Bool
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch {
		case down.Load() || r.URL.Path == "/none":
			w.WriteHeader(http.StatusNotFound)
		case r.URL.Path == "/long":
			_, _ = w.Write(append(bytes.Clone(good), make([]byte, LogoSize)...))
		default:
			_, _ = w.Write(good)
		}
	}))
	defer srv.Close()
	var offset atomic.Int64
	begun := time.Now()
	now := func() time.Time { return begun.Add(time.Duration(offset.Load())) }
	l := NewLogos(egress.New(egress.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, MaxBody: LogoSize}), now)
	ctx := context.Background()
	l.Prefetch(&oauth.Client{})
	l.Prefetch(&oauth.Client{LogoURI: srv.URL + "/a"})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if l.get(ctx, srv.URL+"/a") == nil {
				t.Error("no logo")
			}
		})
	}
	wg.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
	down.Store(true)
	offset.Store(int64(logoLife))
	for range 3 { // it is asked for again, behind the page, and the one that was good stays
		if l.get(ctx, srv.URL+"/a") == nil {
			t.Error("the old logo is gone")
		}
	}
	down.Store(false)
	before := asked.Load()
	for _, path := range []string{"/none", "/none", "/long", "/long"} {
		if l.get(ctx, srv.URL+path) != nil {
			t.Errorf("%s is shown", path)
		}
	}
	if n := asked.Load() - before; n < 2 || n > 3 { // perhaps with the renewal of /a
		t.Errorf("what failed was asked for again: %d", n)
	}
	strict := NewLogos(egress.New(egress.Options{MaxBody: LogoSize}), now)
	if strict.get(ctx, srv.URL+"/a") != nil || strict.get(ctx, strings.Replace(srv.URL, "http:", "https:", 1)) != nil {
		t.Error("fetched from a special address")
	}
}

func TestLogosAreBounded(t *testing.T) {
	l := NewLogos(egress.New(egress.Options{}), time.Now)
	for i := range maxLogos + 100 {
		l.ask(fmt.Sprint("file:///", i))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) > maxLogos {
		t.Errorf("%d are kept", len(l.known))
	}
}
