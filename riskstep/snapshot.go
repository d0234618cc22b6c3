package riskstep

import "github.com/postern-id/postern/ident"

// Snapshot is what was there when something was granted, for comparison with what is there when it is used: of the
// person's browser in a session, of whoever redeems its tokens in a grant. It holds no address.
type Snapshot struct {
	Country string `json:"country,omitempty"` // ISO 3166-1 alpha-2; "" if unknown
	ASN     uint32 `json:"asn,omitempty"`     // of the network; 0 if unknown
	Network string `json:"network,omitempty"` // keyed hash of the /24 or /48
	Agent   string `json:"agent,omitempty"`   // family only: "Chrome on Windows"
	JA4     string `json:"ja4,omitempty"`     // of the TLS client, where known
	Key     string `json:"key,omitempty"`     // thumbprint of the device's key, where it proved one
}

// Snapshot is what is there in a request about user that asks for no decision.
func (e *Engine) Snapshot(user ident.UserID, env ident.Env) Snapshot {
	return e.look(Input{Moment: AtRefresh, User: user, Env: env}).snap
}
