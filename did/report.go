package did

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Check is one thing that was looked at.
type Check struct {
	Name string `json:"name"` // "proof", "dates", …; of a credential within a presentation "credential 1: proof"
	Held bool   `json:"held"`
	Why  string `json:"why"` // what was found; for people, not for programs
}

// Kind says what was verified.
type Kind string

// The kinds.
const (
	KindCredential   Kind = "credential"   // somebody holds it; whoever sent it did not prove to be that
	KindPresentation Kind = "presentation" // with the holder's own proof
)

// Report lists every check. The zero value holds nothing.
type Report struct {
	Format string // as OpenID4VP §B names it: "dc+sd-jwt", "jwt_vc_json", …
	Kind   Kind
	Checks []Check

	complete     bool // the verifier went its whole way
	credentials  []Credential
	presentation Presentation
}

// Holds says whether everything that the policy asks for held.
func (r Report) Holds() bool {
	return r.complete && len(r.Checks) > 0 && len(r.credentials) > 0 && !slices.ContainsFunc(r.Checks, func(c Check) bool { return !c.Held })
}

// Failed is the first check that did not hold, as an error; nil exactly if the report holds.
func (r Report) Failed() error {
	if r.Holds() {
		return nil
	}
	for _, c := range r.Checks {
		if !c.Held {
			return fmt.Errorf("did: %s: %s", c.Name, c.Why)
		}
	}
	return fmt.Errorf("did: nothing was verified")
}

// Credentials are what was verified; none unless the report holds.
func (r Report) Credentials() []Credential {
	if !r.Holds() {
		return nil
	}
	return slices.Clone(r.credentials)
}

// Presentation is the evidence that a holder showed credentials of theirs; false unless the report holds and the holder was
// bound.
func (r Report) Presentation() (Presentation, bool) {
	if !r.Holds() || !r.presentation.made {
		return Presentation{}, false
	}
	return r.presentation, true
}

// MarshalJSON adds `held`. What was disclosed is shown, the raw credential is not.
func (r Report) MarshalJSON() ([]byte, error) {
	type shown struct {
		Issuer  string    `json:"issuer"`
		Types   []string  `json:"types"`
		Subject string    `json:"subject,omitempty"`
		From    time.Time `json:"valid_from,omitzero"`
		Until   time.Time `json:"valid_until,omitzero"`
		Claims  object    `json:"claims"`
	}
	out := struct {
		Format      string  `json:"format"`
		Kind        Kind    `json:"kind,omitempty"`
		Held        bool    `json:"held"`
		Checks      []Check `json:"checks"`
		Credentials []shown `json:"credentials,omitempty"`
	}{Format: r.Format, Kind: r.Kind, Held: r.Holds(), Checks: r.Checks}
	for _, c := range r.Credentials() {
		out.Credentials = append(out.Credentials, shown{c.issuer, c.types, c.subject, c.from, c.until, c.claims})
	}
	return json.Marshal(out)
}

// Credential is a credential that held. Only this package makes one.
type Credential struct {
	issuer, subject, anchor string
	types                   []string
	from, until             time.Time
	claims                  object
	cnf                     Key    // the holder's key, where the issuer named it
	at                      string // its place in a report: "", or "credential 1: "
}

// Issuer is the identifier of the issuer, a DID or a URL; of a certificate without either, its SHA-256 as "x5c:…".
func (c Credential) Issuer() string { return c.issuer }

// Anchor says how the issuer's key was found: "did", "x5c", "metadata", "document" or "known".
func (c Credential) Anchor() string { return c.anchor }

// Types are its `type` values, or the one `vct` or `docType`.
func (c Credential) Types() []string { return slices.Clone(c.types) }

// Subject identifies whom it is about; "" where it names nobody.
func (c Credential) Subject() string { return c.subject }

// Valid are the dates within which it holds, zero where it says nothing.
func (c Credential) Valid() (from, until time.Time) { return c.from, c.until }

// Claims are what the issuer says and the holder disclosed: the claims of an SD-JWT VC, those of an mdoc by namespace, or the
// credentialSubject of a W3C credential under that name. The caller must not change them.
func (c Credential) Claims() map[string]any { return c.claims }

// Presentation is evidence: a holder showed these credentials to this audience, for this nonce, at this time, and proved
// that they are theirs. The zero value is no evidence.
type Presentation struct {
	made            bool
	holder          string
	key             Key
	audience, nonce string
	at              time.Time
	credentials     []Credential
}

// Valid says whether this is evidence at all.
func (p Presentation) Valid() bool { return p.made }

// Holder is the identifier of the holder, or the thumbprint of their key (RFC 7638) where they have none.
func (p Presentation) Holder() string {
	if p.holder == "" {
		return p.key.Thumbprint()
	}
	return p.holder
}

// Audience and Nonce are what the holder signed.
func (p Presentation) Audience() string { return p.audience }

// Nonce is the challenge that the holder signed.
func (p Presentation) Nonce() string { return p.nonce }

// At is when it was verified.
func (p Presentation) At() time.Time { return p.at }

// Credentials are what was shown, all of them verified.
func (p Presentation) Credentials() []Credential { return slices.Clone(p.credentials) }
