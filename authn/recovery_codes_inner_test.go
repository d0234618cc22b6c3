package authn

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
)

// UX R2: nobody has to guess at a character, and none of them is likelier than another.
func TestNewCode(t *testing.T) {
	if i := strings.IndexAny(codeAlphabet, "01ILOUilou"); i >= 0 {
		t.Errorf("%q looks like something else", codeAlphabet[i])
	}
	count := map[rune]int{}
	for range 3000 {
		c, err := newCode(rand.Reader)
		if err != nil || len(c) != codeLength {
			t.Fatalf("%q, %v", c, err)
		}
		for _, r := range c {
			count[r]++
		}
	}
	for _, r := range codeAlphabet { // 800 expected; six standard deviations
		if n := count[r]; n < 630 || n > 970 {
			t.Errorf("%c comes %d times of 24000", r, n)
		}
	}
	if len(count) != len(codeAlphabet) {
		t.Errorf("%d characters", len(count))
	}
	if c, err := newCode(bytes.NewReader(make([]byte, 3))); err == nil {
		t.Errorf("%q out of nothing", c)
	}
	unfair := bytes.NewReader(append(bytes.Repeat([]byte{255, 240}, 8), bytes.Repeat([]byte{239, 0}, 8)...))
	if c, err := newCode(unfair); err != nil || c != "Z2Z2Z2Z2" {
		t.Errorf("%q, %v", c, err)
	}
}

// Codes that were printed before may hold 0 and 1: they are good however they are read.
func TestNormaliseRecovery(t *testing.T) {
	for _, c := range []struct{ name, typed, want string }{
		{"as printed", "9K4T-2M7Q", "9K4T2M7Q"},
		{"lower case and spaces", "  9k4t 2m7q\n", "9K4T2M7Q"},
		{"another dash", "9K4T–2M7Q", "9K4T2M7Q"},
		{"full width", "９Ｋ４Ｔ　２Ｍ７Ｑ", "9K4T2M7Q"},
		{"an old code, as printed", "0K1T-10QZ", "0K1T10QZ"},
		{"an old code, letters for digits", "okit-loqz", "0K1T10QZ"},
		{"a novel", strings.Repeat("A", 129), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := normaliseRecovery(c.typed); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func FuzzNormaliseRecovery(f *testing.F) {
	f.Add("9K4T-2M7Q")
	f.Add("０o\u2212_.\xff")
	f.Fuzz(func(t *testing.T, typed string) {
		if got := normaliseRecovery(typed); strings.ContainsAny(got, "- OILoil") {
			t.Errorf("%q", got)
		}
	})
}
