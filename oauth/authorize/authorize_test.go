package authorize_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/authorize"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/sessions"
)

const challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B

type front struct {
	*oauthtest.House
	*authorize.Service
	best ident.Assurance
	n    int
}

func open(t testing.TB) *front {
	t.Helper()
	app := func(id, more string) string {
		return `{"client_id":"` + id + `","client_secret":"s3cret","redirect_uris":["https://` + id + `.example/cb"],"scope":"openid email offline_access"` + more + `}`
	}
	f := &front{House: oauthtest.New(t, []string{app("ask", `,"grant_types":["authorization_code","refresh_token"]`), app("house", `,"skip_consent":true`), `{"client_id":"tv","token_endpoint_auth_method":"none","scope":"openid offline_access","grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"]}`, app("strong", `,"skip_consent":true,"minimum_acr":"urn:postern:acr:aal2"`)}, nil), best: ident.AAL1}
	iss := issue.New(issue.Options{Issuer: oauthtest.Issuer, Ring: f.Ring, Derive: f.Sealer.Derive, Anchor: f.Sealer.Anchor, Keys: f.ClientKeys, Registry: f.Registry, Users: f.DB, Now: f.Now})
	f.Service = authorize.New(authorize.Options{Risk: f.Risk, Registry: f.Registry, Reader: f.Reader, Issue: iss, Grants: f.DB, Consents: f.DB, Ephemeral: f.DB, Devices: oauth.Devices{Ephemeral: f.DB, Now: f.Now}, Audit: f.Audit, Now: f.Now,
		Best: func(context.Context, ident.UserID) (ident.Assurance, error) { return f.best, nil }})
	return f
}

// session is a live one of user, as old as age, in the store.
func (f *front) session(user ident.UserID, age time.Duration, reached ident.Assurance) *sessions.Session {
	f.T.Helper()
	f.n++
	s := sessions.Session{ID: ident.SessionID(fmt.Sprintf("session-%d", f.n)), User: user, AuthTime: f.Clock.Add(-age), AMR: []ident.AMR{ident.Password}, Assurance: reached,
		CreatedAt: f.Clock.Add(-age), LastSeen: f.Clock, IdleUntil: f.Clock.Add(time.Hour), ExpiresAt: f.Clock.Add(12 * time.Hour), Version: 1}
	if err := f.DB.InsertSession(context.Background(), s); err != nil {
		f.T.Fatal(err)
	}
	return &s
}

func at(device ident.DeviceID, s *sessions.Session) context.Context {
	ctx := oauth.WithEnv(context.Background(), ident.Env{Device: device})
	if s != nil {
		ctx = oauth.WithSession(ctx, *s)
	}
	return ctx
}

