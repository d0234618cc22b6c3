package authn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

const (
	approvalKind  = "authn.approval"
	approvalsKind = "authn.approvals"
	// maxPending is how many requests of a person may wait at once.
	maxPending = 5
	// claimGrace is how long after the end of a request one who claimed it may still complete: a process that died between
	// the claim and the outcome must not leave it open for ever.
	claimGrace = 30 * time.Second
)

// record is a request as it lies sealed in the store. It only ever changes by Swap, from the bytes that were read.
type record struct {
	Ask
	Handle   string         `json:"handle"`
	Nonce    string         `json:"nonce"` // only approvers learn it: who asks cannot have something signed beforehand
	Number   string         `json:"number"`
	BindHash b64            `json:"bind_hash"`
	Agent    string         `json:"agent,omitempty"`
	Device   ident.DeviceID `json:"device,omitempty"` // that asked
	Asked    time.Time      `json:"asked"`
	Expires  time.Time      `json:"expires"`
	State    ApprovalState  `json:"state"`
	// Claim is what it will be, while the trail is told so: nobody else can decide it any more, and it is not so yet.
	Claim    ApprovalState `json:"claim,omitempty"`
	Decided  time.Time     `json:"decided,omitzero"`
	By       string        `json:"by,omitempty"`
	Approver string        `json:"approver,omitempty"`
	Suspect  bool          `json:"suspect,omitempty"` // of the passkey that signed
}

func (r *record) shown(number bool) Approval {
	a := Approval{
		Handle: r.Handle, Ask: r.Ask, Agent: r.Agent, State: r.State, Asked: r.Asked, Expires: r.Expires, Decided: r.Decided, By: r.By, Approver: r.Approver,
	}
	if number {
		a.Number = r.Number
	}
	return a
}

func bindHash(bind string) []byte {
	sum := sha256.Sum256([]byte(approvalKind + "\x00" + bind))
	return sum[:]
}

func (r *record) boundTo(bind string) bool {
	return subtle.ConstantTimeCompare(r.BindHash, bindHash(bind)) == 1
}

// event is what the trail hears of r.
func (r *record) event(typ string, outcome audit.Outcome, reason string, env ident.Env) audit.Event {
	e := event(typ, outcome, reason, r.User, r.Client, env)
	e.Data = map[string]string{"handle": r.Handle, "kind": string(r.Kind)}
	return e
}

func (s *Service) sealRecord(r record) ([]byte, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("authn: approval: %w", err)
	}
	sealed, err := s.sealer.Seal(approvalKind+"/"+r.Handle, plain)
	if err != nil {
		return nil, fmt.Errorf("authn: approval: %w", err)
	}
	return sealed, nil
}

// putRecord stores a new request. It is kept so long that an outcome in its last moment can be redeemed.
func (s *Service) putRecord(ctx context.Context, r record) error {
	sealed, err := s.sealRecord(r)
	if err != nil {
		return err
	}
	if err := s.eph.Put(ctx, store.KeyOf(approvalKind, r.Handle), sealed, r.Expires.Add(ProofLife)); err != nil {
		return fmt.Errorf("authn: approval: %w", err)
	}
	return nil
}

// readRecord returns a request and the bytes that it lies in, and whether it was redeemed; ErrNoApproval.
func (s *Service) readRecord(ctx context.Context, handle string) (r record, raw []byte, taken bool, err error) {
	if handle == "" || len(handle) > 128 {
		return r, nil, false, ErrNoApproval
	}
	raw, err = s.eph.Get(ctx, store.KeyOf(approvalKind, handle))
	taken = errors.Is(err, store.ErrTaken)
	if errors.Is(err, store.ErrNotFound) {
		return r, nil, false, ErrNoApproval
	}
	if err != nil && !taken {
		return r, nil, false, fmt.Errorf("authn: approval: %w", err)
	}
	plain, err := s.sealer.Open(approvalKind+"/"+handle, raw)
	if err == nil {
		err = json.Unmarshal(plain, &r)
	}
	if err != nil {
		return record{}, nil, false, fmt.Errorf("authn: approval: %w", err)
	}
	return r, raw, taken, nil
}

