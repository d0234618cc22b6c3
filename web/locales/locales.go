// Package locales owns the words that people read, in English and in Simplified Chinese: the catalogue,
// the choice of a language, durations, dates and the names of countries. It never formats HTML.
package locales

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/text/language"
)

// Lang is a language that the catalogue has, as a BCP 47 tag.
type Lang string

// The languages; English is the default.
const (
	English Lang = "en"
	Chinese Lang = "zh-CN"
)

// All lists the languages, the default first.
var All = []Lang{English, Chinese}

// Name is the language's name in itself.
func (l Lang) Name() string {
	if l == Chinese {
		return "简体中文"
	}
	return "English"
}

var matcher = language.NewMatcher([]language.Tag{language.English, language.SimplifiedChinese})

// maxPreference bounds what is parsed of one preference, in bytes.
const maxPreference = 256

// Match returns the language for preferences, strongest first: ui_locales (a list with spaces, OIDC Core §3.1.2.1),
// then a cookie, then Accept-Language (RFC 9110 §12.5.4). The first that names a language of ours decides;
// without any it is English. Each may be "" and may be anything that somebody sends.
func Match(preferences ...string) Lang {
	for _, p := range preferences {
		if p == "" || len(p) > maxPreference {
			continue
		}
		if !strings.ContainsAny(p, ",;") {
			p = strings.Join(strings.Fields(p), ",")
		}
		tags, _, err := language.ParseAcceptLanguage(p)
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, i, c := matcher.Match(tags...); c != language.No {
			return All[i]
		}
	}
	return English
}

//go:embed en.json zh-CN.json
var files embed.FS

// Catalogue holds every text in every language.
type Catalogue struct{ texts map[Lang]map[string]string }

// Load returns the embedded catalogue.
func Load() (*Catalogue, error) {
	c := &Catalogue{texts: make(map[Lang]map[string]string, len(All))}
	for _, l := range All {
		b, err := files.ReadFile(string(l) + ".json")
		if err != nil {
			return nil, fmt.Errorf("locales: %w", err)
		}
		var m map[string]string
		if err := json.Unmarshal(b, &m); err != nil {
			return nil, fmt.Errorf("locales: %s: %w", l, err)
		}
		c.texts[l] = m
	}
	return c, nil
}

// Text returns the text of key in l without filling its placeholders; false if there is none.
func (c *Catalogue) Text(l Lang, key string) (string, bool) {
	m, ok := c.texts[l]
	if !ok {
		m = c.texts[English]
	}
	s, ok := m[key]
	return s, ok
}

// Keys returns the texts of l by key; not to be changed.
func (c *Catalogue) Keys(l Lang) map[string]string { return c.texts[l] }

// T returns the text of key in l with its placeholders filled by args in the manner of fmt. A key that is
// missing returns itself, so that the page still says something; a test keeps that from happening.
func (c *Catalogue) T(l Lang, key string, args ...any) string {
	s, ok := c.Text(l, key)
	if !ok {
		return key
	}
	if len(args) == 0 {
		return s
	}
	return fmt.Sprintf(s, args...)
}

// N is T for a text that counts: n fills its first placeholder, and key+".one" is taken where n is one.
func (c *Catalogue) N(l Lang, key string, n int) string {
	if n == 1 {
		key += ".one"
	}
	return c.T(l, key, n)
}
