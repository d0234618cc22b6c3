package oauth

import (
	"encoding/json"
	"time"

	"github.com/postern-id/postern/ident"
)

// Request is a valid authorization request: the client is known, the redirection URI is registered, and every
// parameter has been checked. RFC 6749 §4.1.1, OIDC Core §3.1.2.1.
type Request struct {
	Client       ident.ClientID  `json:"client_id"`
	RedirectURI  string          `json:"redirect_uri"`
	RedirectSent bool            `json:"redirect_sent,omitempty"` // it stood in the request, so the token request must repeat it
	ResponseType string          `json:"response_type,omitempty"` // its values in alphabetical order
	ResponseMode string          `json:"response_mode,omitempty"` // query, fragment or form_post
	Scope        []string        `json:"scope,omitempty"`
	State        string          `json:"state,omitempty"`
	Nonce        string          `json:"nonce,omitempty"`
	Challenge    string          `json:"code_challenge,omitempty"` // S256
	Resources    []string        `json:"resource,omitempty"`
	Prompt       []string        `json:"prompt,omitempty"`
	MaxAge       *int64          `json:"max_age,omitempty"` // seconds
	LoginHint    string          `json:"login_hint,omitempty"`
	IDTokenHint  string          `json:"-"`                  // as it came; whoever answers verifies it
	HintSub      string          `json:"hint_sub,omitempty"` // the subject, as this client knows it, who is meant: of a genuine id_token_hint or a value of sub
	UILocales    []string        `json:"ui_locales,omitempty"`
	Need         ident.Assurance `json:"need,omitempty"`      // the weakest rung that satisfies acr_values, or the essential acr
	NeedHard     bool            `json:"need_hard,omitempty"` // essential, or the client's policy: fail rather than fall below
	Claims       *Claims         `json:"claims,omitempty"`
	Device       string          `json:"device,omitempty"` // handle of the request of a device, which is answered instead of a redirection URI
}

// Has says whether v is among the values of prompt.
func (r *Request) Has(prompt string) bool {
	for _, p := range r.Prompt {
		if p == prompt {
			return true
		}
	}
	return false
}

// Claims is the claims parameter. OIDC Core §5.5.
type Claims struct {
	UserInfo map[string]*ClaimWish `json:"userinfo,omitempty"`
	IDToken  map[string]*ClaimWish `json:"id_token,omitempty"`
}

// ClaimWish is what a request says of one claim; nil asks for it plainly. OIDC Core §5.5.1.
type ClaimWish struct {
	Essential bool              `json:"essential,omitempty"`
	Value     json.RawMessage   `json:"value,omitempty"`
	Values    []json.RawMessage `json:"values,omitempty"`
}

// Interaction is an authorization request whose person is on our pages. It lives on the server under a random id, is
// bound to the browser that began it, and is completed once.
type Interaction struct {
	Request  Request         `json:"request"`
	Browser  string          `json:"browser"` // hash of the cookie of the browser that began it
	Created  time.Time       `json:"created"`
	Session  ident.SessionID `json:"session,omitempty"` // in which the person proved themselves or decided here; what they did counts in no other
	Proved   bool            `json:"proved,omitempty"`  // the person signed in or stepped up within this interaction
	Decided  bool            `json:"decided,omitempty"` // the consent page was answered
	Denied   bool            `json:"denied,omitempty"`  // … with no
	Scope    []string        `json:"scope,omitempty"`   // what was allowed, once Decided
	Hold     string          `json:"hold,omitempty"`    // handle of a parked proof, between two factors
	Required ident.Assurance `json:"required,omitempty"`
	Reasons  []string        `json:"reasons,omitempty"` // why more is asked: keys of the words on the page
	Place    string          `json:"place,omitempty"`
}