// settled is readRecord of a request that is expired where its time is over: whoever has seen it so can rely on it.
func (s *Service) settled(ctx context.Context, handle string) (record, []byte, error) {
	for range 16 {
		r, raw, taken, err := s.readRecord(ctx, handle)
		if err != nil {
			return record{}, nil, err
		}
		end := r.Expires
		if r.Claim != "" {
			end = end.Add(claimGrace)
		}
		if taken || r.State != ApprovalPending || s.now().Before(end) {
			return r, raw, nil
		}
		r.State, r.Claim, r.Decided = ApprovalExpired, "", s.now().UTC()
		next, err := s.sealRecord(r)
		if err != nil {
			return record{}, nil, err
		}
		err = s.eph.Swap(ctx, store.KeyOf(approvalKind, handle), raw, next)
		if err == nil {
			return r, next, nil
		}
		if !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrNotFound) {
			return record{}, nil, fmt.Errorf("authn: approval: %w", err)
		}
	}
	return record{}, nil, ErrBusy
}

// decision is a final state of a request, and what the trail hears of it before it is so.
type decision struct {
	to           ApprovalState
	event        audit.Event
	by, approver string
	suspect      bool
}

// decide brings a pending request to d.to: of all who try at the same moment one does, and the others get Unapproved with
// what it is or is about to be. It claims the request, tells the trail, and only then is it so: an entry that cannot be
// written leaves the request as it was.
func (s *Service) decide(ctx context.Context, handle string, d decision) (record, error) {
	r, raw, err := s.settled(ctx, handle)
	if err != nil {
		return record{}, err
	}
	if r.State == ApprovalPending && r.Claim == "" && !s.now().Before(r.Expires) { // its time ended since it was read: so it shall be told
		if r, raw, err = s.settled(ctx, handle); err != nil {
			return record{}, err
		}
	}
	if r.State != ApprovalPending || r.Claim != "" {
		return r, Unapproved{r.stands()}
	}
	claimed := r
	claimed.Claim = d.to
	held, err := s.swap(ctx, raw, claimed)
	if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNotFound) {
		if r, _, err = s.settled(ctx, handle); err != nil {
			return record{}, err
		}
		return r, Unapproved{r.stands()}
	}
	if err != nil {
		return record{}, err
	}
	ctx = context.WithoutCancel(ctx) // what is claimed is brought to an end
	if err := s.audit.Record(ctx, d.event); err != nil {
		_, undo := s.swap(ctx, held, r)
		return r, errors.Join(fmt.Errorf("authn: approval: %w", err), undo)
	}
	r.State, r.Decided, r.By, r.Approver, r.Suspect = d.to, s.now().UTC().Truncate(time.Microsecond), d.by, d.approver, d.suspect
	if _, err := s.swap(ctx, held, r); err != nil {
		return record{}, err
	}
	return r, nil
}

// stands is the state of r, or what somebody is making of it.
func (r *record) stands() ApprovalState {
	if r.State == ApprovalPending && r.Claim != "" {
		return r.Claim
	}
	return r.State
}

func (s *Service) swap(ctx context.Context, old []byte, r record) ([]byte, error) {
	v, err := s.sealRecord(r)
	if err != nil {
		return nil, err
	}
	if err := s.eph.Swap(ctx, store.KeyOf(approvalKind, r.Handle), old, v); err != nil {
		return nil, fmt.Errorf("authn: approval: %w", err)
	}
	return v, nil
}

// entry is a request in the list of those that wait for a person.
type entry struct {
	Handle  string    `json:"h"`
	Bind    b64       `json:"b"`
	Expires time.Time `json:"e"`
}

// A list is kept for each stretch of MaxApprovalLife, until nothing asked within it can be pending: a value of Ephemeral
// keeps the expiry that it began with. What waits stands in the list of now or in the one before.
func listKey(user ident.UserID, stretch int64) store.Key {
	return store.KeyOf(approvalsKind, string(user)+"\x00"+strconv.FormatInt(stretch, 10))
}

