package authn

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/postern-id/postern/ident"
)

// statement is what an approver signs: everything that it was shown, the number that it was given, and its decision. Its
// canonical form is its JSON without spaces, its members in this order, with no character escaped that needs not be.
type statement struct {
	V        int            `json:"v"`
	Handle   string         `json:"handle"`
	Nonce    string         `json:"nonce"`
	Kind     ApprovalKind   `json:"kind"`
	User     ident.UserID   `json:"user"`
	Client   ident.ClientID `json:"client"`
	App      string         `json:"app"`
	Host     string         `json:"host"`
	Text     string         `json:"text"`
	Amount   string         `json:"amount"`
	Currency string         `json:"currency"`
	Payee    string         `json:"payee"`
	Scope    string         `json:"scope,omitempty"`    // from version 2
	Resource string         `json:"resource,omitempty"` // from version 2
	Country  string         `json:"country"`
	Agent    string         `json:"agent"`
	Number   string         `json:"number"`
	Asked    string         `json:"asked"` // RFC 3339, UTC
	Decision string         `json:"decision"`
}

const decisionApprove = "approve"

// approves says whether st is a statement that approves. One that allows a client something is of version 2: what does
// not know of that must not sign it.
func (st statement) approves() bool {
	return st.Decision == decisionApprove && (st.V == 1 && st.Scope+st.Resource == "" || st.V == 2 && st.Scope+st.Resource != "")
}

func (r *record) statement(number string) statement {
	v := 1
	if r.Scope+r.Resource != "" {
		v = 2
	}
	return statement{
		V: v, Handle: r.Handle, Nonce: r.Nonce, Kind: r.Kind, User: r.User, Client: r.Client, App: r.App, Host: r.Host, Text: r.Text, Amount: r.Amount,
		Currency: r.Currency, Payee: r.Payee, Scope: r.Scope, Resource: r.Resource, Country: r.Country, Agent: r.Agent, Number: number, Asked: r.Asked.UTC().Format(time.RFC3339Nano),
		Decision: decisionApprove,
	}
}

// canonical is the form that is hashed.
func (st statement) canonical() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(st); err != nil {
		return nil, fmt.Errorf("authn: statement: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// challengeOf is the challenge of WebAuthn that stands for a statement. WebAuthn L3 §13.4.3: the nonce in it is of 16 random
// bytes.
func challengeOf(statement []byte) []byte {
	sum := sha256.Sum256(statement)
	return sum[:]
}
