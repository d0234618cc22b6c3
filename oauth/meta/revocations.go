package meta

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/oauth"
)

const (
	maxRevocations = 1000             // entries of one answer
	maxWait        = 25 * time.Second // for something to happen
)

// revocation is an entry as resource servers see it: they can match it with tokens that they hold, and learn nothing else.
type revocation struct {
	Seq   int64  `json:"seq"`
	At    int64  `json:"at"` // seconds since 1970
	Kind  string `json:"kind"`
	Hash  string `json:"hash"`
	Until int64  `json:"until"` // seconds since 1970, rounded up
	Scope string `json:"scope,omitempty"`
}

type revocations struct {
	Entries []revocation `json:"entries"`
	Next    int64        `json:"next"`            // to be asked for after
	More    bool         `json:"more,omitempty"`  // there are more already
	Reset   bool         `json:"reset,omitempty"` // the log does not reach to where the client was: begin again after next
}

// HashOf is how an entry names the value of a claim: the left 128 bits of its SHA-256, in base64url.
func HashOf(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Revocations answers GET and POST /revocations to an authenticated client: what ended or narrowed after the entry with
// number `after`; where there is nothing, it waits for `wait` seconds. docs/tokens.md
func (s *Service) Revocations(w http.ResponseWriter, r *http.Request) error {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := oauth.ParseForm(r); err != nil {
			return err
		}
		form = r.PostForm
	}
	c, err := s.opt.Auth.Authenticate(r.Context(), r)
	if err != nil {
		return err
	}
	if c.Public() {
		return oauth.InvalidClient()
	}
	after, err := number(form, "after", 1<<62)
	if err != nil {
		return err
	}
	wait, err := number(form, "wait", 1<<31)
	if err != nil {
		return err
	}
	if !s.opt.Feed.enter(c.ID) {
		return oauth.TooMany()
	}
	defer s.opt.Feed.leave(c.ID)
	out, err := s.await(r.Context(), after, min(time.Duration(wait)*time.Second, maxWait))
	if err != nil {
		return oauth.Unavailable(err)
	}
	return writeJSON(w, out)
}

// await returns what there is after the entry with number after, if need be as soon as there is something.
func (s *Service) await(ctx context.Context, after int64, wait time.Duration) (revocations, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		next := s.opt.Feed.next() // before the look: what comes after it is not missed
		out, err := s.revocations(ctx, after)
		if err != nil || len(out.Entries) > 0 || out.Reset || wait == 0 {
			return out, err
		}
		select {
		case <-next:
		case <-timer.C:
			return out, nil
		case <-s.opt.Feed.closed:
			return out, nil
		case <-ctx.Done():
			return out, ctx.Err()
		}
	}
}

func (s *Service) revocations(ctx context.Context, after int64) (revocations, error) {
	list, latest, err := s.opt.Log.Revocations(ctx, after, s.opt.Now(), maxRevocations)
	if err != nil {
		return revocations{}, err
	}
	out := revocations{Entries: make([]revocation, len(list)), Next: latest}
	if after > latest {
		return revocations{Entries: out.Entries, Reset: true}, nil
	}
	for i, e := range list {
		out.Entries[i] = revocation{Seq: e.Seq, At: e.At.Unix(), Kind: e.Kind, Hash: HashOf(e.ID), Until: e.Until.Unix() + 1, Scope: strings.Join(e.Scope, " ")}
	}
	if len(list) == maxRevocations {
		out.Next, out.More = list[len(list)-1].Seq, true
	}
	return out, nil
}

func number(form url.Values, name string, limit int64) (int64, error) {
	vs := form[name]
	if len(vs) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(vs[0], 10, 64)
	if err != nil || n < 0 || n > limit || len(vs) > 1 {
		return 0, oauth.InvalidRequest("%s is not one whole number.", name)
	}
	return n, nil
}
