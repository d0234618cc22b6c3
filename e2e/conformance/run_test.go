package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// variant is in which of the ways that a plan prescribes a module runs.
type variant struct {
	response string // response_type
	mode     string // response_mode: form_post, or "" for the default one
	auth     string // client_secret_basic, client_secret_post or private_key_jwt
	dynamic  bool   // the client registers itself
}

func (v variant) String() string {
	s := "static client"
	if v.dynamic {
		s = "dynamic client"
	}
	if v.response == "" {
		return s
	}
	return v.response + ", " + s
}

// with says whether the response type has a value.
func (v variant) with(word string) bool { return slices.Contains(strings.Fields(v.response), word) }

// front says that something other than a code comes through the browser.
func (v variant) front() bool { return v.response != "code" }

// run is one module under way in one variant: what the suite calls its environment.
type run struct {
	variant
	t       tester
	w       *world
	slot    chan struct{}
	result  *result
	config  map[string]any // discovery
	keys    keySet
	client  *client
	visitor *visitor
	scope   string

	// What the tests of the checks do to what comes; nil otherwise.
	damage func(endpoint string, r *reply)
	divert func(l *landing)
}

// tester is what a module needs of a test.
type tester interface {
	Name() string
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

type ended struct{}

// fail, warn and review note what was found and go on; stop and skip end the module.
func (m *run) fail(format string, args ...any) {
	m.result.note(failed, fmt.Sprintf(format, args...))
	m.t.Errorf(format, args...)
}

func (m *run) warn(format string, args ...any) {
	m.result.note(warning, fmt.Sprintf(format, args...))
	m.t.Logf("warning: "+format, args...)
}

// review notes a picture that the suite would ask for, after the words on that page were checked.
func (m *run) review(what string) { m.result.note(review, what) }

func (m *run) stop(format string, args ...any) {
	m.t.Helper()
	m.fail(format, args...)
	panic(ended{})
}

func (m *run) skip(reason string) {
	m.result.note(skipped, reason)
	panic(ended{})
}

func (m *run) must(err error) {
	if err != nil {
		m.t.Helper()
		m.stop("%v", err)
	}
}

// sleep waits without keeping others from working.
func (m *run) sleep(d time.Duration) {
	<-m.slot
	time.Sleep(d)
	m.slot <- struct{}{}
}

// prepare fetches the discovery document and the keys, checks them as each module of the suite does, and opens a browser.
func (m *run) prepare() {
	m.config = m.discover()
	m.keys = m.fetchKeys()
	m.visitor = m.w.visitor()
	m.scope = "openid"
}

// text is a member of the discovery document; without it the module cannot go on.
func (m *run) text(name string) string {
	s, _ := m.config[name].(string)
	if s == "" {
		m.stop("discovery has no %s", name)
	}
	return s
}

// lists says whether a list in the discovery document has a value.
func (m *run) lists(name, value string) bool {
	return slices.Contains(texts(m.config[name]), value)
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, x := range list {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// call sends a request to an endpoint of the server, as a relying party does.
func (m *run) call(method, endpoint string, body string, h http.Header) *reply {
	req, err := http.NewRequest(method, endpoint, strings.NewReader(body))
	m.must(err)
	for name, vs := range h {
		req.Header[name] = vs
	}
	resp, err := m.w.server.Client("").Do(req)
	m.must(err)
	defer resp.Body.Close()
	r := &reply{status: resp.StatusCode, header: resp.Header}
	r.body = readAll(m, resp)
	dec := json.NewDecoder(strings.NewReader(r.body))
	dec.UseNumber()
	if dec.Decode(&r.fields) != nil {
		r.fields = nil
	}
	if m.damage != nil {
		m.damage(endpoint, r)
	}
	return r
}

// reply is the answer of an endpoint.
type reply struct {
	status int
	header http.Header
	body   string
	fields map[string]any // nil where the body is no JSON object
}

func (r *reply) text(name string) string {
	s, _ := r.fields[name].(string)
	return s
}

func (r *reply) json() bool {
	return strings.HasPrefix(r.header.Get("Content-Type"), "application/json") && r.fields != nil
}

func (r *reply) String() string { return fmt.Sprintf("%d %s", r.status, strings.TrimSpace(r.body)) }

// request makes an authorization request; each edit changes it.
func (m *run) request(edits ...func(url.Values)) url.Values {
	q := url.Values{"client_id": {m.client.id}, "redirect_uri": {m.client.redirect}, "scope": {m.scope}, "state": {harness.Random()[:20]},
		"nonce": {harness.Random()[:20]}, "response_type": {m.response}}
	if m.mode != "" {
		q.Set("response_mode", m.mode)
	}
	for _, e := range edits {
		e(q)
	}
	return q
}

// set is an edit that sets a parameter; "" removes it.
func set(name, value string) func(url.Values) {
	return func(q url.Values) {
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
	}
}

// visit sends the browser to the authorization endpoint.
func (m *run) visit(q url.Values) *landing {
	return m.open(m.text("authorization_endpoint") + "?" + q.Encode())
}

// open sends the browser to an address of the server.
func (m *run) open(to string) *landing {
	l, err := m.visitor.open(to)
	m.must(err)
	if m.divert != nil {
		m.divert(l)
	}
	return l
}

// answer is what the relying party got to an authorization request.
type answer struct {
	url.Values
	asked url.Values
	*landing
}

// ask makes an authorization request that has to be answered, and checks how the answer travels.
func (m *run) ask(edits ...func(url.Values)) *answer {
	q := m.request(edits...)
	return m.received(q, m.visit(q))
}

// received checks how an answer came. Form Post Response Mode §2, OAuth 2.0 Multiple Response Types §3, §5, RFC 9207 §2.
func (m *run) received(q url.Values, l *landing) *answer {
	if l.Callback == nil {
		m.stop("the redirect_uri is not reached; the server shows: %d %s", l.Page.Status, l.Page.Text)
	}
	a := &answer{asked: q, landing: l}
	d := l.Callback
	switch {
	case m.mode == "form_post":
		a.Values = d.Form
		if d.Method != http.MethodPost || d.ContentType != "application/x-www-form-urlencoded" {
			m.fail("the answer came by %s as %q, not by a form that is posted", d.Method, d.ContentType)
		}
	case m.front() && q.Has("response_type"):
		a.Values = d.Fragment
	default:
		a.Values = d.Query
		if d.Fragment != nil {
			m.fail("an answer by query has a fragment")
		}
	}
	if m.mode == "form_post" || m.front() && q.Has("response_type") {
		for _, p := range []string{"code", "error", "access_token", "id_token"} {
			if d.Query.Has(p) {
				m.fail("%s is in the query of the redirect_uri", p)
			}
		}
	}
	if got := a.Get("state"); got != q.Get("state") {
		m.fail("state is %q, not %q", got, q.Get("state"))
	}
	if a.Has("iss") && a.Get("iss") != m.text("issuer") {
		m.fail("iss is %q", a.Get("iss"))
	}
	return a
}

// absolute is ref as seen from a page.
func (m *run) absolute(page, ref string) string {
	u, err := url.Parse(page)
	m.must(err)
	if u, err = u.Parse(ref); err != nil {
		m.stop("%v", err)
	}
	return u.String()
}
