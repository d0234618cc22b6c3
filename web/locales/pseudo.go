package locales

import (
	"maps"
	"strings"
	"unicode/utf8"
)

// Pseudo returns a catalogue whose texts are longer than those of c by percent, to see whether pages still hold what
// other languages need. The texts stay readable and keep their placeholders.
func (c *Catalogue) Pseudo(percent int) *Catalogue {
	p := &Catalogue{texts: make(map[Lang]map[string]string, len(c.texts))}
	for l, texts := range c.texts {
		m := maps.Clone(texts)
		for key, s := range m {
			if key != "common.list" && key != "common.error" {
				m[key] = s + filler(s, percent)
			}
		}
		p.texts[l] = m
	}
	return p
}

// filler is what s is to grow by, in words as long as those of its language.
func filler(s string, percent int) string {
	n := (utf8.RuneCountInString(s)*percent + 99) / 100
	word := " lorem ipsum"
	for _, r := range s {
		if r >= 0x2e80 {
			word = "甲乙丙丁戊己"
			break
		}
	}
	runes := []rune(strings.Repeat(word, n/utf8.RuneCountInString(word)+1))
	return string(runes[:n])
}
