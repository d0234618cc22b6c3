package oauth

import (
	"net/url"
	"strings"
)

// Answer is what goes to a client by way of the browser: an authorization response, or its error.
// OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode §2.
type Answer struct {
	RedirectURI string // registered
	Mode        string // query, fragment or form_post
	Params      url.Values
}

// Posts says that the answer is a form which the browser posts, and no URL.
func (a Answer) Posts() bool { return a.Mode == "form_post" }

// URL is where the browser goes with an answer in the query or the fragment.
func (a Answer) URL() string {
	if a.Mode == "fragment" {
		return a.RedirectURI + "#" + a.Params.Encode()
	}
	sep := "?"
	if u, err := url.Parse(a.RedirectURI); err == nil && (u.RawQuery != "" || u.ForceQuery) {
		sep = "&"
	}
	return a.RedirectURI + sep + a.Params.Encode()
}

// Failed says that the answer carries an error.
func (a Answer) Failed() bool { return a.Params.Has("error") }

// Wants says whether the response type asks for what: code, token or id_token.
func (r *Request) Wants(what string) bool { return wants(r.ResponseType, what) }

func wants(responseType, what string) bool {
	for _, w := range strings.Fields(responseType) {
		if w == what {
			return true
		}
	}
	return false
}

// modeOf is how the answer to form travels: as it asks, or as its response type has it.
// OAuth 2.0 Multiple Response Types §2.1, §5.
func modeOf(form url.Values) string {
	front := wants(form.Get("response_type"), "token") || wants(form.Get("response_type"), "id_token")
	switch m := form.Get("response_mode"); {
	case m == "form_post", m == "fragment":
		return m
	case m == "query" && !front:
		return m
	case front:
		return "fragment"
	}
	return "query"
}
