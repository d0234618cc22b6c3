package oauth

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CIBAAsked is a request to the backchannel authentication endpoint, checked but for whom it means and for what a person
// can be shown. CIBA Core §7.1.
type CIBAAsked struct {
	Request
	LoginHintToken string        // as it came; exactly one of it, LoginHint and IDTokenHint is set
	Message        string        // binding_message
	UserCode       string        // as it came; "" of a client that is not registered for it
	Token          string        // client_notification_token; "" where the client polls
	Life           time.Duration // requested_expiry; 0 where none was requested
	JTI            string        // of a signed request, or ""
	Until          time.Time     // its exp
}

// The limits on requests by back channel.
const (
	maxNotifyToken = 1024 // characters: CIBA Core §7.1
	minNotifyToken = 22   // of base64url, for 128 bits: CIBA Core §7.1
	maxJTI         = 512
	maxExpiry      = 365 * 24 * 3600 // seconds that can be asked for, far beyond what is given
)

// beside are the parameters that may stand beside a signed request: those that authenticate the client. CIBA Core §7.1.1.
var beside = []string{"request", "client_id", "client_secret", "client_assertion", "client_assertion_type"}

// CIBA reads what c asks for by back channel: plainly, or in one signed request. CIBA Core §7.1, §7.1.1, §7.2.
func (rd *Reader) CIBA(ctx context.Context, c *Client, form url.Values) (*CIBAAsked, error) {
	a := &CIBAAsked{}
	if form.Has("request_uri") {
		return nil, InvalidRequest("request_uri cannot be used here; send the signed request as request.")
	}
	if form.Has("request") {
		inside, err := rd.signed(ctx, c, form, a)
		if err != nil {
			return nil, err
		}
		form = inside
	} else if c.CIBAAlg != "" || c.RequireRequest || c.policy.Backchannel.Always {
		return nil, InvalidRequest("This client must send a signed request.")
	}
	q, err := rd.Elsewhere(c, form)
	if err != nil {
		return nil, err
	}
	a.Request = *q
	for _, check := range []func(*CIBAAsked, *Client, url.Values) *Error{cibaScope, cibaDetails, cibaHints, cibaExpiry, cibaNotified, cibaUserCode} {
		if err := check(a, c, form); err != nil {
			return nil, err
		}
	}
	a.Message = form.Get("binding_message")
	return a, nil
}

// signed are the parameters in the signed request of form.
func (rd *Reader) signed(ctx context.Context, c *Client, form url.Values, a *CIBAAsked) (url.Values, *Error) {
	for name, vs := range form {
		if len(vs) > 1 {
			return nil, InvalidRequest("The parameter %s is repeated.", Printable(name))
		}
		if !slices.Contains(beside, name) {
			return nil, InvalidRequest("%s stands beside the signed request, and has to be in it.", Printable(name))
		}
	}
	payload, e := rd.verified(ctx, c, form.Get("request"), c.CIBAAlg)
	if e != nil {
		return nil, asRequest(e)
	}
	inside, e := rd.parameters(c, payload)
	if e == nil {
		e = rd.ruled(c.policy.Backchannel, payload, a)
	}
	if e != nil {
		return nil, asRequest(e)
	}
	if id := inside.Get("client_id"); id != "" && id != string(c.ID) {
		return nil, InvalidRequest("client_id in the signed request is that of another client.")
	}
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		if inside.Has(name) {
			return nil, InvalidRequest("A signed request cannot hold %s.", name)
		}
	}
	return inside, nil
}

// asRequest is e under the code that this endpoint has for it. CIBA Core §13.
func asRequest(e *Error) *Error {
	out := *e
	out.Code = "invalid_request"
	return &out
}

// ruled checks the claims that every signed request has to hold, and its times. CIBA Core §7.1.1, FAPI-CIBA §5.2.2.
func (rd *Reader) ruled(rule ObjectRule, payload []byte, a *CIBAAsked) *Error {
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		return InvalidRequest("The signed request is not a JSON object.").Because(err)
	}
	for _, name := range objectClaims {
		if claims[name] == nil {
			return InvalidRequest("The signed request has no %s.", name)
		}
	}
	if err := json.Unmarshal(claims["jti"], &a.JTI); err != nil || a.JTI == "" || len(a.JTI) > maxJTI {
		return InvalidRequest("jti of the signed request is not text of 1 to %d bytes.", maxJTI)
	}
	at := func(name string) time.Time { // a time: parameters looked before
		var f float64
		_ = json.Unmarshal(claims[name], &f)
		return time.Unix(int64(f), 0)
	}
	from := at("nbf")
	a.Until = at("exp")
	switch now := rd.opt.Now(); {
	case a.Until.Sub(from) > rule.Life, a.Until.Sub(now) > rule.Life+objectSkew:
		return InvalidRequest("The signed request is valid for longer than %d minutes.", rule.Life/time.Minute)
	case now.Sub(from) > rule.Age+objectSkew:
		return InvalidRequest("nbf of the signed request is more than %d minutes ago.", rule.Age/time.Minute)
	}
	return nil
}

// The checks. CIBA Core §7.1, §7.2.

func cibaScope(a *CIBAAsked, _ *Client, _ url.Values) *Error {
	if !slices.Contains(a.Scope, "openid") {
		return InvalidScope("scope has to contain openid.")
	}
	return nil
}

// cibaDetails: no type of authorization_details is registered here. RFC 9396 §5.
func cibaDetails(_ *CIBAAsked, _ *Client, form url.Values) *Error {
	if form.Has("authorization_details") {
		return fail(400, "invalid_authorization_details", "authorization_details has a type that is not known here.", nil)
	}
	return nil
}

func cibaHints(a *CIBAAsked, _ *Client, form url.Values) *Error {
	n := 0
	for _, h := range []struct {
		name string
		to   *string
	}{{"login_hint", &a.LoginHint}, {"login_hint_token", &a.LoginHintToken}, {"id_token_hint", &a.IDTokenHint}} {
		if *h.to = form.Get(h.name); form.Has(h.name) {
			n++
		}
	}
	if n != 1 || a.LoginHint+a.LoginHintToken+a.IDTokenHint == "" {
		return InvalidRequest("Send exactly one of login_hint, login_hint_token and id_token_hint.")
	}
	return nil
}

// cibaExpiry: in a signed request it may be a number or text, and is text either way by now.
func cibaExpiry(a *CIBAAsked, _ *Client, form url.Values) *Error {
	raw := form.Get("requested_expiry")
	if raw == "" {
		return nil
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	if err != nil || n < 1 || n > maxExpiry {
		return InvalidRequest("requested_expiry must be a positive number of seconds.")
	}
	a.Life = time.Duration(n) * time.Second
	return nil
}

func cibaNotified(a *CIBAAsked, c *Client, form url.Values) *Error {
	if c.Delivery() == DeliverPoll {
		return nil
	}
	a.Token = form.Get("client_notification_token")
	core := strings.TrimRight(a.Token, "=")
	if len(a.Token) > maxNotifyToken || len(core) < minNotifyToken ||
		strings.Trim(core, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") != "" {
		return InvalidRequest("client_notification_token must be a bearer token of %d to %d characters.", minNotifyToken, maxNotifyToken)
	}
	return nil
}

// cibaUserCode: what a client sends that is not registered for it is not looked at.
func cibaUserCode(a *CIBAAsked, c *Client, form url.Values) *Error {
	if !c.UserCodeParameter {
		return nil
	}
	if a.UserCode = form.Get("user_code"); a.UserCode == "" {
		return fail(400, "missing_user_code", "This client must send the user code of the person.", nil)
	}
	return nil
}
