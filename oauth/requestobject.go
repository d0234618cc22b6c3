package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/keys"
)

// The limits on request objects: OIDC Core §6.2 for the URI, and ours.
const (
	maxRequestURI    = 512
	maxRequestObject = 32 << 10
	objectSkew       = time.Minute
)

func invalidObject(format string, args ...any) *Error {
	return fail(400, "invalid_request_object", format, args)
}

func invalidRequestURI(format string, args ...any) *Error {
	return fail(400, "invalid_request_uri", format, args)
}

// object returns the parameters of form with those of its request object: passed by value, or fetched from a registered
// request_uri. What stands outside the object counts only where the policy of c merges. OIDC Core §6, RFC 9101 §5, §6.
func (rd *Reader) object(ctx context.Context, c *Client, form url.Values) (url.Values, *Error) {
	token, ref := form.Get("request"), form.Get("request_uri")
	switch {
	case len(form["request"]) > 1 || len(form["request_uri"]) > 1:
		return nil, InvalidRequest("The parameter request or request_uri is repeated.")
	case token != "" && ref != "":
		return nil, InvalidRequest("request and request_uri exclude one another.")
	case token == "" && ref == "":
		if c.RequireRequest {
			return nil, InvalidRequest("This client must send a signed request object.")
		}
		return form, nil
	case ref != "":
		var e *Error
		if token, e = rd.fetched(ctx, c, ref); e != nil {
			return nil, e
		}
	}
	payload, e := rd.opened(ctx, c, token)
	if e != nil {
		return nil, e
	}
	inside, e := rd.parameters(c, payload)
	if e != nil {
		return nil, e
	}
	for _, p := range []string{"client_id", "response_type"} { // OIDC Core §6.1: they have to match
		in, out := inside.Get(p), form.Get(p)
		if p == "response_type" {
			in, out = sortedWords(in), sortedWords(out)
		}
		if in != "" && out != "" && in != out {
			return nil, invalidObject("%s differs between the request and its request object.", p)
		}
	}
	if !c.policy.MergeRequest {
		inside.Set("client_id", string(c.ID))
		return inside, nil
	}
	merged := url.Values{}
	for name, vs := range form {
		if name != "request" && name != "request_uri" {
			merged[name] = vs
		}
	}
	for name, vs := range inside {
		merged[name] = vs
	}
	return merged, nil
}

// fetched is the request object at ref, which the client registered. OIDC Core §6.2.
func (rd *Reader) fetched(ctx context.Context, c *Client, ref string) (string, *Error) {
	if len(ref) > maxRequestURI {
		return "", invalidRequestURI("request_uri is longer than %d bytes.", maxRequestURI)
	}
	plain, digest, _ := strings.Cut(ref, "#")
	if !slices.ContainsFunc(c.RequestURIs, func(reg string) bool { return reg == ref || reg == plain }) {
		return "", invalidRequestURI("request_uri is not registered for this client.")
	}
	body, _, err := rd.opt.Fetch.Get(ctx, plain, "application/oauth-authz-req+jwt, application/jwt")
	if err != nil {
		return "", invalidRequestURI("The request object cannot be fetched.").Because(err)
	}
	if sum := sha256.Sum256(body); len(digest) == 43 && digest != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return "", invalidRequestURI("The request object is not the one whose hash stands in request_uri.")
	}
	return strings.TrimSpace(string(body)), nil
}

// opened decrypts token where it is encrypted, and verifies it with the keys of c. RFC 9101 §6.1, §6.2.
func (rd *Reader) opened(ctx context.Context, c *Client, token string) ([]byte, *Error) {
	if len(token) > maxRequestObject {
		return nil, invalidObject("The request object is longer than %d bytes.", maxRequestObject)
	}
	encrypted := strings.Count(token, ".") == 4
	if c.RequestEncAlg != "" && !encrypted {
		return nil, invalidObject("The request object of this client must be encrypted.")
	}
	if encrypted {
		want := keys.ExpectEnc{MaxSize: maxRequestObject}
		if c.RequestEncAlg != "" {
			want.Algs, want.Encs = []string{c.RequestEncAlg}, []string{c.RequestEnc}
		}
		plain, _, _, err := rd.opt.Ring.Decrypt(token, want)
		if err != nil {
			return nil, invalidObject("The request object cannot be decrypted.").Because(err)
		}
		token = string(plain)
	}
	return rd.verified(ctx, c, token, c.RequestAlg)
}

