package pages

import (
	"errors"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/postern-id/postern/web/locales"
)

// Frame is what surrounds every page.
type Frame struct {
	Lang      locales.Lang // as locales.Match found it
	Theme     Theme        // from a cookie; the zero value follows the system
	Brand     string       // name of the service; "" is the name of the product
	Base      string       // path before every path of ours, as of an issuer https://example.com/id: "/id"; "" without one
	RequestID string       // shown as the reference
	Self      string       // path and query under which GET shows this page again; for the language links
	Now       time.Time    // for "2 hours ago"; the zero value shows dates only
	Dev       bool         // shows the banner of the development mode
	Binds     string       // token of the script that keeps the proof of the browser's key alive; "" leaves it out
}

// Theme is light, dark or whatever the system prefers.
type Theme string

// Themes.
const (
	System Theme = ""
	Light  Theme = "light"
	Dark   Theme = "dark"
)

// ThemeOf returns the theme that a cookie names; System where it names none.
func ThemeOf(cookie string) Theme {
	switch t := Theme(cookie); t {
	case Light, Dark:
		return t
	}
	return System
}

// own parses self, which must be a path of this origin with or without a query; anything else becomes "/".
func own(self string) *url.URL {
	u, err := url.Parse(self)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(u.Path, "//") {
		return &url.URL{Path: "/"}
	}
	return &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
}

// LangURL returns self with its query parameter lang set to l and all others kept, for a language link.
// What is not a path of this origin becomes "/".
func LangURL(self string, l locales.Lang) string {
	u := own(self)
	q := u.Query()
	q.Set("lang", string(l))
	u.RawQuery = q.Encode()
	return u.String()
}

// Redirect is an address outside that a client registered, so a page may link to it whatever its scheme
// (app.harbor:/cb). The zero value links nowhere.
type Redirect struct{ url template.URL }

// ErrRedirect says that an address can never be a link: no scheme, or one that runs code or reads files.
var ErrRedirect = errors.New("pages: not an address to send a person to")

// Registered returns the Redirect to u, which must be an absolute URI that was compared with those its client
// registered (RFC 9700 §4.1.3), with response parameters added. ErrRedirect for javascript:, data: and their like,
// for control characters and for more than 8 KiB.
func Registered(u string) (Redirect, error) {
	scheme, _, ok := strings.Cut(u, ":")
	if !ok || len(u) > 8<<10 || !schemeOK(scheme) {
		return Redirect{}, ErrRedirect
	}
	for i := 0; i < len(u); i++ {
		if u[i] <= ' ' || u[i] == 0x7f {
			return Redirect{}, ErrRedirect
		}
	}
	return Redirect{template.URL(quotes.Replace(u))}, nil
}

// quotes keeps an address in one piece within an attribute and within the value of a meta refresh.
var quotes = strings.NewReplacer(`"`, "%22", "'", "%27", "<", "%3C", ">", "%3E", "`", "%60")

// URL is the address for an href and for the meta refresh.
func (r Redirect) URL() template.URL { return r.url }

func (r Redirect) String() string { return string(r.url) }

func schemeOK(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(s[i]))) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "javascript", "vbscript", "data", "blob", "file", "filesystem", "about", "view-source":
		return false
	}
	return true
}
