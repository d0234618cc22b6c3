// Package didtest is for tests of what resolves DIDs and verifies credentials: an internet of a few pages that is really
// spoken to over TLS, and the exam which every DID method sits. It never leaves this machine.
package didtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/postern-id/postern/did"
)

// Internet is a set of pages, by URL. Every name leads to one TLS server on loopback.
type Internet struct {
	Visits atomic.Int64
	pages  map[string]http.HandlerFunc
	client *http.Client
	server *httptest.Server
}

// maxBody is what a fetch brings at most, in bytes: as egress does.
const maxBody = 1 << 20

// NewInternet starts an internet. Pages are set with Page and Handle, before they are visited.
func NewInternet(t testing.TB) *Internet {
	in := &Internet{pages: map[string]http.HandlerFunc{}}
	in.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in.Visits.Add(1)
		page, ok := in.pages["https://"+r.Host+r.URL.EscapedPath()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		page(w, r)
	}))
	t.Cleanup(in.server.Close)
	in.client = in.server.Client()
	in.client.Transport = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, in.server.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // names are not what is tested: egress has its own tests
	}
	in.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return in
}

// Page puts body at url.
func (in *Internet) Page(url string, body string) {
	in.Handle(url, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
}

// Handle puts a handler at url.
func (in *Internet) Handle(url string, h http.HandlerFunc) { in.pages[url] = h }

// Fetch is a did.Fetch, with the manners of egress: https only, no redirect, 1 MiB.
func (in *Internet) Fetch(ctx context.Context, url, accept string) ([]byte, http.Header, error) {
	if !strings.HasPrefix(url, "https://") {
		return nil, nil, errors.New("only https is visited")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Accept", accept)
	res, err := in.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("answered %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("more than 1 MiB")
	}
	return body, res.Header, err
}

// Exam is what Method needs to know of a method.
type Exam struct {
	Method did.Method
	Good   []string          // DIDs that resolve
	Bad    map[string]string // what is wrong → a DID that must be refused
	// Pages are what a method that visits finds for Good[0]: the URL of its document, and the document. Both are "" for
	// methods that visit nothing.
	URL, Page string
	Limit     int // bytes of a page, beyond which it is refused; 0: 64 KiB
}

// Method examines a method: it resolves what is good, refuses what is bad, answers only for the DID that was asked for, and
// neither visits what it may not nor follows where it is sent.
func Method(t *testing.T, e Exam) {
	if e.Limit == 0 {
		e.Limit = 64 << 10
	}
	fetch := func(page http.HandlerFunc) did.Fetch {
		in := NewInternet(t)
		if e.URL != "" {
			in.Handle(e.URL, page)
		}
		return in.Fetch
	}
	good := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, e.Page) }
	resolve := func(id string, f did.Fetch) (did.Resolution, error) {
		parsed, err := did.ParseID(id)
		if err != nil {
			return did.Resolution{}, err
		}
		return e.Method.Resolve(t.Context(), parsed, f)
	}
	for i, id := range e.Good {
		if e.URL != "" && i > 0 {
			break
		}
		t.Run("good/"+id, func(t *testing.T) {
			res, err := resolve(id, fetch(good))
			if err != nil || res.Document.ID != id {
				t.Fatalf("got %q, %v", res.Document.ID, err)
			}
		})
	}
	for why, id := range e.Bad {
		t.Run("bad/"+why, func(t *testing.T) {
			if res, err := resolve(id, fetch(good)); err == nil {
				t.Errorf("resolved to %q", res.Document.ID)
			}
		})
	}
	t.Run("without visits", func(t *testing.T) {
		_, err := resolve(e.Good[0], nil)
		if (e.URL != "") != errors.Is(err, did.ErrOffline) {
			t.Errorf("got %v", err)
		}
	})
	if e.URL == "" {
		return
	}
	for name, page := range map[string]http.HandlerFunc{
		"of another": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.ReplaceAll(e.Page, e.Good[0], e.Good[0]+"x"))
		},
		"redirect":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://elsewhere.example/", 302) },
		"10 MB":     func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, e.Page+strings.Repeat(" ", 10<<20)) },
		"just over": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, e.Page+strings.Repeat(" ", e.Limit)) },
		"empty":     func(http.ResponseWriter, *http.Request) {},
		"no JSON":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"null":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "null") },
		"404":       http.NotFound,
		"500":       func(w http.ResponseWriter, _ *http.Request) { http.Error(w, e.Page, 500) },
	} {
		t.Run(name, func(t *testing.T) {
			if res, err := resolve(e.Good[0], fetch(page)); err == nil {
				t.Errorf("resolved to %+v", res.Document)
			}
		})
	}
}
