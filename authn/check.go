package authn

import (
	"context"
	"strings"
	"unicode/utf8"
)

// Why a password is refused; each code has words in every language of the pages.
const (
	TooShort           = "too_short"
	TooLong            = "too_long" // also: not text
	Common             = "common"
	ContainsIdentifier = "contains_identifier"
)

// WeakPassword says why a password was refused.
type WeakPassword struct{ Codes []string }

func (w WeakPassword) Error() string {
	return "authn: password refused: " + strings.Join(w.Codes, ", ")
}

// CheckPassword returns WeakPassword with all reasons why password is not fit for u, or nil. There
// are no rules of composition. NIST SP 800-63B-4 §3.1.1.2.
func (s *Service) CheckPassword(u User, password string) error {
	n, ok := s.normalise(password)
	if !ok && password != "" {
		return WeakPassword{Codes: []string{TooLong}}
	}
	var codes []string
	if utf8.RuneCountInString(n) < s.minLength(u) {
		codes = append(codes, TooShort)
	}
	plain := fold(n)
	if s.block.has(plain) || patterned(plain) {
		codes = append(codes, Common)
	}
	if s.leaked(n) {
		codes = append(codes, Breached)
	}
	if mostly(plain, s.contextOf(u)) {
		codes = append(codes, ContainsIdentifier)
	}
	if codes != nil {
		return WeakPassword{Codes: codes}
	}
	return nil
}

// minLength is 15 where the password is the only factor and 8 beside a second one.
func (s *Service) minLength(u User) int {
	if len(u.TOTP) > 0 {
		return s.policy.MinLengthWithSecond
	}
	return s.policy.MinLengthSingle
}

// contextOf are the words which an attacker knows: the names of the person and of the product.
func (s *Service) contextOf(u User) []string {
	local, domain, _ := strings.Cut(NormalizeIdentifier(u.Email), "@")
	host, _, _ := strings.Cut(domain, ".")
	return []string{NormalizeIdentifier(u.Username), NormalizeIdentifier(u.Email), local, host, fold(s.policy.Product)}
}

// mostly says whether what is left of password without the words is too little to be a secret: a
// long passphrase may contain a name, "ann.smith.2026" may not be one.
func mostly(password string, words []string) bool {
	rest, found := password, false
	for _, w := range words {
		if utf8.RuneCountInString(w) >= 3 && strings.Contains(rest, w) {
			rest, found = strings.ReplaceAll(rest, w, ""), true
		}
	}
	return found && utf8.RuneCountInString(rest) <= 8
}

// LeastPassword is how many characters a password of u must have.
func (s *Service) LeastPassword(u User) int { return s.minLength(u) }

// Holds says whether password is that of u, for operators who declare what is: it leaves no trace, no event, no used
// budget and no new hash.
func (s *Service) Holds(ctx context.Context, u User, password string) (bool, error) {
	want, err := parsePHC(u.PasswordHash)
	if err != nil {
		return false, nil
	}
	text, ok := s.normalise(password)
	if !ok {
		return false, nil
	}
	return s.hasher.compare(ctx, text, want)
}
