package backchannel_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
)

// TestMain lets the properties run over fewer cases than rapid's 100 unless -rapid.checks says otherwise: each writes durably.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "15"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// G3, G4: pending, too fast, approved, once, and by nobody else.
func TestCIBAPoll(t *testing.T) {
	c := shop(t, false)
	id, approval := c.asked("poll", "scope", "openid films offline_access", "binding_message", "1234")
	for i, want := range []struct {
		wait  time.Duration
		state string
	}{{0, "authorization_pending"}, {5 * time.Second, "authorization_pending"}, {time.Second, "slow_down"}, {5 * time.Second, "slow_down"}, {15 * time.Second, "authorization_pending"}} {
		c.wait(want.wait)
		if _, got := c.poll("poll", id); got != want.state {
			t.Fatalf("poll %d: %s, want %s", i, got, want.state)
		}
	}
	for _, wrong := range []string{"pcr_x", strings.Repeat("x", 201), id + "x"} {
		if _, got := c.poll("poll", wrong); got != "invalid_grant" {
			t.Errorf("%.10s: %s", wrong, got)
		}
	}
	if _, got := c.poll("poll", ""); got != "invalid_request" {
		t.Error(got)
	}
	if _, got := c.poll("other", id); got != "invalid_grant" {
		t.Errorf("another client: %s", got)
	}
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	if _, got := c.poll("other", id); got != "invalid_grant" {
		t.Errorf("another client, approved: %s", got)
	}
	out, got := c.poll("poll", id) // not slow any more: there is something to tell
	if got != "ok" || out["refresh_token"] == nil || out["scope"] != "openid films offline_access" || out["token_type"] != "Bearer" {
		t.Fatalf("%s %v", got, out)
	}
	claims := jwtClaims(t, out["id_token"].(string))
	if claims["sub"] != "u-ann" || claims["aud"] != "poll" || claims["acr"] != "urn:postern:acr:aal2" || claims["urn:openid:params:jwt:claim:auth_req_id"] != nil {
		t.Errorf("%v", claims)
	}
	if _, got := c.poll("poll", id); got != "invalid_grant" {
		t.Errorf("again: %s", got)
	}
	list, err := c.sessions.List(context.Background(), authntest.Ann.ID)
	if err != nil || len(list) != 1 || list[0].Device != here.Device || list[0].Agent != "Chrome on Android" || string(list[0].ID) != claims["sid"] {
		t.Errorf("sessions: %+v, %v", list, err)
	}
	if err := c.sessions.End(context.Background(), list[0].ID, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.send(c.endpoint.Token, "poll", map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {out["refresh_token"].(string)}}); code(err) != "invalid_grant" {
		t.Errorf("refreshed after the session: %v", err)
	}
}

// G4: what is denied or too late is so for ever.
func TestCIBAEnds(t *testing.T) {
	for _, x := range []struct {
		name string
		end  func(*counter, string) error
		want string
	}{
		{"denied", (*counter).deny, "access_denied"},
		{"denied, and nobody says so", func(c *counter, a string) error {
			return c.people.DenyApproval(context.Background(), authntest.Ann.ID, a, "", here)
		}, "access_denied"},
		{"expired", func(c *counter, _ string) error { c.wait(2*time.Minute + time.Second); return nil }, "expired_token"},
		{"approved and not fetched", func(c *counter, a string) error {
			err := c.approve(a)
			c.wait(2*time.Minute + oauth.CIBALate)
			return err
		}, "expired_token"},
		{"approved in the last moment", func(c *counter, a string) error {
			c.wait(2*time.Minute - time.Second)
			err := c.approve(a)
			c.wait(20 * time.Second)
			return err
		}, "ok"},
		{"approved, and nobody says so", func(c *counter, a string) error {
			ctx := context.Background()
			q, err := c.people.AppQuestions(ctx, authn.Approver{ID: c.app.ID, User: authntest.Ann.ID})
			if err != nil {
				return err
			}
			if _, err := c.people.ApproveByKey(ctx, c.app.ID, a, c.app.Approve(c.T, q[0], number(c.T, q[0])), here); err != nil {
				return err
			}
			if _, got := c.poll("poll", ""); got != "invalid_request" {
				c.T.Error(got)
			}
			c.wait(10 * time.Second)
			return nil
		}, "ok"},
		{"the device is removed before", func(c *counter, a string) error {
			if err := c.people.RemoveApprover(context.Background(), authntest.Ann.ID, c.app.ID, here); err != nil {
				return err
			}
			if err := c.approve(a); err == nil {
				return errors.New("a removed device approves")
			}
			c.wait(2*time.Minute + time.Second)
			return nil
		}, "expired_token"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := shop(t, false)
			id, approval := c.asked("poll")
			if err := x.end(c, approval); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, got := c.poll("poll", id); got != x.want {
					t.Fatalf("%s, want %s", got, x.want)
				}
				if x.want == "ok" {
					return
				}
				c.wait(10 * time.Second)
			}
			if err := c.approve(approval); err == nil {
				t.Error("approved afterwards")
			}
			if grants, err := c.DB.GrantsOf(context.Background(), authntest.Ann.ID, "", c.now()); err != nil || len(grants) > 0 {
				t.Errorf("grants %+v, %v", grants, err)
			}
		})
	}
}

