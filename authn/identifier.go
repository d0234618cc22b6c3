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
	s = norm.NFKC.String(fold(norm.NFKC.String(s)))
	s = strings.TrimSpace(s)
	if len(s) > MaxIdentifier || strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }) {
		return ""
	}
	return s
}

// fold is full case folding. Cherokee folds upwards (Unicode 17, CaseFolding.txt), where cases.Fold
// goes back and forth between its two cases.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 0xab70 <= r && r <= 0xabbf:
			return r - 0xab70 + 0x13a0
		case 0x13f8 <= r && r <= 0x13fd:
			return r - 8
		}
		return r
	}, cases.Fold().String(s))
}
