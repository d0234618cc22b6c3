package register

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
)

const statementSkew = time.Minute

func invalidStatement(format string, args ...any) *oauth.Error {
	e := oauth.InvalidMetadata(format, args...)
	e.Code = "invalid_software_statement"
	return e
}

// statement verifies the software statement among m and puts its claims over what m says. Where m has none, the claims of
// stored, which was verified when it was registered, still bind the client. It returns the statement or "".
// RFC 7591 §2.3, §3.1.1.
func (s *Service) statement(m map[string]json.RawMessage, stored string) (string, error) {
	raw, given := m["software_statement"]
	delete(m, "software_statement")
	if !given {
		if stored == "" {
			return "", nil
		}
		_, payload, err := keys.Peek(stored)
		if err != nil {
			return "", err
		}
		return stored, over(m, payload)
	}
	var token string
	if err := json.Unmarshal(raw, &token); err != nil {
		return "", invalidStatement("The software statement is not a string.")
	}
	payload, err := s.believed(token)
	if err != nil {
		return "", err
	}
	return token, over(m, payload)
}

// believed returns the claims of a statement whose issuer an operator trusts.
func (s *Service) believed(token string) ([]byte, error) {
	_, peeked, err := keys.Peek(token)
	var who struct {
		Issuer string `json:"iss"`
	}
	if err == nil {
		err = json.Unmarshal(peeked, &who)
	}
	if err != nil {
		return nil, invalidStatement("The software statement is not a signed JWT.").Because(err)
	}
	set := s.opt.Statements[who.Issuer]
	if set == nil || who.Issuer == "" {
		e := invalidStatement("The issuer of the software statement is not one that this server believes.")
		e.Code, e.Status = "unapproved_software_statement", http.StatusBadRequest
		return nil, e
	}
	v, err := set.Verify(token, keys.Expect{Algs: oauth.AssertionAlgs, Typ: []string{"", "JWT"}})
	if err != nil {
		return nil, invalidStatement("The signature of the software statement is wrong.").Because(err)
	}
	var claims struct {
		Expires   *float64        `json:"exp"`
		NotBefore *float64        `json:"nbf"`
		Audience  json.RawMessage `json:"aud"`
	}
	if err := json.Unmarshal(v.Payload, &claims); err != nil {
		return nil, invalidStatement("The claims of the software statement cannot be read.").Because(err)
	}
	now := s.opt.Now()
	at := func(seconds float64) time.Time { return time.Unix(int64(min(max(seconds, -1<<40), 1<<40)), 0) }
	if claims.Expires != nil && !now.Before(at(*claims.Expires).Add(statementSkew)) || claims.NotBefore != nil && now.Before(at(*claims.NotBefore).Add(-statementSkew)) {
		return nil, invalidStatement("The software statement has expired, or is not valid yet.")
	}
	if len(claims.Audience) > 0 && !s.addressed(claims.Audience) {
		return nil, invalidStatement("The software statement is for another server.")
	}
	return v.Payload, nil
}

// addressed says whether an aud, a string or an array of them, names us.
func (s *Service) addressed(aud json.RawMessage) bool {
	var one string
	if json.Unmarshal(aud, &one) == nil {
		return one == s.opt.Issuer
	}
	var list []string
	return json.Unmarshal(aud, &list) == nil && slices.Contains(list, s.opt.Issuer)
}

// over puts the claims of a statement over what the client says: they win. RFC 7591 §2.3.
func over(m map[string]json.RawMessage, payload []byte) error {
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil {
		return invalidStatement("The claims of the software statement cannot be read.").Because(err)
	}
	for name, v := range claims {
		if name != "client_id" && name != "client_secret" { // what names or proves a client is never a statement's to say
			m[name] = v
		}
	}
	return nil
}