// An approval gives what was shown, which is what was not allowed before, and remembers it; what was declined on the consent
// page is neither shown nor given.
func TestCIBAScope(t *testing.T) {
	c := shop(t, false)
	for i, want := range []string{"openid profile email", "openid profile email", "openid email"} {
		id, approval := c.asked("asks", "scope", "openid profile email")
		a, bad := c.people.Approval(context.Background(), authntest.Ann.ID, approval)
		if shown := []string{"openid profile email", "openid profile email", ""}[i]; bad != nil || a.Scope != shown {
			t.Fatalf("shown %q, want %q", a.Scope, shown)
		}
		if err := c.approve(approval); err != nil {
			t.Fatal(err)
		}
		if out, got := c.poll("asks", id); got != "ok" || out["scope"] != want {
			t.Fatalf("%s %v, want %s", got, out["scope"], want)
		}
		if had, err := c.DB.Consent(context.Background(), authntest.Ann.ID, "asks"); err != nil || strings.Join(had.Scope, " ") != want {
			t.Errorf("remembered %v, %v", had.Scope, err)
		}
		if err := c.DB.PutConsent(context.Background(), oauth.Consent{User: authntest.Ann.ID, Client: "asks", Scope: []string{"openid", "email"}, Declined: []string{"profile"}, Host: []string{"elsewhere.example", "", ""}[i], CreatedAt: c.Clock, UpdatedAt: c.Clock}); err != nil {
			t.Fatal(err)
		}
	}
}

// G6: a ping says which request, once, whatever is answered.
func TestCIBAPing(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"no content":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"a body":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("thanks")) },
		"unauthorized": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"broken":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := shop(t, false)
			c.say = answer
			id, approval := c.asked("ping")
			if err := c.approve(approval); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := c.Tick(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			told := c.notices()
			if len(told) != 1 || told[0].path != "/told" || told[0].auth != "Bearer "+notifyToken || told[0].kind != "application/json" ||
				len(told[0].body) != 1 || told[0].body["auth_req_id"] != id {
				t.Errorf("told %+v", told)
			}
			if _, got := c.poll("ping", id); got != "ok" {
				t.Error(got)
			}
		})
	}
	c := shop(t, false)
	id, approval := c.asked("ping")
	if err := c.deny(approval); err != nil {
		t.Fatal(err)
	}
	if err := c.Tick(context.Background()); err != nil || len(c.notices()) != 1 {
		t.Errorf("of a denial: %v %v", c.notices(), err)
	}
	if _, got := c.poll("ping", id); got != "access_denied" {
		t.Error(got)
	}
}

