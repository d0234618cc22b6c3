package backchannel

import (
	"crypto/rand"
	"math"
	"strings"
	"testing"
)

func TestUserCode(t *testing.T) {
	for _, c := range []struct{ name, typed, want string }{
		{"as shown", "BCDF-GHJK", "BCDF-GHJK"},
		{"small", "bcdf-ghjk", "BCDF-GHJK"},
		{"without the dash", "bcdfghjk", "BCDF-GHJK"},
		{"spaces", "  BCDF GHJK\t", "BCDF-GHJK"},
		{"another dash", "BCDF–GHJK", "BCDF-GHJK"},
		{"wide", "ｂＣＤＦ－ＧＨＪＫ", "BCDF-GHJK"},
		{"wide space", "BCDF\u3000GHJK", "BCDF-GHJK"},
		{"digits for letters", "0125-68QL", "QLZS-GBQL"},
		{"wide digits", "０１２５６８ＱＬ", "QLZS-GBQL"},
		{"letters that are none", "OIUY-OIUY", "QLVV-QLVV"},
		{"empty", "", ""},
		{"short", "BCDF-GHJ", ""},
		{"long", "BCDF-GHJKL", ""},
		{"a vowel", "ACDF-GHJK", ""},
		{"a digit that looks like nothing", "3CDF-GHJK", ""},
		{"another script", "БCDF-GHJK", ""},
		{"a NUL", "BCDF\x00GHJK", ""},
		{"no UTF-8", "BCDF\xffGHJK", ""},
		{"endless", strings.Repeat("B", 1000), ""},
		{"endless dashes", strings.Repeat("-", 1000) + "BCDFGHJK", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := UserCode(c.typed); got != c.want || ok != (c.want != "") {
				t.Errorf("%q, %v", got, ok)
			}
		})
	}
}

// A new code is read back as it is, each letter is as likely as any other, and nothing typed for another letter can be meant.
func TestNewUserCode(t *testing.T) {
	if bits := userLetters * math.Log2(float64(len(userAlphabet))); bits < 34 {
		t.Errorf("%.1f bits", bits)
	}
	seen := map[rune]int{}
	const codes = 4000
	for range codes {
		c, err := newUserCode(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := UserCode(c); !ok || got != c {
			t.Fatalf("%s is read as %s", c, got)
		}
		for _, r := range c {
			seen[r]++
		}
	}
	if seen['-'] != codes || len(seen) != len(userAlphabet)+1 {
		t.Errorf("letters: %v", seen)
	}
	const each = float64(codes*userLetters) / float64(len(userAlphabet)) // 1600, deviation 39
	for _, r := range userAlphabet {
		if n := float64(seen[r]); math.Abs(n-each) > 6*39 {
			t.Errorf("%c comes %v times, not about %v", r, n, each)
		}
		if strings.ContainsAny(lookalikes.Replace(string(r)), "0123456789") || lookalikes.Replace(string(r)) != string(r) {
			t.Errorf("%c is read as another one", r)
		}
	}
	if _, err := newUserCode(strings.NewReader("short")); err == nil {
		t.Error("a code without randomness")
	}
}

func FuzzUserCode(f *testing.F) {
	for _, s := range []string{"BCDF-GHJK", "０１２５６８ＱＬ", "", "\xff", "bcdf ghjk"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := UserCode(typed)
		if !ok {
			if code != "" {
				t.Errorf("%q is no code and is %q", typed, code)
			}
			return
		}
		if len(code) != userLetters+1 || code[4] != '-' || strings.Trim(code, userAlphabet+"-") != "" {
			t.Errorf("%q is %q", typed, code)
		}
		if again, ok := UserCode(code); !ok || again != code {
			t.Errorf("%q is %q", code, again)
		}
	})
}
