package conformance

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// leaving is a sign-in that is about to end at the logout endpoint.
type leaving struct {
	*issued
	query url.Values
}

// signIn authorizes with a long state and prepares the request to the logout endpoint. RP-Initiated Logout §2.
func (m *run) signIn(id string) *leaving {
	if m.dynamic || id == "" {
		m.enrol(func(c *client, doc map[string]any) {
			doc["post_logout_redirect_uris"] = []string{m.own(c, "post_logout_redirect")}
		})
	} else {
		m.client = m.static(id)
	}
	return m.leave()
}

func (m *run) leave() *leaving {
	i := m.happy(longState)
	return &leaving{i, url.Values{"id_token_hint": {i.id().raw}, "post_logout_redirect_uri": {m.own(m.client, "post_logout_redirect")},
		"state": {harness.Random()}}}
}

// longState is one of 128 characters, which no server may cut.
func longState(q url.Values) {
	q.Set("state", (harness.Random() + harness.Random() + harness.Random())[:128])
}

// out sends the browser to the logout endpoint; the person confirms where the server asks, if they may.
func (m *run) out(l *leaving, confirms bool) *landing {
	m.visitor.confirms = confirms
	to := m.text("end_session_endpoint")
	if len(l.query) > 0 {
		to += "?" + l.query.Encode()
	}
	return m.open(to)
}

// returned checks that the browser came back to the post_logout_redirect_uri, with state. RP-Initiated Logout §3.
func (m *run) returned(l *leaving, got *landing) {
	if got.Callback == nil {
		m.stop("the post_logout_redirect_uri is not reached; the server shows: %d %s", got.Page.Status, got.Page.Text)
	}
	if !strings.HasSuffix(got.Callback.Path, "/post_logout_redirect") {
		m.fail("the browser came back to %s", got.Callback.Path)
	}
	if s := got.Callback.Query.Get("state"); s != l.query.Get("state") || !l.query.Has("state") && got.Callback.Query.Has("state") {
		m.fail("state after the logout is %q, not %q", s, l.query.Get("state"))
	}
	for name := range got.Callback.Query {
		if name != "state" {
			m.warn("the post_logout_redirect_uri was called with %s", name)
		}
	}
}

// gone checks that the session ended: prompt=none finds nobody.
func (m *run) gone() {
	m.refused(m.ask(longState, set("prompt", "none")), needsPerson...)
}

// rpLogout and rpLogoutNoState: RP-Initiated Logout §2, §3.
func rpLogout(m *run) {
	l := m.signIn("")
	m.returned(l, m.out(l, true))
	m.gone()
}

func rpLogoutNoState(m *run) {
	l := m.signIn("")
	l.query.Del("state")
	m.returned(l, m.out(l, true))
	m.gone()
}

// stays makes a module that changes the request so that the browser must not be sent back: an error page, or a question.
func stays(change func(*run, *leaving)) func(*run) {
	return func(m *run) {
		l := m.signIn("")
		change(m, l)
		got := m.out(l, false)
		m.keptHere(got)
		if len(got.Asked) > 0 {
			m.keptHere(m.confirmed())
		}
	}
}

// confirmed presses "sign out" on the page that asks.
func (m *run) confirmed() *landing {
	m.visitor.confirms = true
	got, err := m.visitor.settle()
	m.must(err)
	return got
}

func (m *run) keptHere(got *landing) {
	switch {
	case got.Callback != nil:
		m.stop("the browser was sent to %s", got.Callback.Path)
	case got.Page.Status >= 400 && strings.Contains(got.Page.Text, "can't continue"):
		m.review("the page says that it can't continue")
	case asks(got.Page, "logout") && strings.Contains(got.Page.Text, "Sign out?"):
		m.review("the page asks whether to sign out")
	case strings.Contains(got.Page.Text, "You're signed out"):
		m.review("the page says that the person is signed out")
	default:
		m.fail("the page %d %q says neither that something is wrong nor what happens", got.Page.Status, got.Page.Text)
	}
}

// The requests that must not lead back. RP-Initiated Logout §2, §3, §4.
var (
	rpLogoutBadRedirect = stays(func(m *run, l *leaving) {
		l.query.Set("post_logout_redirect_uri", m.own(m.client, "post_logout_redirect/"+harness.Random()[:10]))
	})
	rpLogoutQueryAdded = stays(func(m *run, l *leaving) {
		l.query.Set("post_logout_redirect_uri", m.own(m.client, "post_logout_redirect?foo=bar"))
	})
	rpLogoutNoHint        = stays(func(_ *run, l *leaving) { l.query.Del("id_token_hint") })
	rpLogoutModifiedHint  = stays(func(_ *run, l *leaving) { l.query.Set("id_token_hint", unsigned(l.id().claims)) })
	rpLogoutForeignHint   = stays(func(m *run, l *leaving) { l.query.Set("id_token_hint", m.forged(l.id())) })
	rpLogoutNoParams      = signsOut(func(l *leaving) { l.query = nil })
	rpLogoutOnlyState     = signsOut(func(l *leaving) { l.query = url.Values{"state": l.query["state"]} })
	rpLogoutNoRedirectURI = signsOut(func(l *leaving) { l.query.Del("post_logout_redirect_uri") })
)