// What is pushed are the tokens, bound to one another and to the request; nobody fetches them besides.
func TestCIBAPush(t *testing.T) {
	c := shop(t, false)
	id, approval := c.asked("push")
	if _, got := c.poll("push", id); got != "unauthorized_client" {
		t.Error(got)
	}
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	told := c.notices()
	if len(told) != 1 || told[0].auth != "Bearer "+notifyToken || told[0].body["auth_req_id"] != id || told[0].body["token_type"] != "Bearer" || told[0].body["error"] != nil {
		t.Fatalf("%+v", told)
	}
	claims := jwtClaims(t, told[0].body["id_token"].(string))
	half := func(name string) string {
		sum := sha256.Sum256([]byte(told[0].body[name].(string)))
		return base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	if claims["urn:openid:params:jwt:claim:auth_req_id"] != id || claims["at_hash"] != half("access_token") || claims["urn:openid:params:jwt:claim:rt_hash"] != half("refresh_token") {
		t.Errorf("%v", claims)
	}
	if _, err := c.send(c.endpoint.Token, "push", map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {told[0].body["refresh_token"].(string)}}); err != nil {
		t.Error(err)
	}

	c = shop(t, false)
	_, approval = c.asked("push")
	if err := c.deny(approval); err != nil {
		t.Fatal(err)
	}
	if _, err := c.send(c.Authorize, "push", wish()); code(err) != "slow_down" { // who was told no does not ask again at once
		t.Error(err)
	}
}

func TestCIBAPushErrors(t *testing.T) {
	for name, end := range map[string]func(*counter, string) error{
		"access_denied": (*counter).deny,
		"expired_token": func(c *counter, _ string) error { c.wait(2*time.Minute + 2*time.Second); return nil },
	} {
		c := shop(t, false)
		id, approval := c.asked("push")
		if err := end(c, approval); err != nil {
			t.Fatal(err)
		}
		if err := c.Tick(context.Background()); err != nil {
			t.Fatal(err)
		}
		if told := c.notices(); len(told) != 1 || told[0].body["error"] != name || told[0].body["auth_req_id"] != id || told[0].body["access_token"] != nil {
			t.Errorf("%s: %+v", name, told)
		}
	}
	c := shop(t, false) // tokens that are not taken are worth nothing
	c.say = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	_, approval := c.asked("push")
	if err := c.approve(approval); err != nil {
		t.Fatal(err)
	}
	if err := c.Tick(context.Background()); err != nil || len(c.notices()) != 1 {
		t.Fatal(c.notices(), err)
	}
	if grants, err := c.DB.GrantsOf(context.Background(), authntest.Ann.ID, "push", c.now()); err != nil || len(grants) > 0 {
		t.Errorf("%+v, %v", grants, err)
	}
}

// Whoever approves, denies and asks in the same instant, and however often: one outcome.
func TestCIBARaces(t *testing.T) {
	for name, acts := range map[string][]func(*counter, string) error{
		"approved twice":            {(*counter).approve, (*counter).approve, (*counter).approve},
		"approved and denied":       {(*counter).approve, (*counter).deny, (*counter).approve, (*counter).deny},
		"approved while it expires": {(*counter).approve, func(c *counter, _ string) error { c.ahead.Add(int64(2 * time.Second)); return nil }, (*counter).approve},
		"told at once":              {(*counter).approve, tell, tell, tell, tell},
	} {
		t.Run(name, func(t *testing.T) {
			for range 4 {
				c := shop(t, false)
				id, approval := c.asked("poll")
				c.wait(2*time.Minute - time.Second)
				var wg sync.WaitGroup
				states := make([]string, 4)
				for _, act := range acts {
					wg.Go(func() { _ = act(c, approval) })
				}
				for i := range states {
					wg.Go(func() { _, states[i] = c.poll("poll", id) })
				}
				wg.Wait()
				c.wait(6 * time.Second)
				_, last := c.poll("poll", id)
				states = append(states, last)
				ok := len(slices.DeleteFunc(slices.Clone(states), func(s string) bool { return s != "ok" }))
				ended := slices.ContainsFunc(states, func(s string) bool { return s == "access_denied" || s == "expired_token" })
				grants, err := c.DB.GrantsOf(context.Background(), authntest.Ann.ID, "", c.now())
				if err != nil || ok > 1 || ok == 1 == ended || len(grants) != ok {
					t.Fatalf("%v, %d grants, %v", states, len(grants), err)
				}
				list, err := c.sessions.List(context.Background(), authntest.Ann.ID)
				if err != nil || len(list) != ok {
					t.Errorf("%d sessions, %v", len(list), err)
				}
			}
		})
	}
}

func tell(c *counter, approval string) error { return c.Decided(context.Background(), approval, here) }

