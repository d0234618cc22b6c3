package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/postern-id/postern/e2e/harness"
)

// visitor is a person at a browser that runs no scripts: signs in, allows, and goes on to the relying party, as the
// browser of the suite is told to.
type visitor struct {
	browser  *harness.Browser
	host     *host
	person   person
	frames   []delivery              // of the pages on the way, since the last visit began
	cookies  map[string]*http.Cookie // as the server set them
	confirms bool                    // presses "sign out" where the server asks
}

type person struct{ username, password string }

// landing is where a visit ended: at the relying party, or at a page of the server.
type landing struct {
	Callback *delivery
	Page     *harness.Page   // the last page of the server
	Logins   []*harness.Page // sign-in pages that were filled in on the way
	Consents []*harness.Page // consent pages on which "allow" was pressed
	Asked    []*harness.Page // logout pages that asked for confirmation
	Frames   []delivery      // what the frames of the pages on the way reached at the relying party
}

// untold are headers of common browsers that the browser of the suite does not send.
var untold = []string{"Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Origin"}

// maxPages bounds the pages that are filled in on one visit.
const maxPages = 8

func newVisitor(s *harness.Server, h *host, p person) *visitor {
	v := &visitor{browser: s.NewBrowser(), host: h, person: p, cookies: map[string]*http.Cookie{}}
	v.browser.Visit = v.look
	for _, name := range untold {
		v.browser.Extra[name] = nil
	}
	return v
}

// look notes cookies, and loads what the frames of a page show, as a browser would before it is sent on.
func (v *visitor) look(p *harness.Page) {
	for _, c := range (&http.Response{Header: p.Header}).Cookies() {
		if v.cookies[c.Name] = c; c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	for _, src := range p.Frames {
		if !strings.HasPrefix(src, v.host.URL) {
			continue
		}
		if d, err := v.reach(http.MethodGet, src, nil); err == nil {
			v.frames = append(v.frames, *d)
		}
	}
}

// open follows a link from the relying party.
func (v *visitor) open(to string) (*landing, error) {
	v.frames = nil
	if _, err := v.browser.Go(to); err != nil {
		return nil, err
	}
	return v.settle()
}

// post sends a form of the relying party's own page.
func (v *visitor) post(to string, fields url.Values) (*landing, error) {
	v.frames = nil
	action, err := url.Parse(to)
	if err != nil {
		return nil, err
	}
	v.browser.Extra.Set("Sec-Fetch-Site", "cross-site")
	_, err = v.browser.Submit(harness.Form{Method: http.MethodPost, Action: action, Values: fields}, "", "", nil)
	v.browser.Extra["Sec-Fetch-Site"] = nil
	if err != nil {
		return nil, err
	}
	return v.settle()
}

// settle does what the pages ask until there is nothing more to do.
func (v *visitor) settle() (*landing, error) {
	l := &landing{}
	for range maxPages {
		p := v.browser.Page
		l.Page, l.Frames = p, v.frames
		var err error
		switch f, leads := v.leads(p); {
		case p.Client != nil:
			l.Callback, err = v.reach(http.MethodGet, p.Client.String(), nil)
			return l, err
		case leads:
			l.Callback, err = v.reach(http.MethodPost, f.Action.String(), f.Values)
			return l, err
		case p.Status != http.StatusOK:
			return l, nil
		case asks(p, "login"):
			l.Logins = append(l.Logins, p)
			_, err = v.browser.SignIn(v.person.username, v.person.password)
		case asks(p, "consent"):
			l.Consents = append(l.Consents, p)
			_, err = v.browser.Consent("allow")
		case asks(p, "logout"):
			l.Asked = append(l.Asked, p)
			if !v.confirms {
				return l, nil
			}
			_, err = v.browser.Press("logout", "decision", "logout")
		default:
			return l, nil
		}
		if err != nil {
			return l, err
		}
		if p == v.browser.Page {
			return l, fmt.Errorf("the page %s stays: %s", p.Name(), p.Text)
		}
	}
	return l, fmt.Errorf("still asked after %d pages: %s", maxPages, l.Page.Text)
}

// asks says whether a page has a form of that name.
func asks(p *harness.Page, form string) bool {
	_, ok := p.Form(form)
	return ok
}

// leads finds the form with which a page sends its visitor on to the relying party. Form Post Response Mode §2.
func (v *visitor) leads(p *harness.Page) (harness.Form, bool) {
	for _, f := range p.Forms {
		if f.Action != nil && f.Method == http.MethodPost && strings.HasPrefix(f.Action.String(), v.host.URL) {
			return f, true
		}
	}
	return harness.Form{}, false
}

// reach goes to an address of the relying party.
func (v *visitor) reach(method, to string, form url.Values) (*delivery, error) {
	plain, fragment, has := strings.Cut(to, "#")
	if !strings.HasPrefix(plain, v.host.URL) {
		return nil, fmt.Errorf("sent to a stranger: %s", plain)
	}
	req, err := http.NewRequest(method, plain, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := v.host.Client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	d := &delivery{}
	if err := json.Unmarshal(raw, d); err != nil {
		return nil, fmt.Errorf("at %s: %w", plain, err)
	}
	if has {
		if d.Fragment, err = url.ParseQuery(fragment); err != nil {
			return nil, fmt.Errorf("the fragment is no form: %w", err)
		}
	}
	return d, nil
}

// readable are the cookies that a script of the server, in a frame of the relying party's page, could read.
func (v *visitor) readable(at string) string {
	var out []string
	for name, c := range v.cookies {
		if !c.HttpOnly && c.SameSite == http.SameSiteNoneMode && c.Secure && strings.HasPrefix(at, "https://") {
			out = append(out, name+"="+c.Value)
		}
	}
	return strings.Join(out, "; ")
}