func stretchOf(at time.Time) int64 { return at.Unix() / int64(MaxApprovalLife/time.Second) }

// list adds r to those that wait for its person and ends the earlier ones with the same Bind.
func (s *Service) list(ctx context.Context, r record) error {
	now := stretchOf(r.Asked)
	k := listKey(r.User, now)
	before, _, err := s.readList(ctx, listKey(r.User, now-1))
	if err != nil {
		return err
	}
	for range 64 {
		entries, raw, err := s.readList(ctx, k)
		if err != nil {
			return err
		}
		live := s.live(slices.Concat(before, entries))
		if len(live) >= maxPending {
			if live, err = s.waiting(ctx, live); err != nil {
				return err
			}
			entries = slices.DeleteFunc(entries, func(e entry) bool {
				return !slices.ContainsFunc(live, func(w entry) bool { return w.Handle == e.Handle })
			})
		}
		again := func(e entry) bool { return bytes.Equal(e.Bind, r.BindHash) }
		earlier := slices.Collect(func(yield func(entry) bool) {
			for _, e := range live {
				if again(e) && !yield(e) {
					return
				}
			}
		})
		if len(live)-len(earlier) >= maxPending {
			return s.flooded(ctx, r)
		}
		entries = append(slices.DeleteFunc(s.live(entries), again), entry{r.Handle, r.BindHash, r.Expires})
		v, err := json.Marshal(entries)
		if err != nil {
			return fmt.Errorf("authn: approvals: %w", err)
		}
		if raw == nil {
			err = s.eph.Put(ctx, k, v, time.Unix((now+3)*int64(MaxApprovalLife/time.Second), 0))
		} else {
			err = s.eph.Swap(ctx, k, raw, v)
		}
		if err == nil {
			return s.supersede(ctx, earlier)
		}
		if !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("authn: approvals: %w", err)
		}
	}
	return ErrBusy
}

// live are the entries whose time is not over.
func (s *Service) live(entries []entry) []entry {
	now := s.now()
	return slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return !now.Before(e.Expires) })
}

// waiting are the entries that nobody has decided.
func (s *Service) waiting(ctx context.Context, entries []entry) (out []entry, err error) {
	for _, e := range entries {
		r, _, err := s.settled(ctx, e.Handle)
		if err != nil && !errors.Is(err, ErrNoApproval) {
			return nil, err
		}
		if err == nil && r.stands() == ApprovalPending {
			out = append(out, e)
		}
	}
	return out, nil
}

// flooded ends r, for which there is no room.
func (s *Service) flooded(ctx context.Context, r record) error {
	d := decision{to: ApprovalCancelled, event: r.event("approval.flooded", audit.Denied, "pending", ident.Env{})}
	if _, err := s.decide(ctx, r.Handle, d); err != nil {
		return err
	}
	return Throttled{RetryAfter: ApprovalLife}
}

func (s *Service) supersede(ctx context.Context, earlier []entry) error {
	for _, e := range earlier {
		r, _, err := s.settled(ctx, e.Handle)
		if err == nil && r.State == ApprovalPending {
			_, err = s.decide(ctx, e.Handle, decision{to: ApprovalSuperseded, event: r.event("approval.superseded", audit.OK, "", ident.Env{})})
		}
		if _, decided := errors.AsType[Unapproved](err); err != nil && !decided && !errors.Is(err, ErrNoApproval) {
			return err
		}
	}
	return nil
}

// listed are the requests that may wait for user.
func (s *Service) listed(ctx context.Context, user ident.UserID) ([]entry, error) {
	now := stretchOf(s.now())
	before, _, err := s.readList(ctx, listKey(user, now-1))
	if err != nil {
		return nil, err
	}
	entries, _, err := s.readList(ctx, listKey(user, now))
	return s.live(append(before, entries...)), err
}

func (s *Service) readList(ctx context.Context, k store.Key) (entries []entry, raw []byte, err error) {
	raw, err = s.eph.Get(ctx, k)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &entries)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("authn: approvals: %w", err)
	}
	return entries, raw, nil
}