func request(client string, pairs ...string) url.Values {
	v := url.Values{"client_id": {client}, "redirect_uri": {"https://" + client + ".example/cb"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

func (f *front) ask(ctx context.Context, q url.Values) *url.URL {
	f.T.Helper()
	page, answer, err := f.Authorize(ctx, q)
	if err != nil {
		f.T.Fatal(err)
	}
	if answer != nil {
		page = answer.URL()
	}
	u, err := url.Parse(page)
	if err != nil {
		f.T.Fatal(err)
	}
	return u
}

// where names what an answer leads to: a page of ours, "code", or the error for the client.
func where(u *url.URL) string {
	q := u.Query()
	switch {
	case u.Host == "":
		return strings.TrimPrefix(u.Path, "/")
	case q.Get("iss") != oauthtest.Issuer || q.Get("state") != "st":
		return "a response without iss and state: " + u.String()
	case q.Get("code") != "":
		return "code"
	}
	return q.Get("error")
}

// The whole front channel as a table: who is there, what is asked, what is due, and what prompt=none makes of it.
func TestNext(t *testing.T) {
	essential := `{"id_token":{"acr":{"essential":true,"value":"urn:postern:acr:aal2"}}}`
	for _, c := range []struct {
		name           string
		session        bool
		age            time.Duration
		reached, best  ident.Assurance
		client         string
		pairs          []string
		due, silentDue string
	}{
		{"nobody", false, 0, 0, 0, "house", nil, "login", "login_required"},
		{"a session", true, time.Hour, ident.AAL1, ident.AAL1, "house", nil, "code", "code"},
		{"prompt=login", true, 0, ident.AAL1, ident.AAL1, "house", []string{"prompt", "login"}, "login", ""},
		{"select_account", true, 0, ident.AAL1, ident.AAL1, "house", []string{"prompt", "select_account"}, "login", ""},
		{"max_age kept", true, 59 * time.Second, ident.AAL1, ident.AAL1, "house", []string{"max_age", "60"}, "code", "code"},
		{"max_age exceeded", true, 61 * time.Second, ident.AAL1, ident.AAL1, "house", []string{"max_age", "60"}, "login", "login_required"},
		{"max_age beyond all", true, time.Hour, ident.AAL1, ident.AAL1, "house", []string{"max_age", "9223372036854775807"}, "code", "code"},
		{"acr reachable", true, 0, ident.AAL1, ident.AAL2, "house", []string{"acr_values", "urn:postern:acr:aal2"}, "login", "interaction_required"},
		{"acr wished, not reachable", true, 0, ident.AAL1, ident.AAL1, "house", []string{"acr_values", "phrh"}, "code", "code"},
		{"acr essential, not reachable", true, 0, ident.AAL1, ident.AAL1, "house", []string{"claims", essential}, "unmet_authentication_requirements", "unmet_authentication_requirements"},
		{"acr essential, held", true, 0, ident.AAL2, ident.AAL2, "house", []string{"claims", essential}, "code", "code"},
		{"the client's minimum", true, 0, ident.AAL1, ident.AAL2, "strong", nil, "login", "interaction_required"},
		{"the client's minimum, not reachable", true, 0, ident.AAL1, ident.AAL1, "strong", nil, "unmet_authentication_requirements", "unmet_authentication_requirements"},
		{"consent due", true, 0, ident.AAL1, ident.AAL1, "ask", nil, "consent", "consent_required"},
		{"consent asked again", true, 0, ident.AAL1, ident.AAL1, "house", []string{"prompt", "consent"}, "consent", ""},
		{"another person meant", true, 0, ident.AAL1, ident.AAL1, "house", []string{"claims", `{"id_token":{"sub":{"value":"bob"}}}`}, "login", "login_required"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t)
			f.best = c.best
			var s *sessions.Session
			if c.session {
				s = f.session("ann", c.age, c.reached)
			}
			if got := where(f.ask(at("dev", s), request(c.client, c.pairs...))); got != c.due {
				t.Errorf("leads to %s, want %s", got, c.due)
			}
			if c.silentDue == "" {
				return
			}
			if got := where(f.ask(at("dev", s), request(c.client, append(c.pairs, "prompt", "none")...))); got != c.silentDue {
				t.Errorf("silently: %s, want %s", got, c.silentDue)
			}
		})
	}
}

func (f *front) begin(ctx context.Context, q url.Values) *authorize.Live {
	f.T.Helper()
	l, err := f.Load(ctx, f.ask(ctx, q).Query().Get("i"))
	if err != nil {
		f.T.Fatal(err)
	}
	return l
}

func TestInteractionBelongsToABrowser(t *testing.T) {
	f := open(t)
	l := f.begin(at("dev", nil), request("house"))
	for _, c := range []struct{ name, id, device string }{{"another browser", l.ID, "other"}, {"no browser", l.ID, ""}, {"unknown", l.ID[1:], "dev"}, {"long", strings.Repeat("x", 5000), "dev"}, {"empty", "", "dev"}} {
		if _, err := f.Load(at(ident.DeviceID(c.device), nil), c.id); !errors.Is(err, authorize.ErrGone) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	f.Clock = f.Clock.Add(31 * time.Minute)
	if _, err := f.Load(at("dev", nil), l.ID); !errors.Is(err, authorize.ErrGone) {
		t.Errorf("after half an hour: %v", err)
	}
}

func TestFinishOnce(t *testing.T) {
	f := open(t)
	s := f.session("ann", 0, ident.AAL1)
	ctx := at("dev", s)
	l := f.begin(ctx, request("house", "prompt", "login"))
	if to, step, err := f.Finish(ctx, l); err != nil || to != nil || step.Kind != authorize.Login {
		t.Fatalf("before the sign-in: %q %v %v", to, step, err)
	}
	if err := f.Proved(ctx, l, *s); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range 16 {
		wg.Go(func() {
			mine := *l
			to, _, err := f.Finish(ctx, &mine)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && to.Params.Has("code") {
				won++
			} else if !errors.Is(err, authorize.ErrFinished) {
				t.Errorf("%v %v", to, err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d codes", won)
	}
	if _, err := f.Abandon(ctx, l, oauth.AccessDenied("x")); !errors.Is(err, authorize.ErrFinished) {
		t.Errorf("abandoned after its end: %v", err)
	}
}

// What ann proved and allowed is hers: bob, who signs in after her in the same browser, is asked himself.
func TestAnotherPersonIsAskedAgain(t *testing.T) {
	f := open(t)
	anns, bobs := f.session("ann", 0, ident.AAL1), f.session("bob", 0, ident.AAL1)
	for _, c := range []struct {
		name    string
		prompts string
		want    authorize.Kind
	}{{"proved", "login consent", authorize.Login}, {"allowed", "consent", authorize.Consent}} {
		l := f.begin(at("dev", anns), request("ask", "prompt", c.prompts))
		if c.name == "proved" {
			if err := f.Proved(at("dev", anns), l, *anns); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Decide(at("dev", anns), l, true, l.Request.Scope); err != nil {
			t.Fatal(err)
		}
		if step, err := f.Next(at("dev", anns), l); err != nil || step.Kind != authorize.Respond {
			t.Errorf("%s: ann: %v %v", c.name, step, err)
		}
		if step, err := f.Next(at("dev", bobs), l); err != nil || step.Kind != c.want {
			t.Errorf("%s: bob: %v %v", c.name, step, err)
		}
		if to, _, err := f.Finish(at("dev", bobs), l); err != nil || to != nil {
			t.Errorf("%s: bob gets %v %v", c.name, to, err)
		}
		if err := f.Proved(at("dev", bobs), l, *bobs); err != nil {
			t.Fatal(err)
		}
		if step, err := f.Next(at("dev", bobs), l); err != nil || step.Kind != authorize.Consent {
			t.Errorf("%s: bob signed in: %v %v", c.name, step, err)
		}
	}
}

func TestConsentIsRemembered(t *testing.T) {
	f := open(t)
	s := f.session("ann", 0, ident.AAL1)
	ctx := at("dev", s)
	l := f.begin(ctx, request("ask"))
	if err := f.Decide(ctx, l, true, l.Request.Scope); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who   *sessions.Session
		pairs []string
		want  string
	}{{s, nil, "code"}, {s, []string{"scope", "openid email"}, "consent"}, {s, []string{"claims", `{"userinfo":{"email":null}}`}, "consent"}, {s, []string{"prompt", "consent"}, "consent"}, {f.session("bob", 0, ident.AAL1), nil, "consent"}} {
		if got := where(f.ask(at("dev", c.who), request("ask", c.pairs...))); got != c.want {
			t.Errorf("%v: %s, want %s", c.pairs, got, c.want)
		}
	}
	// The same name at another host is somebody else.
	doc := `{"client_id":"ask","redirect_uris":["https://elsewhere.example/cb"],"scope":"openid email","token_endpoint_auth_method":"none"}`
	if err := f.DB.PutClient(context.Background(), oauth.Document{ID: "ask", JSON: []byte(doc), UpdatedAt: f.Clock}); err != nil {
		t.Fatal(err)
	}
	if err := f.Registry.Reload(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := where(f.ask(ctx, request("ask", "redirect_uri", "https://elsewhere.example/cb"))); got != "consent" {
		t.Errorf("at another host: %s", got)
	}
	// No is no, and is told.
	l = f.begin(ctx, request("house", "prompt", "consent"))
	if err := f.Decide(ctx, l, false, nil); err != nil {
		t.Fatal(err)
	}
	to, _, err := f.Finish(ctx, l)
	if err != nil || to == nil || to.Params.Get("error") != "access_denied" || to.Params.Get("state") != "st" {
		t.Errorf("%v %v", to, err)
	}
}

// What cannot be recorded is not granted; the client hears that we cannot, the operator why.
func TestGrantNeedsTheTrail(t *testing.T) {
	f := open(t)
	s := f.session("ann", 0, ident.AAL1)
	_ = f.Audit.Close(context.Background())
	ctx, note := oauth.WithNote(at("dev", s))
	if got := where(f.ask(ctx, request("house"))); got != "temporarily_unavailable" || note.Err == nil {
		t.Errorf("%s, note %v", got, note.Err)
	}
	// A session that ends this very moment gets no code either.
	f = open(t)
	s = f.session("ann", 0, ident.AAL1)
	if _, err := f.DB.EndSession(context.Background(), s.ID, f.Clock, "test"); err != nil {
		t.Fatal(err)
	}
	if got := where(f.ask(at("dev", s), request("house"))); got == "code" {
		t.Error("a code for a session that has ended")
	}
}
