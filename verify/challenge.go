package verify

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Challenge is a Bearer challenge of WWW-Authenticate. RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1.
type Challenge struct {
	Error            string // "" where no token was sent
	ErrorDescription string
	Scope            []string
	ACRValues        []string
	MaxAge           time.Duration // whole seconds
	HasMaxAge        bool          // a MaxAge of 0 asks for a new authentication
	ResourceMetadata string        // URL
}

// String writes the challenge as the value of WWW-Authenticate.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString("Bearer")
	sep := " "
	put := func(name, value string) {
		if value = quotable(value); value != "" {
			b.WriteString(sep + name + `="` + value + `"`)
			sep = ", "
		}
	}
	put("error", c.Error)
	put("error_description", c.ErrorDescription)
	put("scope", strings.Join(c.Scope, " "))
	put("acr_values", strings.Join(c.ACRValues, " "))
	if c.HasMaxAge {
		put("max_age", strconv.FormatInt(int64(c.MaxAge/time.Second), 10))
	}
	put("resource_metadata", c.ResourceMetadata)
	return b.String()
}

// quotable keeps what RFC 6750 §3 allows in a quoted value: printable ASCII without quotes and backslashes.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// ParseChallenge reads a WWW-Authenticate value that holds one Bearer challenge, as clients meet it; parameters that it
// does not know are skipped. RFC 9110 §11.6.1.
func ParseChallenge(header string) (Challenge, error) {
	var c Challenge
	if len(header) > 8<<10 {
		return c, errors.New("verify: challenge is too long")
	}
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return c, errors.New("verify: not a Bearer challenge")
	}
	seen := map[string]bool{}
	for rest = strings.TrimLeft(rest, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
		name, value, after, ok := nextParam(rest)
		if !ok || seen[name] {
			return Challenge{}, errors.New("verify: malformed challenge")
		}
		seen[name], rest, value = true, after, quotable(value)
		switch name {
		case "error":
			c.Error = value
		case "error_description":
			c.ErrorDescription = value
		case "scope":
			c.Scope = strings.Fields(value)
		case "acr_values":
			c.ACRValues = strings.Fields(value)
		case "resource_metadata":
			c.ResourceMetadata = value
		case "max_age":
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return Challenge{}, errors.New("verify: malformed max_age")
			}
			c.MaxAge, c.HasMaxAge = time.Duration(n)*time.Second, true
		}
	}
	return c, nil
}

// nextParam splits `name="value"` or `name=value` off s.
func nextParam(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	name = strings.ToLower(strings.TrimSpace(name))
	if !ok || name == "" || strings.ContainsAny(name, " \t\",") {
		return "", "", "", false
	}
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		i := strings.IndexAny(s, " \t,")
		if i < 0 {
			i = len(s)
		}
		return name, s[:i], s[i:], i > 0
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return name, b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", "", false
}
