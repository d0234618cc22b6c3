package authn

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// MaxIdentifier bounds a normalised identifier, in bytes: 64 and 255 around the "@" of RFC 5321 §4.5.3.1.
const MaxIdentifier = 320

// NormalizeIdentifier returns what a person typed as username or e-mail in the form in which it is
// compared: trimmed, NFKC, case-folded. It returns "" for what can be no identifier: over
// MaxIdentifier bytes, not UTF-8, or with control or invisible format characters.
func NormalizeIdentifier(s string) string {
	if len(s) > 4*MaxIdentifier || !utf8.ValidString(s) {
		return ""
	}
	s = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
	s = strings.TrimSpace(s)
	if len(s) > MaxIdentifier || strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }) {
		return ""
	}
	return s
}
