package backchannel

import (
	"fmt"
	"io"
	"strings"
)

// userAlphabet has no vowels, so that codes spell no words, and no digits, so that whoever types a digit meant the letter
// that looks like it. Eight of its 20 letters are 34.5 bits; RFC 8628 §6.1.
const userAlphabet = "BCDFGHJKLMNPQRSTVWXZ"

const userLetters = 8

// lookalikes are read for the letters that they look like; none of them can stand in a code.
var lookalikes = strings.NewReplacer("0", "Q", "O", "Q", "1", "L", "I", "L", "2", "Z", "5", "S", "6", "G", "8", "B", "U", "V", "Y", "V")

// newUserCode returns a code to be typed by a person, XXXX-XXXX.
func newUserCode(rand io.Reader) (string, error) {
	const fair = 256 - 256%len(userAlphabet) // bytes from there on would favour some letters
	code := make([]byte, 0, userLetters+1)
	b := make([]byte, 1)
	for len(code) < cap(code) {
		if len(code) == userLetters/2 {
			code = append(code, '-')
		}
		if _, err := io.ReadFull(rand, b); err != nil {
			return "", fmt.Errorf("backchannel: no randomness: %w", err)
		}
		if int(b[0]) < fair {
			code = append(code, userAlphabet[int(b[0])%len(userAlphabet)])
		}
	}
	return string(code), nil
}

// UserCode returns what a person typed as it is shown on the device, XXXX-XXXX: in any case, with spaces and dashes
// anywhere, also of other alphabets' keyboards, and with digits for the letters that look like them. false if it can be no
// code. RFC 8628 §6.1.
func UserCode(typed string) (string, bool) {
	if len(typed) > 64 {
		return "", false
	}
	letters := strings.Map(func(r rune) rune {
		switch {
		case r >= '０' && r <= 'ｚ': // the wide forms of East Asian keyboards
			r -= '０' - '0'
		}
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		case strings.ContainsRune(" \t\u00a0\u3000-_.–—‐‑‒－", r):
			return -1
		}
		return '?'
	}, typed)
	letters = lookalikes.Replace(letters)
	if len(letters) != userLetters || strings.Trim(letters, userAlphabet) != "" {
		return "", false
	}
	return letters[:userLetters/2] + "-" + letters[userLetters/2:], true
}
