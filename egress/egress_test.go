package egress

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestPublic(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want bool
	}{
		{"8.8.8.8", true}, {"2606:4700::1111", true},
		{"127.0.0.1", false}, {"::1", false}, {"10.1.2.3", false}, {"172.16.0.1", false}, {"192.168.1.1", false},
		{"169.254.169.254", false}, {"fe80::1", false}, {"fd00::1", false}, {"0.0.0.0", false}, {"::", false},
		{"100.64.0.1", false}, {"224.0.0.1", false}, {"255.255.255.255", false}, {"::ffff:127.0.0.1", false},
		{"::ffff:10.0.0.1", false}, {"64:ff9b::7f00:1", false}, {"2002:7f00:1::", false}, {"203.0.113.9", false},
	} {
		if got := Public(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("Public(%s) = %v, want %v", tt.addr, got, tt.want)
		}
	}
}

// E5: an address inside is refused even where a name leads to it; a redirect is not followed; size and time are bounded.
func TestGet(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("fine")) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("x", 2000))) })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(3 * time.Second):
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	byName := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)

	open := New(Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, MaxBody: 1000, Timeout: 300 * time.Millisecond})
	if body, _, err := open.Get(t.Context(), byName+"/ok", "*/*"); err != nil || string(body) != "fine" {
		t.Fatalf("allowed fetch: %q, %v", body, err)
	}
	for _, path := range []string{"/away", "/big", "/slow", "/missing"} {
		if _, _, err := open.Get(t.Context(), srv.URL+path, "*/*"); err == nil {
			t.Errorf("%s was fetched", path)
		}
	}
	closed := New(Options{})
	for _, u := range []string{srv.URL + "/ok", byName + "/ok", strings.Replace(byName, "http:", "https:", 1) + "/ok",
		"https://169.254.169.254/latest", "file:///etc/passwd", "https://user@example.com/", "https://[::1]:1/", "https://0x7f.1/"} {
		if _, _, err := closed.Get(t.Context(), u, "*/*"); err == nil {
			t.Errorf("%s was fetched", u)
		}
	}
	if _, _, err := closed.Get(t.Context(), strings.Replace(byName, "http:", "https:", 1)+"/ok", "*/*"); !errors.Is(err, ErrRefused) {
		t.Errorf("a name that leads inside: %v", err)
	}
}

// E5: what is sent goes as a form, once, to no address inside; whatever is answered is bounded.
func TestPost(t *testing.T) {
	var followed atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(r.Method + " " + r.Header.Get("Content-Type") + " " + r.FormValue("a")))
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/followed", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/followed", func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			_, _ = w.Write([]byte(strings.Repeat("x", 1000)))
		}
	})
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(3 * time.Second):
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	open := New(Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: 300 * time.Millisecond})
	form := url.Values{"a": {"ü&=1"}}
	status, body, err := open.Post(t.Context(), srv.URL+"/echo", form)
	if status != http.StatusTeapot || string(body) != "POST application/x-www-form-urlencoded ü&=1" || err != nil {
		t.Errorf("%d %q %v", status, body, err)
	}
	status, body, err = open.Send(t.Context(), srv.URL+"/echo", http.Header{"Content-Type": {"application/json"}}, []byte("{}"))
	if status != http.StatusTeapot || string(body) != "POST application/json " || err != nil {
		t.Errorf("%d %q %v", status, body, err)
	}
	status, body, err = open.Send(t.Context(), srv.URL+"/echo", http.Header{"Content-Type": {"text/plain"}}, []byte("a=1"))
	if status != http.StatusTeapot || string(body) != "POST text/plain " || err != nil {
		t.Errorf("another body: %d %q %v", status, body, err)
	}
	if status, _, err := open.Post(t.Context(), srv.URL+"/away", form); status != http.StatusTemporaryRedirect || err != nil || followed.Load() {
		t.Errorf("a redirect: %d, %v, followed %v", status, err, followed.Load())
	}
	if status, body, err := open.Post(t.Context(), srv.URL+"/endless", form); status != http.StatusOK || len(body) != maxReply || err != nil {
		t.Errorf("an endless answer: %d, %d bytes, %v", status, len(body), err)
	}
	if status, _, err := open.Post(t.Context(), srv.URL+"/slow", form); status != 0 || err == nil {
		t.Errorf("a slow answer: %d, %v", status, err)
	}
	for _, u := range []string{srv.URL + "/echo", "https" + strings.TrimPrefix(srv.URL, "http"), "https://169.254.169.254/", "https://[::1]:1/", "file:///etc/passwd", ""} {
		if _, _, err := New(Options{}).Post(t.Context(), u, form); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", u, err)
		}
	}
}
