package authn

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// common is one password a line, folded, of those that lists of leaked passwords begin with.
//
//go:embed common.txt
var common string

const maxBlocklist = 64 << 20

// blocklist is a set of folded passwords.
type blocklist struct{ words map[string]struct{} }

func newBlocklist(file string) (*blocklist, error) {
	b := &blocklist{words: map[string]struct{}{}}
	if err := b.read(strings.NewReader(common)); err != nil || file == "" {
		return b, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("authn: blocklist: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() > maxBlocklist {
		return nil, fmt.Errorf("authn: blocklist %s is over %d MiB or unreadable", file, maxBlocklist>>20)
	}
	return b, b.read(f)
}

func (b *blocklist) read(r io.Reader) error {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		if w := fold(strings.TrimSpace(sc.Text())); w != "" {
			b.words[w] = struct{}{}
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("authn: blocklist: %w", err)
	}
	return nil
}

// has says whether a folded password is one that attackers try first, as it stands, with the usual
// letters for digits, with digits or signs hung on, or one such password written several times.
func (b *blocklist) has(password string) bool {
	core := strings.TrimFunc(password, func(r rune) bool { return r < 'a' || r > 'z' && r < 0x80 })
	for _, form := range []string{password, unleet(password), core, unleet(core), unleet(strings.TrimRight(password, "!?.*#$0123456789"))} {
		if _, ok := b.words[form]; ok && utf8.RuneCountInString(form)*2 >= utf8.RuneCountInString(password) {
			return true
		}
		if unit := period(form); unit != form && form != "" {
			if _, ok := b.words[unit]; ok {
				return true
			}
		}
	}
	return false
}

// period is the shortest string that, repeated, makes s; s itself if there is none.
func period(s string) string {
	if i := strings.Index((s + s)[min(1, len(s)):], s) + 1; i > 0 && i < len(s) {
		return s[:i]
	}
	return s
}

var leet = strings.NewReplacer("0", "o", "1", "l", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i")

func unleet(s string) string { return leet.Replace(s) }

// walks are the rows of the keyboards and the sequences that people count along.
var walks = []string{
	"abcdefghijklmnopqrstuvwxyz", "01234567890123456789",
	"qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujmikolp", "q1w2e3r4t5y6u7i8o9p0",
}

// patterned says whether a folded password is nothing but a few runs along a keyboard or a sequence,
// in either direction, or of a repeated character, or the same few characters over and over.
func patterned(password string) bool {
	if unit := period(password); unit != password && utf8.RuneCountInString(unit) <= 4 {
		return true
	}
	rest, runs := []rune(password), 0
	if len(rest) == 0 {
		return false
	}
	for n := len(rest); len(rest) > 0; runs++ {
		k := max(repeated(rest), walked(rest))
		if k < 3 && (k < len(rest) || n == k) {
			return false
		}
		rest = rest[k:]
	}
	return runs <= 6
}

func repeated(s []rune) int {
	n := 1
	for n < len(s) && s[n] == s[0] {
		n++
	}
	return n
}

func walked(s []rune) int {
	best := 1
	for _, w := range walks {
		for n := min(len(s), len(w)); n > best; n-- {
			if strings.Contains(w, string(s[:n])) || strings.Contains(w, reversed(s[:n])) {
				best = n
			}
		}
	}
	return best
}

func reversed(s []rune) string {
	r := make([]rune, len(s))
	for i, c := range s {
		r[len(s)-1-i] = c
	}
	return string(r)
}
