package conformance

import (
	"net/url"
	"strings"
	"time"
)

// needsPerson are the errors that say that a person has to act. OIDC Core §3.1.2.6.
var needsPerson = []string{"login_required", "interaction_required", "account_selection_required", "consent_required"}

// promptLogin: a second sign-in, though there is a session. OIDC Core §3.1.2.1.
func promptLogin(m *run) {
	m.enrol()
	first := m.happy()
	m.sleep(time.Second)
	second := m.happy(set("prompt", "login"))
	m.secondLogin(second)
	m.later(first.id(), second.id())
}

// maxAge1: as promptLogin, because the first sign-in is too old. OIDC Core §2, §3.1.2.1.
func maxAge1(m *run) {
	m.enrol()
	first := m.happy()
	m.sleep(2 * time.Second)
	second := m.happy(set("max_age", "1"))
	m.secondLogin(second)
	if second.id().at("auth_time") == 0 {
		m.fail("max_age was sent, and the ID token has no auth_time")
	}
	m.later(first.id(), second.id())
	if at := time.Unix(second.id().at("auth_time"), 0); time.Since(at) > grace {
		m.fail("auth_time of the second ID token is %v", at)
	}
}

// secondLogin checks that a page asked to sign in.
func (m *run) secondLogin(i *issued) {
	if len(i.Logins) == 0 {
		m.fail("nobody was asked to sign in a second time")
		return
	}
	if !strings.Contains(i.Logins[0].Text, "password") {
		m.fail("the second sign-in page says %q", i.Logins[0].Text)
	}
	m.review("the second sign-in page asks for the password again")
}

func (m *run) later(first, second *idToken) {
	a, b := first.at("auth_time"), second.at("auth_time")
	if a != 0 && b != 0 && b <= a {
		m.fail("auth_time of the second sign-in is %d, after %d", b, a)
	}
}

// maxAge10000: the session is fresh enough. OIDC Core §2.
func maxAge10000(m *run) {
	m.enrol()
	m.again(func(*issued) []func(url.Values) { return []func(url.Values){set("max_age", "10000")} })
}

// promptNoneLoggedIn and idTokenHint: nobody is asked again. OIDC Core §3.1.2.1.
func promptNoneLoggedIn(m *run) {
	m.enrol()
	m.again(func(*issued) []func(url.Values) { return []func(url.Values){set("prompt", "none")} })
}

func idTokenHint(m *run) {
	m.enrol()
	m.again(func(first *issued) []func(url.Values) {
		return []func(url.Values){set("prompt", "none"), set("id_token_hint", first.id().raw)}
	})
}

// again authorizes twice; the second time nobody is asked, and the ID tokens have to agree.
func (m *run) again(how func(*issued) []func(url.Values)) {
	first := m.happy()
	second := m.happy(how(first)...)
	if len(second.Logins) > 0 {
		m.fail("the person had to sign in again")
	}
	a, b := first.id(), second.id()
	if a.text("sub") != b.text("sub") {
		m.fail("the ID tokens are about different people")
	}
	if second.asked.Has("max_age") && b.at("auth_time") == 0 {
		m.fail("max_age was sent, and the ID token has no auth_time")
	}
	if a.at("auth_time") != 0 && b.at("auth_time") != 0 && a.at("auth_time") != b.at("auth_time") {
		m.fail("auth_time changed without a sign-in: %d, %d", a.at("auth_time"), b.at("auth_time"))
	}
}

// promptNoneNotLoggedIn: OIDC Core §3.1.2.1, §3.1.2.6.
func promptNoneNotLoggedIn(m *run) {
	m.enrol()
	m.refused(m.ask(set("prompt", "none")), needsPerson...)
}