// verified is the payload of a token that c signed with alg; "" is any that its policy allows.
func (rd *Reader) verified(ctx context.Context, c *Client, token, alg string) ([]byte, *Error) {
	algs := c.policy.Algs
	if alg != "" {
		algs = []string{alg}
	}
	v, err := rd.opt.Keys.Verify(ctx, c, token, keys.Expect{Algs: algs, Typ: []string{"", "JWT", "oauth-authz-req+jwt"}, MaxSize: maxRequestObject})
	if err != nil {
		return nil, invalidObject("The request object is not signed as this client registered.").Because(err)
	}
	return v.Payload, nil
}

// parameters are the claims of a request object as parameters of a request. What RFC 9101 §4 says of iss, aud, exp and nbf
// is checked where they are given; nothing that points to another request object is taken (§6.3), nor a client assertion (§10.8).
func (rd *Reader) parameters(c *Client, payload []byte) (url.Values, *Error) {
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, invalidObject("The request object is not a JSON object.").Because(err)
	}
	form := url.Values{}
	for name, raw := range claims {
		switch name {
		case "request", "request_uri":
			return nil, invalidObject("A request object cannot hold another one.")
		case "sub":
			return nil, invalidObject("A request object has no sub.")
		case "iss", "aud", "exp", "nbf", "iat", "jti":
			continue
		}
		vs, err := texts(raw)
		if err != nil {
			return nil, invalidObject("%s in the request object is of the wrong type.", Printable(name))
		}
		form[name] = vs
	}
	if e := rd.dated(c, claims); e != nil {
		return nil, e
	}
	return form, nil
}

func (rd *Reader) dated(c *Client, claims map[string]json.RawMessage) *Error {
	text := func(name string) (s string) { _ = json.Unmarshal(claims[name], &s); return s }
	if claims["iss"] != nil && text("iss") != string(c.ID) {
		return invalidObject("iss of the request object is not the client_id.")
	}
	if raw := claims["aud"]; raw != nil {
		aud, err := texts(raw)
		if raw[0] == '[' {
			aud = nil
			err = json.Unmarshal(raw, &aud)
		}
		if err != nil || !slices.Contains(aud, rd.opt.Issuer) && !(c.policy.MergeRequest && slices.Contains(aud, rd.opt.Issuer+"/")) {
			return invalidObject("aud of the request object is not this server.")
		}
	}
	now := rd.opt.Now()
	for _, name := range []string{"exp", "nbf", "iat"} {
		raw := claims[name]
		if raw == nil {
			continue
		}
		var f float64
		if json.Unmarshal(raw, &f) != nil || f < 0 || f > 1e11 {
			return invalidObject("%s of the request object is no time.", name)
		}
		at := time.Unix(int64(f), 0)
		if name == "exp" && !now.Before(at.Add(objectSkew)) || name != "exp" && at.After(now.Add(objectSkew)) {
			return invalidObject("The request object has expired, or is not valid yet.")
		}
	}
	return nil
}

var errType = errors.New("neither text, number nor object")

// texts is a claim in the form of a parameter: text as it is, numbers and objects as JSON, and an array of texts repeated.
func texts(raw json.RawMessage) ([]string, error) {
	var s string
	var list []string
	switch {
	case raw[0] == '"' && json.Unmarshal(raw, &s) == nil:
		return []string{s}, nil
	case raw[0] == '{', raw[0] == '-', raw[0] >= '0' && raw[0] <= '9':
		return []string{string(raw)}, nil
	case raw[0] == '[' && json.Unmarshal(raw, &list) == nil:
		return list, nil
	case string(raw) == "true", string(raw) == "false":
		return []string{string(raw)}, nil
	}
	return nil, errType
}
