package verify

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	followWait  = 10 * time.Second // that the issuer may take to answer that nothing happened
	followRetry = 2 * time.Second  // at most, between two attempts
	maxRevoked  = 500_000          // entries kept; about 50 bytes each
	sweepEvery  = time.Minute
	issuing     = 3 // seconds in which a token may still be issued by what was known before a limit
)

// The kinds of entries, each with the claim that it names. Others are for newer versions of this package.
const (
	endedSession   = "session" // sid
	revokedGrant   = "grant"   // gid
	revokedToken   = "token"   // jti
	deletedClient  = "client"  // client_id
	limitedSession = "limit"   // sid
)

// name is what an entry says, as it is kept: the kind's first letter and 128 bits of a hash.
type name [17]byte

func nameOf(kind, value string) (n name) {
	n[0] = kind[0]
	sum := sha256.Sum256([]byte(value))
	copy(n[1:], sum[:])
	return n
}

// said is what is known of a name.
type said struct {
	at, until int64    // seconds since 1970
	scope     []string // of a limit
}

// follower keeps what ended or narrowed before it expired, by a question that the issuer answers when something happens.
type follower struct {
	config
	provider *provider
	http     *http.Client

	mu      sync.RWMutex
	said    map[name]said
	after   int64     // the last entry that was read
	contact time.Time // when all was known; zero before that
	blind   int64     // until when something is missing for lack of room, in seconds since 1970
	swept   time.Time
}

func newFollower(p *provider, c config) *follower {
	h := *c.http
	h.Timeout = followWait + fetchTimeout
	return &follower{config: c, provider: p, http: &h, said: map[name]said{}}
}

// run asks again and again, until ctx ends.
func (f *follower) run(ctx context.Context) {
	pause := 50 * time.Millisecond
	for ctx.Err() == nil {
		err := f.ask(ctx)
		if err == nil {
			pause = 50 * time.Millisecond
			continue
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		pause = min(2*pause, followRetry)
	}
}

// ask asks once.
func (f *follower) ask(ctx context.Context) error {
	s, err := f.provider.current(ctx)
	if err != nil {
		return err
	}
	endpoint := s.discovery.RevocationsEndpoint
	if err := checkURL(endpoint); err != nil {
		return fmt.Errorf("postern_revocations_endpoint %w", err)
	}
	f.mu.RLock()
	after, wait := f.after, followWait
	if f.contact.IsZero() {
		wait = 0 // the first time, all that there is will do
	}
	f.mu.RUnlock()
	q := url.Values{"after": {strconv.FormatInt(after, 10)}, "wait": {strconv.Itoa(int(wait / time.Second))}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(f.followID), url.QueryEscape(f.followSecret)) // RFC 6749 §2.3.1
	res, body, err := do(f.http, req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("revocations: status %d", res.StatusCode)
	}
	page, err := parsePage(body, after)
	if err != nil {
		return err
	}
	f.take(page)
	return nil
}

// page is an answer.
type page struct {
	Entries []entry `json:"entries"`
	Next    int64   `json:"next"`
	More    bool    `json:"more"`
	Reset   bool    `json:"reset"`
}

type entry struct {
	Seq   int64  `json:"seq"`
	At    int64  `json:"at"`
	Kind  string `json:"kind"`
	Hash  string `json:"hash"`
	Until int64  `json:"until"`
	Scope string `json:"scope"`

	name name
}

// parsePage reads an answer about what came after the entry with number after. It is taken as a whole or not at all.
func parsePage(b []byte, after int64) (page, error) {
	var p page
	if err := json.Unmarshal(b, &p); err != nil || p.Entries == nil || p.Next < 0 {
		return page{}, errors.New("revocations: not an answer")
	}
	if p.Reset {
		if len(p.Entries) > 0 || p.Next >= max(after, 1) {
			return page{}, errors.New("revocations: a reset that leads nowhere")
		}
		return p, nil
	}
	last := after
	for i := range p.Entries {
		e := &p.Entries[i]
		h, err := b64.DecodeString(e.Hash)
		if e.Seq <= last || e.Kind == "" || err != nil || len(h) != len(e.name)-1 || e.At <= 0 || e.Until <= 0 {
			return page{}, errors.New("revocations: an entry is malformed or out of order")
		}
		last, e.name[0] = e.Seq, e.Kind[0]
		copy(e.name[1:], h)
	}
	if p.Next < last || p.More && p.Next == after {
		return page{}, errors.New("revocations: it does not go on")
	}
	return p, nil
}

// take keeps what p says. What is kept stays through a reset: it was true.
func (f *follower) take(p page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if now.Sub(f.swept) >= sweepEvery {
		f.swept = now
		for n, s := range f.said {
			if s.until < now.Unix()-int64(f.leeway/time.Second) {
				delete(f.said, n)
			}
		}
	}
	for _, e := range p.Entries {
		f.keep(e)
	}
	f.after = p.Next
	if !p.More && !p.Reset {
		f.contact = now
	}
}

func (f *follower) keep(e entry) {
	switch e.Kind {
	case endedSession, revokedGrant, revokedToken, deletedClient:
	case limitedSession:
		if e.Scope == "" {
			delete(f.said, e.name)
			return
		}
	default:
		return
	}
	if _, known := f.said[e.name]; !known && len(f.said) >= f.maxRevoked {
		f.blind = max(f.blind, e.Until)
		return
	}
	f.said[e.name] = said{at: e.At, until: e.Until, scope: strings.Fields(e.Scope)}
}

// knows reports whether all that ended is known now.
func (f *follower) knows() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	now := f.now()
	return !f.contact.IsZero() && now.Sub(f.contact) <= f.silence && now.Unix() > f.blind
}

// check refuses t if it ended, and takes from it what its session does without.
func (f *follower) check(t *Token) error {
	gid, _ := t.Claims["gid"].(string)
	f.mu.RLock()
	defer f.mu.RUnlock()
	for _, c := range [...]struct{ kind, value string }{{endedSession, t.SessionID}, {revokedGrant, gid}, {revokedToken, t.JTI}} {
		if c.value == "" {
			continue
		}
		if _, over := f.said[nameOf(c.kind, c.value)]; over {
			return invalid("revoked (%s)", c.kind)
		}
	}
	if s, deleted := f.said[nameOf(deletedClient, t.ClientID)]; deleted && t.IssuedAt.Unix() <= s.at {
		return invalid("revoked (%s)", deletedClient)
	}
	if t.SessionID == "" {
		return nil
	}
	// A token that is younger than the limit was issued under it, or after it was lifted, of which we may hear a moment later.
	if s, limited := f.said[nameOf(limitedSession, t.SessionID)]; limited && t.IssuedAt.Unix() <= s.at+issuing {
		t.limit(s.scope)
	}
	return nil
}

// limit takes scope from t.
func (t *Token) limit(scope []string) {
	limited := slices.Clone(t.Limited)
	for _, s := range scope {
		if !slices.Contains(limited, s) {
			limited = append(limited, s)
		}
	}
	t.Limited = limited
	t.Scopes = slices.DeleteFunc(slices.Clone(t.Scopes), func(s string) bool { return slices.Contains(limited, s) })
}
