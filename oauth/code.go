package oauth

import (
	"encoding/json"
	"time"

	"github.com/postern-id/postern/ident"
)

// Code is what stands behind an authorization code. RFC 6749 §4.1.2.
type Code struct {
	Grant       ident.GrantID  `json:"g"`
	Client      ident.ClientID `json:"c"`
	RedirectURI string         `json:"r,omitempty"` // which the token request must repeat; "" where the request had none
	Challenge   string         `json:"p,omitempty"` // S256
	Expires     time.Time      `json:"e"`
}

// Subject is the person whom the claims parameter names by a value of sub, or "". OIDC Core §5.5.1.
func (c *Claims) Subject() string {
	if c == nil {
		return ""
	}
	for _, m := range []map[string]*ClaimWish{c.IDToken, c.UserInfo} {
		var sub string
		if w := m["sub"]; w != nil && json.Unmarshal(w.Value, &sub) == nil && sub != "" {
			return sub
		}
	}
	return ""
}
