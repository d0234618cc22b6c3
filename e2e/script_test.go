package e2e

import (
	"fmt"
	"strings"
	"unicode"
)

// line is one line of a journey: a command, and what it must come to.
type line struct {
	number int
	words  []word // of the command; the first one names it
	expect []word
	bare   bool // nothing is expected in particular
}

// word is an element of a line. quoted says that it was wholly in quotes, and so is text rather than a pattern.
type word struct {
	text   string
	quoted bool
}

const arrow = "→"

// parseJourney reads a script. "#" begins a comment at the start of a line or after white space; quotes of either kind
// hold words together.
func parseJourney(src string) ([]line, error) {
	var out []line
	for i, raw := range strings.Split(src, "\n") {
		words, err := split(raw)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if len(words) == 0 {
			continue
		}
		l := line{number: i + 1, words: words, bare: true}
		for j, w := range words {
			if w.text == arrow && !w.quoted {
				l.words, l.expect, l.bare = words[:j], words[j+1:], false
				break
			}
		}
		if len(l.words) == 0 || !l.bare && len(l.expect) == 0 {
			return nil, fmt.Errorf("line %d: a command stands before %s, and what is expected after it", i+1, arrow)
		}
		out = append(out, l)
	}
	return out, nil
}

func split(raw string) ([]word, error) {
	var out []word
	var cur strings.Builder
	quote, begun, quoted := rune(0), false, false
	flush := func() {
		if begun {
			out = append(out, word{cur.String(), quoted})
		}
		cur.Reset()
		begun, quoted = false, false
	}
	for _, r := range raw {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			cur.WriteRune(r)
		case r == '"' || r == '\'':
			quoted = quoted || !begun
			quote, begun = r, true
		case r == '#' && !begun:
			flush()
			return out, nil
		case unicode.IsSpace(r):
			flush()
		default:
			cur.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is not closed")
	}
	flush()
	return out, nil
}
