package attacks

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/e2e/harness"
)

// fob is an authenticator in software that believes that it is at s.
func fob(s *harness.Server) *authntest.Authenticator {
	return &authntest.Authenticator{Origin: s.Issuer}
}

// ask posts as the script of our pages does; page holds the hidden fields of the page that it runs on.
func (v *visitor) ask(path string, page url.Values, more map[string]any) reply {
	v.t.Helper()
	body := map[string]any{}
	for name := range page {
		if name != "csrf" {
			body[name] = page.Get(name)
		}
	}
	maps.Copy(body, more)
	raw, err := json.Marshal(body)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(http.MethodPost, path, string(raw),
		http.Header{"Content-Type": {"application/json"}, "X-Csrf": {page.Get("csrf")}, "Sec-Fetch-Site": {"same-origin"}})
}

// ceremony is one that was begun: what the page was told, and for whom.
type ceremony struct {
	kind    string // get or create
	page    url.Values
	options []byte
	handle  string
}

// begin begins one; more are further members of the request.
func (v *visitor) begin(kind string, page url.Values, more map[string]any) ceremony {
	v.t.Helper()
	r := v.ask("/webauthn/"+kind+"/options", page, more)
	var out struct {
		Options json.RawMessage
		Handle  string
	}
	if r.StatusCode != http.StatusOK || json.Unmarshal([]byte(r.body), &out) != nil || len(out.Handle) < 40 {
		v.t.Fatalf("no ceremony: %d %s", r.StatusCode, r.body)
	}
	return ceremony{kind, page, out.Options, out.Handle}
}

func (v *visitor) finish(c ceremony, response []byte) reply {
	v.t.Helper()
	return v.ask("/webauthn/"+c.kind, c.page, map[string]any{"handle": c.handle, "response": json.RawMessage(response)})
}

// done: the ceremony succeeded and leads to a path.
func (v *visitor) done(r reply, to string) {
	v.t.Helper()
	if r.StatusCode != http.StatusOK || r.field("to") != to {
		v.t.Fatalf("what is right is refused: %d %s", r.StatusCode, r.body)
	}
}

// no: the script is refused with one of the statuses and a word, and learns nothing else.
func no(t testing.TB, r reply, word string, statuses ...int) {
	t.Helper()
	ok := false
	for _, s := range statuses {
		ok = ok || r.StatusCode == s
	}
	if !ok || r.field("error") != word {
		t.Errorf("%s: %d %s, want %v %s", r.Request.URL.Path, r.StatusCode, r.body, statuses, word)
	}
	for _, c := range r.Cookies() {
		if strings.HasSuffix(c.Name, "sid") && c.Value != "" {
			t.Errorf("a refusal sets a session")
		}
	}
}

// touch signs in for the account by passkey.
func (v *visitor) touch(a *authntest.Authenticator) {
	v.t.Helper()
	c := v.begin("get", fields(v.get("/login?to=/account/passkeys")), nil)
	v.done(v.finish(c, a.Assert(v.t, c.options)), "/account/passkeys")
}

// enrol adds a passkey to the account; the visitor may change it now.
func (v *visitor) enrol(a *authntest.Authenticator) {
	v.t.Helper()
	c := v.begin("create", fields(v.get("/account/passkeys")), nil)
	v.done(v.finish(c, a.Register(v.t, c.options)), "/account/passkeys?done=added")
}

// prove signs in by password and, where it is asked for, a code, for a page of the account.
func (v *visitor) prove(user, page string) {
	v.t.Helper()
	r := v.submit("/login", with(fields(v.get("/login?to="+page)), "identifier", user, "password", password))
	if to := r.Header.Get("Location"); strings.HasPrefix(to, "/code?") {
		r = v.submit("/code", with(fields(v.get(to)), "code", codeOf(user)))
	}
	if r.Header.Get("Location") != page {
		v.t.Fatalf("%s does not come to %s: %d %s", user, page, r.StatusCode, r.Header.Get("Location"))
	}
}

// holder is a person with a password and a passkey, signed in by the passkey.
func holder(t testing.TB, s *harness.Server, user string) (*visitor, *authntest.Authenticator) {
	t.Helper()
	v, a := visit(t, s), fob(s)
	v.signIn(user)
	v.enrol(a)
	v.touch(a)
	return v, a
}

// idOf is the credential id in a response, base64url.
func idOf(response []byte) string {
	var r struct{ ID string }
	_ = json.Unmarshal(response, &r)
	return r.ID
}
