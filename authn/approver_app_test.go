package authn_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
)

const enrolURL, listURL = "https://id.example.org/approver/enrol", "https://id.example.org/approver/requests"

// newApp is an app that user has enrolled.
func newApp(t testing.TB, h *house, user ident.UserID) *authntest.App {
	t.Helper()
	app := authntest.NewApp(t)
	code, err := h.BeginAppEnrolment(ctx, user, ident.Env{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.EnrolApp(ctx, app.Request(t, "POST", enrolURL, app.Enrolment(t, code, "My app"), h.clock.Now()), ident.Env{})
	if err != nil || a.User != user || a.Name != "My app" || a.Kind != authn.ApproverApp {
		t.Fatalf("%+v, %v", a, err)
	}
	app.ID = a.ID
	return app
}

func questions(t testing.TB, h *house, app *authntest.App) []authn.AppQuestion {
	t.Helper()
	a, err := h.App(ctx, app.Request(t, "GET", listURL, nil, h.clock.Now()), ident.Env{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := h.AppQuestions(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestApp(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	app := newApp(t, h, authntest.Ann.ID)
	f, err := h.Factors(ctx, authntest.Ann.ID)
	if err != nil || f.Approvers != 1 || f.Best != ident.AAL2 {
		t.Errorf("factors %+v, %v", f, err)
	}
	if list := questions(t, h, app); len(list) != 0 {
		t.Fatalf("%v", list)
	}
	handle, number, err := h.AskApproval(ctx, annAsks(laptop))
	if err != nil {
		t.Fatal(err)
	}
	list := questions(t, h, app)
	if len(list) != 1 || list[0].Digits != 2 || bytes.Contains(list[0].Statement, []byte(`"number":"`+number)) {
		t.Fatalf("%s", list[0].Statement)
	}
	got, err := h.ApproveByKey(ctx, app.ID, handle, app.Approve(t, list[0], number), ident.Env{})
	if err != nil || got.State != authn.ApprovalApproved || got.By != "My app" {
		t.Fatalf("%+v, %v", got, err)
	}
	p, err := h.ApprovedProof(ctx, handle, asker)
	if err != nil || p.Assurance() != ident.AAL2 || p.User() != authntest.Ann.ID {
		t.Fatalf("%v", err)
	}
	a, err := h.engine.Approver(ctx, app.ID)
	if err != nil || a.UsedAt.IsZero() {
		t.Errorf("used: %+v, %v", a, err)
	}
}

func TestAppApprovalRefused(t *testing.T) {
	set := func(name string, v any) func(map[string]any) { return func(m map[string]any) { m[name] = v } }
	type in struct {
		h              *house
		app            *authntest.App
		handle, number string
		q              authn.AppQuestion
	}
	approve := func(t *testing.T, x in, tweaks ...func(map[string]any)) error {
		_, err := x.h.ApproveByKey(ctx, x.app.ID, x.handle, x.app.Approve(t, x.q, x.number, tweaks...), ident.Env{})
		return err
	}
	for _, c := range []struct {
		name string
		do   func(*testing.T, in) error
		want error
		then authn.ApprovalState
	}{
		{"a wrong number kills", func(t *testing.T, x in) error { return approve(t, x, set("number", other(x.number))) },
			authn.Unapproved{State: authn.ApprovalWrong}, authn.ApprovalWrong},
		{"no number kills", func(t *testing.T, x in) error { return approve(t, x, set("number", "")) },
			authn.Unapproved{State: authn.ApprovalWrong}, authn.ApprovalWrong},
		{"another app in the statement", func(t *testing.T, x in) error { return approve(t, x, set("app", "Bank")) }, authn.ErrWrong, authn.ApprovalPending},
		{"another amount", func(t *testing.T, x in) error { return approve(t, x, set("amount", "1")) }, authn.ErrWrong, authn.ApprovalPending},
		{"another nonce", func(t *testing.T, x in) error { return approve(t, x, set("nonce", "AAAA")) }, authn.ErrWrong, authn.ApprovalPending},
		{"another decision", func(t *testing.T, x in) error { return approve(t, x, set("decision", "deny")) }, authn.ErrWrong, authn.ApprovalPending},
		{"a member too many", func(t *testing.T, x in) error { return approve(t, x, set("more", 1)) }, authn.ErrWrong, authn.ApprovalPending},
		{"a member too few", func(t *testing.T, x in) error { return approve(t, x, func(m map[string]any) { delete(m, "client") }) }, authn.ErrWrong, authn.ApprovalPending},
		{"another key", func(t *testing.T, x in) error {
			thief := authntest.NewApp(t)
			thief.ID = x.app.ID
			_, err := x.h.ApproveByKey(ctx, x.app.ID, x.handle, thief.Approve(t, x.q, x.number), ident.Env{})
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"a proof is no approval", func(t *testing.T, x in) error {
			_, err := x.h.ApproveByKey(ctx, x.app.ID, x.handle, x.app.Sign(t, "postern-approver+jws", x.q.Statement), ident.Env{})
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"nothing signed", func(t *testing.T, x in) error {
			_, err := x.h.ApproveByKey(ctx, x.app.ID, x.handle, "", ident.Env{})
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"an app of somebody else", func(t *testing.T, x in) error {
			bens := newApp(t, x.h, authntest.Ben.ID)
			_, err := x.h.ApproveByKey(ctx, bens.ID, x.handle, bens.Approve(t, x.q, x.number), ident.Env{})
			return err
		}, authn.ErrNoApproval, authn.ApprovalPending},
		{"an app that nobody has", func(t *testing.T, x in) error {
			_, err := x.h.ApproveByKey(ctx, "nobody", x.handle, x.app.Approve(t, x.q, x.number), ident.Env{})
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"an app that was removed", func(t *testing.T, x in) error {
			if err := x.h.RemoveApprover(ctx, authntest.Ann.ID, x.app.ID, ident.Env{}); err != nil {
				t.Fatal(err)
			}
			return approve(t, x)
		}, authn.ErrWrong, authn.ApprovalPending},
		{"after its time", func(t *testing.T, x in) error {
			x.h.clock.Advance(authn.ApprovalLife)
			return approve(t, x)
		}, authn.Unapproved{State: authn.ApprovalExpired}, authn.ApprovalExpired},
		{"the approval of another request", func(t *testing.T, x in) error {
			q := annAsks(laptop)
			q.Bind = "another"
			handle, _, err := x.h.AskApproval(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			_, err = x.h.ApproveByKey(ctx, x.app.ID, handle, x.app.Approve(t, x.q, x.number), ident.Env{})
			return err
		}, authn.ErrWrong, authn.ApprovalPending},
		{"a second time", func(t *testing.T, x in) error {
			if err := approve(t, x); err != nil {
				t.Fatal(err)
			}
			return approve(t, x)
		}, authn.Unapproved{State: authn.ApprovalApproved}, authn.ApprovalApproved},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := in{h: newHouse(t, authn.Policy{})}
			x.app = newApp(t, x.h, authntest.Ann.ID)
			var err error
			if x.handle, x.number, err = x.h.AskApproval(ctx, annAsks(laptop)); err != nil {
				t.Fatal(err)
			}
			x.q = questions(t, x.h, x.app)[0]
			x.h.trail.Events()
			if err := c.do(t, x); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if e := x.h.trail.Events(); errors.Is(c.want, authn.ErrWrong) && (len(e) == 0 || e[len(e)-1].Reason == "") {
				t.Errorf("the trail does not say why: %+v", e)
			}
			if got, err := x.h.Approval(ctx, authntest.Ann.ID, x.handle); err != nil || got.State != c.then {
				t.Errorf("it is %s (%v), want %s", got.State, err, c.then)
			}
		})
	}
}

func TestAppProof(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	app := newApp(t, h, authntest.Ann.ID)
	set := func(name string, v any) func(map[string]any) { return func(m map[string]any) { m[name] = v } }
	now := h.clock.Now()
	once := app.Request(t, "GET", listURL, nil, now)
	if _, err := h.App(ctx, once, ident.Env{}); err != nil {
		t.Fatal(err)
	}
	other := once
	other.Method = "POST"
	for _, c := range []struct {
		name string
		q    authn.AppRequest
		want string
	}{
		{"replayed", once, "replayed"},
		{"another method", other, "target"},
		{"another address", app.Request(t, "GET", listURL, nil, now, set("htu", enrolURL)), "target"},
		{"another body", app.Request(t, "GET", listURL, nil, now, set("bh", base64.RawURLEncoding.EncodeToString([]byte("x")))), "body"},
		{"no body hash", app.Request(t, "GET", listURL, nil, now, func(m map[string]any) { delete(m, "bh") }), "body"},
		{"a minute old", app.Request(t, "GET", listURL, nil, now.Add(-61*time.Second)), "time"},
		{"a minute ahead", app.Request(t, "GET", listURL, nil, now.Add(62*time.Second)), "time"},
		{"at no time", app.Request(t, "GET", listURL, nil, now, set("iat", 0)), "time"},
		{"a short jti", app.Request(t, "GET", listURL, nil, now, set("jti", "short")), "malformed"},
		{"a member too many", app.Request(t, "GET", listURL, nil, now, set("sub", "x")), "malformed"},
		{"no JWS", authn.AppRequest{Method: "GET", URL: listURL, Proof: "x.y.z"}, "malformed"},
		{"a long one", authn.AppRequest{Method: "GET", URL: listURL, Proof: strings.Repeat("x", 100_000)}, "malformed"},
		{"an approval is no proof", authn.AppRequest{Method: "GET", URL: listURL, Proof: app.Sign(t, "postern-approval+jws", []byte("{}"))}, "malformed"},
		{"without a name", (&authntest.App{Key: app.Key}).Request(t, "GET", listURL, nil, now), "malformed"},
		{"with another's name", (&authntest.App{Key: authntest.NewApp(t).Key, ID: app.ID}).Request(t, "GET", listURL, nil, now), "signature"},
		{"with nobody's name", (&authntest.App{Key: app.Key, ID: "nobody"}).Request(t, "GET", listURL, nil, now), "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := h.App(ctx, c.q, ident.Env{})
			if got := h.lastReason(); !errors.Is(err, authn.ErrWrong) || got != c.want {
				t.Errorf("%v, %q, want %q", err, got, c.want)
			}
		})
	}
}

func TestEnrolApp(t *testing.T) {
	h := newHouse(t, authn.Policy{})
	code, err := h.BeginAppEnrolment(ctx, authntest.Ann.ID, ident.Env{})
	if err != nil || len(code) != 19 {
		t.Fatalf("%q, %v", code, err)
	}
	app, now := authntest.NewApp(t), h.clock.Now()
	body := app.Enrolment(t, code, "x")
	jwk := func(text string) []byte {
		b, err := json.Marshal(map[string]any{"code": code, "name": "x", "jwk": json.RawMessage(text)})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, q := range map[string]authn.AppRequest{
		"another code":   app.Request(t, "POST", enrolURL, app.Enrolment(t, "AAAA-AAAA-AAAA-AAAA", "x"), now),
		"no code":        app.Request(t, "POST", enrolURL, app.Enrolment(t, "", "x"), now),
		"signed by none": {Method: "POST", URL: enrolURL, Body: body},
		"signed by another": func() authn.AppRequest {
			q := authntest.NewApp(t).Request(t, "POST", enrolURL, body, now)
			return q
		}(),
		"for another place": app.Request(t, "POST", listURL, body, now, func(m map[string]any) { m["htu"] = enrolURL }),
		"another body": func() authn.AppRequest {
			q := app.Request(t, "POST", enrolURL, body, now)
			q.Body = app.Enrolment(t, code, "y")
			return q
		}(),
		"a private key": app.Request(t, "POST", enrolURL, jwk(`{"kty":"EC","crv":"P-256","x":"`+strings.Repeat("A", 43)+`","y":"`+strings.Repeat("A", 43)+`","d":"AA"}`), now),
		"off the curve": app.Request(t, "POST", enrolURL, jwk(`{"kty":"EC","crv":"P-256","x":"`+strings.Repeat("A", 43)+`","y":"`+strings.Repeat("A", 43)+`"}`), now),
		"another curve": app.Request(t, "POST", enrolURL, jwk(`{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}`), now),
		"no key":        app.Request(t, "POST", enrolURL, jwk(`null`), now),
		"not JSON":      app.Request(t, "POST", enrolURL, []byte("code=x"), now),
		"two values":    app.Request(t, "POST", enrolURL, append(bytes.Clone(body), "{}"...), now),
	} {
		if _, err := h.EnrolApp(ctx, q, ident.Env{}); !errors.Is(err, authn.ErrWrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	typed := strings.ToLower(strings.ReplaceAll(code, "-", " ")) // as a person types it
	if _, err := h.EnrolApp(ctx, app.Request(t, "POST", enrolURL, app.Enrolment(t, typed, ""), now), ident.Env{}); err != nil {
		t.Fatalf("after all of these: %v", err)
	}
	if _, err := h.EnrolApp(ctx, app.Request(t, "POST", enrolURL, body, now), ident.Env{}); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("a second time: %v", err)
	}
	late, err := h.BeginAppEnrolment(ctx, authntest.Ann.ID, ident.Env{})
	if err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(authn.EnrolCodeLife)
	if _, err := h.EnrolApp(ctx, app.Request(t, "POST", enrolURL, app.Enrolment(t, late, ""), h.clock.Now()), ident.Env{}); !errors.Is(err, authn.ErrWrong) {
		t.Errorf("too late: %v", err)
	}
}

// Evidence verifies again without the server, and a byte that was changed anywhere is caught.
func TestEvidence(t *testing.T) {
	texts := map[string][]byte{}
	for name, alg := range map[string]int64{"ES256": -7, "EdDSA": -8, "RS256": -257} {
		a := newApproving(t)
		a.key = &authntest.Authenticator{Alg: alg}
		a.enrol(t, a.key, cas.ID)
		handle, number := a.ask(t, question())
		if _, err := a.approve(t, handle, number); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		texts[name] = evidence(t, a.house)
	}
	h := newHouse(t, authn.Policy{})
	app := newApp(t, h, authntest.Ann.ID)
	handle, number, err := h.AskApproval(ctx, annAsks(laptop))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.ApproveByKey(ctx, app.ID, handle, app.Approve(t, questions(t, h, app)[0], number), ident.Env{}); err != nil {
		t.Fatal(err)
	}
	texts["app"] = evidence(t, h)
	for name, text := range texts {
		if len(text) > 4<<10 {
			t.Errorf("%s: %d bytes", name, len(text))
		}
		e, err := authn.ParseEvidence(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		statement, key, err := e.Verify()
		if err != nil || key == "" || !bytes.Contains(statement, []byte("shop.example")) {
			t.Fatalf("%s: %s, %v", name, statement, err)
		}
		changed := 0
		step := 1
		if name == "RS256" || name == "EdDSA" { // the same places
			step = 7
		}
		for i := 0; i < len(text); i += step {
			bad := bytes.Clone(text)
			bad[i] ^= 1
			e, err := authn.ParseEvidence(bad)
			if err != nil {
				continue
			}
			if _, _, err := e.Verify(); err != nil {
				continue
			}
			// What is no part of what was signed: which credential it was, and the name of the key.
			if e2, _ := authn.ParseEvidence(text); name == "app" || !bytes.Equal(e.Credential, e2.Credential) {
				changed++
				continue
			}
			t.Errorf("%s: byte %d, %.20q, is not caught", name, i, text[max(0, i-10):])
		}
		t.Logf("%s: %d bytes, %d name the key only", name, len(text), changed)
	}
}

func evidence(t testing.TB, h *house) []byte {
	t.Helper()
	for _, e := range h.trail.Events() {
		if e.Type == "approval.approved" {
			return e.Evidence
		}
	}
	t.Fatal("no evidence")
	return nil
}

// FuzzApp: whatever an app sends as proof, enrolment or approval, it is refused and nothing panics; what is accepted was
// signed by the app.
func FuzzApp(f *testing.F) {
	h := newHouse(f, authn.Policy{})
	app := newApp(f, h, authntest.Ann.ID)
	handle, _, err := h.AskApproval(ctx, annAsks(laptop))
	if err != nil {
		f.Fatal(err)
	}
	good := app.Request(f, "GET", listURL, nil, h.clock.Now().Add(-time.Hour))
	f.Add(app.Enrolment(f, "AAAA-AAAA-AAAA-AAAA", "x"), good.Proof)
	f.Add([]byte(`{"code":"","name":"","jwk":{"kty":"EC","crv":"P-256","x":"","y":""}}`), "e30.e30.AA")
	f.Add([]byte(`null`), app.Sign(f, "postern-approval+jws", []byte(`{"v":1,"decision":"approve"}`)))
	f.Fuzz(func(t *testing.T, body []byte, jws string) {
		q := authn.AppRequest{Method: "POST", URL: enrolURL, Body: body, Proof: jws}
		if _, err := h.EnrolApp(ctx, q, ident.Env{}); !errors.Is(err, authn.ErrWrong) {
			t.Errorf("enrolled: %v", err)
		}
		if _, err := h.App(ctx, q, ident.Env{}); !errors.Is(err, authn.ErrWrong) {
			t.Errorf("an app: %v", err)
		}
		_, err := h.ApproveByKey(ctx, app.ID, handle, jws, ident.Env{})
		if !errors.Is(err, authn.ErrWrong) {
			t.Errorf("approved: %v", err)
		}
		h.trail.Events()
	})
}

func FuzzEvidence(f *testing.F) {
	a := newApproving(f)
	handle, number := a.ask(f, question())
	if _, err := a.approve(f, handle, number); err != nil {
		f.Fatal(err)
	}
	good := evidence(f, a.house)
	f.Add(good)
	f.Add([]byte(`{"v":1,"jws":"a.b.c","jwk":{}}`))
	f.Add([]byte(`{"v":1,"public_key":"pQ","authenticator_data":"AA","client_data":"e30"}`))
	want, err := authn.ParseEvidence(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := authn.ParseEvidence(text)
		if err != nil {
			return
		}
		if got, _, err := e.Verify(); err == nil && bytes.Equal(e.PublicKey, want.PublicKey) && !bytes.Equal(got, want.Statement) {
			t.Errorf("%s verifies", got)
		}
	})
}
