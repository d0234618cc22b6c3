package oauth

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// CIBAGrant is the grant type of clients that ask for somebody who is not in front of them. CIBA Core §4.
const CIBAGrant = "urn:openid:params:grant-type:ciba"

// How a client gets what its request led to. CIBA Core §5.
const (
	DeliverPoll = "poll" // it asks the token endpoint until there is something
	DeliverPing = "ping" // it is told when to ask
	DeliverPush = "push" // it is sent the tokens
)

// DeliveryModes are those that this server knows; discovery shows them.
var DeliveryModes = []string{DeliverPoll, DeliverPing, DeliverPush}

// What became of a request by back channel. All but pending are final.
const (
	CIBAPending  = ""
	CIBAApproved = "approved"
	CIBADenied   = "denied"  // by the person, or by us
	CIBAExpired  = "expired" // nobody decided in time
)

// CIBARequest is a client's question for a person, between its acknowledgement and the tokens. CIBA Core §7.3.
type CIBARequest struct {
	Client    ident.ClientID  `json:"client_id"`
	User      ident.UserID    `json:"user"`
	Mode      string          `json:"mode"` // Deliver…, as it was registered when the client asked
	Scope     []string        `json:"scope"`
	Resources []string        `json:"resource,omitempty"`
	Need      ident.Assurance `json:"need,omitempty"`
	NeedHard  bool            `json:"need_hard,omitempty"`
	Approval  string          `json:"approval"`           // handle of the request for approval
	Shown     []string        `json:"shown,omitempty"`    // scope that approving allows: nobody had allowed it before
	ShownAt   []string        `json:"shown_at,omitempty"` // resources that approving allows
	Host      string          `json:"host,omitempty"`     // of the client, as it was shown
	Notify    []byte          `json:"notify,omitempty"`   // what the client is told with, sealed; nil where it polls
	Expires   time.Time       `json:"expires"`            // of auth_req_id
	Interval  int64           `json:"interval,omitempty"` // seconds that the client has to wait between two polls, by now
	Polled    time.Time       `json:"polled,omitzero"`    // when it polled last
	Status    string          `json:"status,omitempty"`   // CIBA…
	Grant     ident.GrantID   `json:"grant_id,omitempty"` // what was given, once approved
}

// What can be wrong with a request by back channel.
var (
	ErrNoCIBA      = errors.New("oauth: the request by back channel is not known or was forgotten")
	ErrCIBADecided = errors.New("oauth: the request by back channel was decided before")
)

// CIBAHandle is what finds a request and can never redeem it: the hash of its auth_req_id, in hex.
func CIBAHandle(authReqID string) string {
	k := store.KeyOf("ciba", authReqID)
	return hex.EncodeToString(k[:])
}

// CIBABind is what the request for approval of a request is bound to: only who has it redeems the approval.
func CIBABind(handle string) string { return "ciba:" + handle }

// CIBARequests keeps requests by back channel while they last; of all that happens to one in the same instant exactly one
// comes first.
type CIBARequests struct {
	Ephemeral store.Ephemeral
	Now       func() time.Time
}

func (s CIBARequests) all() elsewhere[CIBARequest] {
	return elsewhere[CIBARequest]{eph: s.Ephemeral, none: ErrNoCIBA, decided: ErrCIBADecided, open: func(r *CIBARequest) error {
		if r.Status != CIBAPending {
			return ErrCIBADecided
		}
		return nil
	}}
}

const (
	// cibaMemory is how long a request is remembered after its end, so that a late poll is told that it is late.
	cibaMemory = 10 * time.Minute
	// CIBALate is how long after the end of its time an approved request can still be redeemed: an approval in the last
	// moment is worth as much as one before.
	CIBALate = 30 * time.Second
)

// Put keeps a new request under its handle, and the way to it from the request for approval.
func (s CIBARequests) Put(ctx context.Context, handle string, r *CIBARequest) error {
	until := r.Expires.Add(cibaMemory)
	if err := s.all().put(ctx, handle, r, until); err != nil {
		return err
	}
	return s.Ephemeral.Put(ctx, store.KeyOf("ciba.approval", r.Approval), []byte(handle), until)
}

// Of returns the handle of the request that the request for approval with that handle belongs to; ErrNoCIBA where it
// belongs to none.
func (s CIBARequests) Of(ctx context.Context, approval string) (string, error) {
	raw, err := s.Ephemeral.Get(ctx, store.KeyOf("ciba.approval", approval))
	if errors.Is(err, store.ErrNotFound) {
		return "", ErrNoCIBA
	}
	return string(raw), err
}

// Get returns a request, whatever became of it; store.ErrTaken with it if it was redeemed; ErrNoCIBA.
func (s CIBARequests) Get(ctx context.Context, handle string) (*CIBARequest, error) {
	r, _, err := s.all().get(ctx, handle)
	return r, err
}

// Decide brings a pending request to status, with the grant where it is approved: one of all who try does, and the others
// get ErrCIBADecided. ErrNoCIBA.
func (s CIBARequests) Decide(ctx context.Context, handle, status string, grant ident.GrantID) error {
	return s.all().change(ctx, handle, func(r *CIBARequest) error {
		r.Status, r.Grant = status, grant
		return nil
	})
}

// Poll notes that the client asks what became of its pending request. slow says that it did so too early: from then on it
// has to wait longer. ErrCIBADecided, ErrNoCIBA. CIBA Core §11.
func (s CIBARequests) Poll(ctx context.Context, handle string) (slow bool, err error) {
	return s.all().poll(ctx, handle, s.Now(), func(r *CIBARequest) (*time.Time, *int64) { return &r.Polled, &r.Interval })
}

// Redeem takes an approved request: nil to exactly one caller, store.ErrTaken to the others.
func (s CIBARequests) Redeem(ctx context.Context, handle string) error {
	return s.all().redeem(ctx, handle)
}