// TestCIBAOnce: whatever happens in whatever order, tokens come at most once, never before an approval and never after another end.
func TestCIBAOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := shop(t, false)
		id, approval := c.asked("poll")
		approved, ended, given := false, false, 0
		begun := c.Clock
		rt.Repeat(map[string]func(*rapid.T){
			"approve": func(*rapid.T) {
				if c.approve(approval) == nil {
					approved = true
				}
			},
			"deny": func(*rapid.T) {
				if c.deny(approval) == nil {
					ended = true
				}
			},
			"tell": func(*rapid.T) { _ = tell(c, approval) },
			"wait": func(rt *rapid.T) { c.wait(time.Duration(rapid.IntRange(1, 60).Draw(rt, "seconds")) * time.Second) },
			"poll": func(rt *rapid.T) {
				_, state := c.poll("poll", id)
				late := c.Clock.Sub(begun)
				switch state {
				case "ok":
					given++
					if !approved || ended || given > 1 || late >= 2*time.Minute+oauth.CIBALate {
						rt.Fatalf("tokens: approved %v, ended %v, %d, after %v", approved, ended, given, late)
					}
				case "access_denied":
					ended = true
				case "expired_token":
					ended = true
					if late < 2*time.Minute {
						rt.Fatal("too soon")
					}
				case "authorization_pending", "slow_down":
					if approved || ended || given > 0 || late >= 2*time.Minute {
						rt.Fatalf("still pending: %v %v %d %v", approved, ended, given, late)
					}
				case "invalid_grant":
					if given == 0 {
						rt.Fatal("unknown before it was used")
					}
				default:
					rt.Fatal(state)
				}
			},
		})
	})
}

// A program decides only where that is switched on, is no person, and decides once.
func TestCIBAProgram(t *testing.T) {
	ctx := context.Background()
	c := shop(t, false)
	id, _ := c.asked("poll")
	if err := c.Decide(ctx, "robot", id, true); err == nil {
		t.Error("switched off, and yet")
	}
	c = shop(t, true)
	id, _ = c.asked("poll", "login_hint", "ben", "acr_values", "urn:postern:acr:aal2")
	if err := c.Decide(ctx, "robot", "pcr_x", true); code(oauth.AsError(err)) != "invalid_request" {
		t.Error(err)
	}
	if err := c.Decide(ctx, "robot", id, true); err != nil {
		t.Fatal(err)
	}
	if err := c.Decide(ctx, "robot", id, false); code(oauth.AsError(err)) != "invalid_request" {
		t.Error(err)
	}
	out, got := c.poll("poll", id)
	if got != "ok" {
		t.Fatal(got)
	}
	if claims := jwtClaims(t, out["id_token"].(string)); claims["acr"] != ident.AAL1.ACR() || claims["amr"] != nil || claims["sub"] != "u-ben" {
		t.Errorf("%v", claims)
	}
	id, _ = c.asked("poll", "login_hint", "ben")
	if err := c.Decide(ctx, "robot", id, false); err != nil {
		t.Fatal(err)
	}
	if _, got := c.poll("poll", id); got != "access_denied" {
		t.Error(got)
	}
	if _, err := c.send(c.Authorize, "strong", wish("login_hint", "ben")); code(err) != "unmet_authentication_requirements" {
		t.Error(err)
	}
}

// FuzzCIBA: no request and no hint makes the endpoint do anything but answer.
func FuzzCIBA(f *testing.F) {
	c := shop(f, false)
	f.Add("openid", "ann", "", "", "1234", "30", "[]", "x.y.z")
	f.Add("openid", "", "eyJhbGciOiJFUzI1NiJ9.e30.", "", "\x00", "-1", "", "")
	f.Add("openid", "", "", "a.b.c", "\u202e", "9e99", "{}", "eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, scope, hint, hintToken, idToken, message, expiry, details, object string) {
		c.T = t
		form := wish("scope", scope, "login_hint", hint, "login_hint_token", hintToken, "id_token_hint", idToken, "binding_message", message,
			"requested_expiry", expiry, "authorization_details", details, "request", object)
		for _, client := range []string{"keyed", "push"} {
			if _, err := c.send(c.Authorize, client, form); err != nil && err.Status >= 500 {
				t.Fatal(err)
			}
		}
	})
}
