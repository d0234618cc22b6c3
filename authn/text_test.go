package authn

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNormalizeIdentifier(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"case", "Ann@Example.COM", "ann@example.com"},
		{"spaces around", "\t ann \n", "ann"},
		{"full width", "ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ann@example.com"},
		{"sharp s", "STRASSE", "strasse"},
		{"sharp s folded", "Straße", "strasse"},
		{"composed", "Jose\u0301", "jos\u00e9"},
		{"ideographic space around", "\u3000ann\u3000", "ann"},
		{"longest", strings.Repeat("a", 320), strings.Repeat("a", 320)},
		{"too long", strings.Repeat("a", 321), ""},
		{"far too long", strings.Repeat("a", 1<<20), ""},
		{"control inside", "an\x00n", ""},
		{"invisible inside", "an\u200bn", ""},
		{"right-to-left override", "\u202eann", ""},
		{"not text", "an\xffn", ""},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := NormalizeIdentifier(c.in); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func FuzzNormalizeIdentifier(f *testing.F) {
	for _, s := range []string{"Ann@Example.com", "ﬁ\u0345Σ", "ẞİı", "\u1e9e", " \u3000x"} {
		f.Add(s)
	}
	f.Add("ſᏟ")
	f.Add("\uab9f\u13f8")
	f.Fuzz(func(t *testing.T, s string) {
		got := NormalizeIdentifier(s)
		if len(got) > MaxIdentifier || !utf8.ValidString(got) || strings.TrimSpace(got) != got {
			t.Fatalf("%q of %q", got, s)
		}
		if again := NormalizeIdentifier(got); again != got {
			t.Fatalf("%q becomes %q, and %q", s, got, again)
		}
	})
}

// RFC 6238 appendix B, SHA-1, the last six of the eight digits.
func TestHOTP(t *testing.T) {
	for at, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := hotp([]byte("12345678901234567890"), at/30); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

func TestNormaliseCode(t *testing.T) {
	for in, want := range map[string]string{
		"123456": "123456", " 123 456 ": "123456", "１２３４５６": "123456", "123\u00a0456": "123456", "123-456": "123456",
		"12345": "12345", "": "", strings.Repeat("1", 65): "",
	} {
		if got := normaliseCode(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestMatchStep(t *testing.T) {
	secret, now := []byte("12345678901234567890"), time.Unix(1_800_000_015, 0)
	for d, want := range map[time.Duration]bool{-60: false, -30: true, 0: true, 30: true, 60: false} {
		code := hotp(secret, now.Add(d*time.Second).Unix()/30)
		if _, got := matchStep(secret, code, now); got != want {
			t.Errorf("%d s: %v, want %v", d, got, want)
		}
	}
	for _, code := range []string{"", "0", strings.Repeat("0", 64)} {
		if _, ok := matchStep(secret, code, now); ok {
			t.Errorf("%q matched", code)
		}
	}
}

func TestParsePHC(t *testing.T) {
	const salt, key = "c2FsdHNhbHRzYWx0c2FsdA", "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U"
	good := "$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key
	h, err := parsePHC(good)
	if err != nil || h.String() != good {
		t.Fatalf("%v, %v", h, err)
	}
	for _, bad := range []string{
		"", "$", "$argon2id$v=19$m=19456,t=2,p=1$" + salt, good + "$", "x" + good,
		"$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=4294967295,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=1000000,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=256$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key,
		"$argon2id$v=19$m=+19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1,x=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$",
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "=$" + key,
	} {
		if _, err := parsePHC(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err == nil && (h.params.check() != nil || h.String() != s) {
			t.Fatalf("%q became %q", s, h)
		}
	})
}

func TestPatterned(t *testing.T) {
	for in, want := range map[string]bool{
		"aaaaaaaaaaaaaaa": true, "123456789012345": true, "qwertyuiopasdfghjkl": true, "abcdefghijklmnopqrstuvwxyz": true,
		"zyxwvutsrqponml": true, "111222333444555": true, "1qaz2wsx3edc4rfv": true, "lkjhgfdsapoiuytrewq": true, "aaaabbbbccccdddd": true,
		"":      false,
		"seven": false, "seven green umbrellas": false, "the quick brown fox": false, "correct horse": false, "x8#kk2!pQ0": false,
	} {
		if got := patterned(in); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func FuzzCheckPassword(f *testing.F) {
	f.Add("seven green umbrellas", "ann", "ann@example.com")
	f.Add("", "", "@")
	f.Add("\xff\u0345", "ß", "a@b")
	block, err := newBlocklist("")
	if err != nil {
		f.Fatal(err)
	}
	s := &Service{block: block}
	if err := s.policy.complete(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, password, username, email string) {
		_ = s.CheckPassword(User{Username: username, Email: email}, password)
	})
}
