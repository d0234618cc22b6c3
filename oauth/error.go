package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Error is what a client may know of a failure: the border between our errors and the wire.
// Cause stays private; it is for the operator's log only.
type Error struct {
	Code        string // RFC 6749 §5.2, §4.1.2.1 and the registries that grew from them
	Description string // one ASCII sentence that helps, RFC 6749 §5.2
	Status      int    // of the HTTP answer, where the error is the answer
	Challenge   string // WWW-Authenticate, or ""
	Cause       error
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Description + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Description
}

func (e *Error) Unwrap() error { return e.Cause }

// Because returns a copy of e that remembers cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

func fail(status int, code, format string, args []any) *Error {
	d := format
	if len(args) > 0 {
		d = fmt.Sprintf(format, args...)
	}
	return &Error{Code: code, Description: Printable(d), Status: status}
}

// The errors of the protocol. Each takes a sentence that says what to do.

func InvalidRequest(format string, args ...any) *Error {
	return fail(http.StatusBadRequest, "invalid_request", format, args)
}
func InvalidGrant(format string, args ...any) *Error {
	return fail(http.StatusBadRequest, "invalid_grant", format, args)
}
func InvalidScope(format string, args ...any) *Error {
	return fail(http.StatusBadRequest, "invalid_scope", format, args)
}
func InvalidTarget(format string, args ...any) *Error { // RFC 8707 §2
	return fail(http.StatusBadRequest, "invalid_target", format, args)
}
func UnauthorizedClient(format string, args ...any) *Error {
	return fail(http.StatusBadRequest, "unauthorized_client", format, args)
}
func UnsupportedGrantType(format string, args ...any) *Error {
	return fail(http.StatusBadRequest, "unsupported_grant_type", format, args)
}
func AccessDenied(format string, args ...any) *Error {
	return fail(http.StatusForbidden, "access_denied", format, args)
}

// InvalidClient is the one answer for an unknown client and a wrong credential. RFC 6749 §5.2.
func InvalidClient() *Error {
	e := fail(http.StatusUnauthorized, "invalid_client", "Client authentication failed.", nil)
	e.Challenge = `Basic realm="postern", charset="UTF-8"`
	return e
}

// InvalidToken is the answer of a protected resource of ours, RFC 6750 §3.1.
func InvalidToken(format string, args ...any) *Error {
	e := fail(http.StatusUnauthorized, "invalid_token", format, args)
	e.Challenge = fmt.Sprintf(`Bearer error="invalid_token", error_description="%s"`, e.Description)
	return e
}

// Interaction errors of OIDC Core §3.1.2.6, sent through the redirect.

func LoginRequired() *Error {
	return fail(http.StatusBadRequest, "login_required", "The person has to sign in, and the request forbids asking.", nil)
}
func ConsentRequired() *Error {
	return fail(http.StatusBadRequest, "consent_required", "The person has to consent, and the request forbids asking.", nil)
}
func InteractionRequired() *Error {
	return fail(http.StatusBadRequest, "interaction_required", "The person has to prove more, and the request forbids asking.", nil)
}

// UnmetRequirements says that no factor of the person can reach what was asked.
// OpenID Connect Core Error Code unmet_authentication_requirements 1.0.
func UnmetRequirements() *Error {
	return fail(http.StatusForbidden, "unmet_authentication_requirements", "The required authentication cannot be reached with the factors of this account.", nil)
}

// TooMany is the answer to a client beyond its limit, RFC 6585 §4.
func TooMany() *Error {
	return fail(http.StatusTooManyRequests, "slow_down", "Too many attempts; try again later.", nil)
}

// Unavailable says that we cannot decide now, and therefore do not.
func Unavailable(cause error) *Error {
	e := fail(http.StatusServiceUnavailable, "temporarily_unavailable", "The server cannot answer now; try again in a moment.", nil)
	return e.Because(cause)
}

// AsError returns err as an Error; what is none of ours becomes server_error with err as its private cause.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	e = fail(http.StatusInternalServerError, "server_error", "The server met an error; it has been recorded.", nil)
	return e.Because(err)
}

// Printable keeps what an error_description may hold (RFC 6749 §5.2) and cuts it at 300 bytes.
func Printable(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < 0x20 || r > 0x7e || r == '\\':
			return '?'
		}
		return r
	}, s)
	if len(s) > 300 {
		s = s[:300]
	}
	return s
}