// forged is t as the client would sign it.
func (m *run) forged(t *idToken) string {
	token, err := harness.SignJWT(m.w.keys[2], map[string]any{"alg": "RS256", "kid": t.header["kid"]}, t.claims)
	m.must(err)
	return token
}

// signsOut makes a module whose request names nowhere to go: the person ends at a page that says that they are out.
func signsOut(change func(*leaving)) func(*run) {
	return func(m *run) {
		l := m.signIn("")
		change(l)
		got := m.out(l, true)
		if got.Callback != nil || got.Page.Status != 200 || !strings.Contains(got.Page.Text, "You're signed out") {
			m.stop("no page says that the person is signed out: %d %s", got.Page.Status, got.Page.Text)
		}
		m.review("the page says that the person is signed out")
		m.gone()
	}
}

// backLogout: the client is told by back channel. Back-Channel Logout §2.4, §2.5, §2.6.
func backLogout(m *run) {
	path := m.listens("suite-back", "backchannel_logout")
	l := m.leave()
	m.returned(l, m.out(l, true))
	sid := l.id().text("sid")
	for range 100 {
		for _, d := range m.w.host.arrived(path) {
			if _, claims, err := harness.DecodeJWT(d.Form.Get("logout_token")); err == nil && claims["sid"] == sid {
				m.logoutToken(d, l.id())
				m.gone()
				return
			}
		}
		m.sleep(100 * time.Millisecond)
	}
	m.fail("no logout token came for the session")
}

// listens gets a client that wants to hear of logouts at a path of its own, which it returns.
func (m *run) listens(static, name string) string {
	if !m.dynamic {
		m.client = m.static(static)
		return m.client.base + "/" + name
	}
	m.enrol(func(c *client, doc map[string]any) {
		doc["post_logout_redirect_uris"] = []string{m.own(c, "post_logout_redirect")}
		doc[name+"_uri"] = m.own(c, name)
		doc[name+"_session_required"] = true
	})
	return m.client.base + "/" + name
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutToken checks what came. Back-Channel Logout §2.4, §2.6.
func (m *run) logoutToken(d delivery, id *idToken) {
	if d.Method != http.MethodPost || !strings.HasPrefix(d.ContentType, "application/x-www-form-urlencoded") {
		m.fail("the back-channel request is %s as %q", d.Method, d.ContentType)
	}
	for name := range d.Form {
		if name != "logout_token" {
			m.warn("the back-channel request has a parameter %s", name)
		}
	}
	header, claims := m.verified("logout token", d.Form.Get("logout_token"))
	t := &idToken{header: header, claims: claims}
	if header["alg"] != id.header["alg"] {
		m.fail("alg of the logout token is %v, that of the ID token %v", header["alg"], id.header["alg"])
	}
	if t.text("iss") != m.text("issuer") || t.text("aud") != m.client.id && !slices.Contains(texts(claims["aud"]), m.client.id) {
		m.fail("the logout token is from %v for %v", claims["iss"], claims["aud"])
	}
	now := time.Now()
	if iat := time.Unix(t.at("iat"), 0); iat.After(now.Add(grace)) || iat.Before(now.Add(-grace)) {
		m.fail("iat of the logout token is %v", claims["iat"])
	}
	if exp := time.Unix(t.at("exp"), 0); exp.Before(now) {
		m.fail("exp of the logout token is %v", claims["exp"])
	}
	if t.text("jti") == "" {
		m.fail("the logout token has no jti")
	}
	events, _ := claims["events"].(map[string]any)
	if _, ok := events[logoutEvent].(map[string]any); !ok {
		m.fail("events of the logout token is %v", claims["events"])
	}
	if claims["nonce"] != nil {
		m.fail("the logout token has a nonce")
	}
	for _, c := range []string{"sub", "sid"} {
		if claims[c] != nil && claims[c] != id.claims[c] {
			m.fail("%s of the logout token is %v, that of the ID token %v", c, claims[c], id.claims[c])
		}
	}
	if claims["sub"] == nil && claims["sid"] == nil {
		m.fail("the logout token has neither sub nor sid")
	}
}

// frontLogout: a frame tells the client. Front-Channel Logout §2, §3.
func frontLogout(m *run) {
	path := m.listens("suite-front", "frontchannel_logout")
	l := m.leave()
	got := m.out(l, true)
	m.returned(l, got)
	for _, d := range got.Frames {
		if d.Path != path {
			continue
		}
		for name := range d.Query {
			if name != "iss" && name != "sid" {
				m.warn("the front-channel request has a parameter %s", name)
			}
		}
		if d.Query.Get("iss") != m.text("issuer") || d.Query.Get("sid") != l.id().text("sid") {
			m.fail("the frame was loaded with %v, and sid is %q", d.Query, l.id().text("sid"))
		}
		m.gone()
		return
	}
	m.fail("no frame was loaded from %s: %v", path, got.Frames)
}
