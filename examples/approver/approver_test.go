package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/web/webtest"
)

// here sends what goes to the issuer to a test server on this machine.
type here struct{ to *url.URL }

func (h here) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = h.to.Scheme, h.to.Host
	return http.DefaultTransport.RoundTrip(r)
}

type world struct {
	*webtest.Server
	user ident.UserID
	at   here
	file string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s := webtest.New(t, nil, nil, nil)
	srv := httptest.NewServer(s.Handler)
	t.Cleanup(srv.Close)
	to, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &world{Server: s, user: s.Person("ann", "seven green umbrellas").ID, at: here{to}, file: filepath.Join(t.TempDir(), "key")}
}

// enrolled is a client that Ann has enrolled.
func (w *world) enrolled(t *testing.T) *client {
	t.Helper()
	code, err := w.Authn.BeginAppEnrolment(t.Context(), w.user, ident.Env{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := fresh(oauthtest.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	c.HTTP, c.Now = &http.Client{Transport: w.at}, w.Now
	if err := c.enrol(t.Context(), code, "Phone"); err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) ask(t *testing.T, bind string) (handle, number string) {
	t.Helper()
	handle, number, err := w.Authn.AskApproval(t.Context(), authn.Ask{Kind: authn.ApproveSignIn, User: w.user, Bind: bind, App: "Shop", Host: "shop.example", Country: "NL", NewPlace: true})
	if err != nil {
		t.Fatal(err)
	}
	return handle, number
}

func code(err error) string {
	r, _ := errors.AsType[refused](err)
	return r.Code
}

// The whole way: enrol, see, approve; and each refusal in its own words.
func TestProtocol(t *testing.T) {
	w := newWorld(t)
	c := w.enrolled(t)
	ctx := t.Context()
	if list, err := c.waiting(ctx); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	handle, number := w.ask(t, "a")
	list, err := c.waiting(ctx)
	if err != nil || len(list) != 1 || list[0].text("handle") != handle || list[0].text("number") != "" || list[0].Digits != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	var out bytes.Buffer
	show(&out, list[0])
	for _, want := range []string{"Shop", "shop.example", "NL (new)", "2 digits"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	if err := c.approve(ctx, handle, number); err != nil {
		t.Fatal(err)
	}
	p, err := w.Authn.ApprovedProof(ctx, handle, "a")
	if err != nil || p.User() != w.user || p.Assurance() != ident.AAL2 {
		t.Fatalf("%v", err)
	}
	if err := c.deny(ctx, handle, ""); code(err) != "request_approved" {
		t.Errorf("afterwards: %v", err)
	}

	wrong, number := w.ask(t, "b")
	if err := c.approve(ctx, wrong, map[bool]string{true: "01", false: "00"}[number == "00"]); code(err) != "request_wrong" {
		t.Errorf("a wrong number: %v", err)
	}
	denied, _ := w.ask(t, "c")
	if err := c.deny(ctx, denied, "nonsense"); code(err) != "invalid_request" {
		t.Errorf("a reason of its own: %v", err)
	}
	if err := c.deny(ctx, denied, "not_me"); err != nil {
		t.Error(err)
	}
	if err := c.deny(ctx, "nobody", ""); code(err) != "not_found" {
		t.Errorf("nothing: %v", err)
	}
	if err := c.push(ctx, "http://push.example/", "", ""); code(err) != "invalid_request" {
		t.Errorf("a push without TLS: %v", err)
	}
	if err := c.push(ctx, "https://push.example/x", "p", "a"); err != nil {
		t.Error(err)
	}
	if a, err := w.DB.Approver(ctx, c.ID); err != nil || len(a.Push) == 0 {
		t.Errorf("%+v, %v", a, err)
	}
	if err := c.remove(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := c.waiting(ctx); code(err) != "invalid_proof" {
		t.Errorf("once removed: %v", err)
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	c := w.enrolled(t)
	ctx := t.Context()
	late := *c
	late.Now = func() time.Time { return w.Now().Add(-2 * time.Minute) }
	elsewhere := *c
	elsewhere.Issuer = "https://other.example"
	unknown := *c
	unknown.ID = "anobody"
	for name, bad := range map[string]*client{"a clock that is wrong": &late, "for another server": &elsewhere, "nobody's": &unknown} {
		if _, err := bad.waiting(ctx); code(err) != "invalid_proof" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.enrol(ctx, "AAAA-AAAA-AAAA-AAAA", "x"); code(err) != "invalid_grant" {
		t.Errorf("a code that is none: %v", err)
	}
	for _, header := range []string{"", "Bearer x", "Approver", "Approver x", "Approver e30.e30.AA"} {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, oauthtest.Issuer+"/approver/requests", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		res, err := w.at.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") != "Approver" {
			t.Errorf("%q: %d", header, res.StatusCode)
		}
	}
}

// The key survives in its file, and only there.
func TestFile(t *testing.T) {
	w := newWorld(t)
	c := w.enrolled(t)
	if err := c.save(w.file); err != nil {
		t.Fatal(err)
	}
	again, err := load(w.file)
	if err != nil || again.ID != c.ID || again.Issuer != c.Issuer || !again.Key.Equal(c.Key) {
		t.Fatalf("%+v, %v", again, err)
	}
	again.HTTP, again.Now = c.HTTP, c.Now
	if _, err := again.waiting(t.Context()); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{nil, {"enrol"}, {"enrol", "https://id.example.com"}, {"enrol", "https://id.example.com", "CODE"}, {"what"}, {"approve"}} {
		if err := run(context.Background(), &bytes.Buffer{}, w.file, args); err == nil {
			t.Errorf("%q works", args)
		}
	}
}
