package register

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/store"
)

const (
	invitePrefix = "pit_"
	inviteKind   = "registration-invite"
	maxBearer    = 512

	// MaxUses is how many clients one initial access token can be for.
	MaxUses = 100
)

// Invite is what an operator decided about whoever registers with an initial access token. RFC 7591 §3.
type Invite struct {
	Profile string `json:"profile,omitempty"` // "" is that of all who register
	Uses    int    `json:"uses"`              // 1 to MaxUses
}

// Issue keeps an invite until expires and returns its token; only hashes of it are stored, one for each use, so that one
// atomic operation decides who has it.
func (i Invite) Issue(ctx context.Context, e store.Ephemeral, rand io.Reader, expires time.Time) (string, error) {
	if i.Uses < 1 || i.Uses > MaxUses {
		return "", errors.New("register: an invitation has 1 to " + strconv.Itoa(MaxUses) + " uses")
	}
	b := make([]byte, 32)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", err
	}
	token := invitePrefix + base64.RawURLEncoding.EncodeToString(b)
	v, err := json.Marshal(i)
	if err != nil {
		return "", err
	}
	for n := range i.Uses {
		if err := e.Put(ctx, inviteKey(token, n), v, expires); err != nil {
			return "", err
		}
	}
	return token, nil
}

func inviteKey(token string, n int) store.Key {
	return store.KeyOf(inviteKind, token+" "+strconv.Itoa(n))
}

// pass is by what right somebody registers.
type pass struct {
	Invite
	token string // "": the endpoint is open
}

func (p pass) how() string {
	if p.token != "" {
		return "invitation"
	}
	return "open"
}

var errInvite = "The initial access token is wrong, has expired, or was used."

// admit says by what right a request registers. It uses nothing up.
func (s *Service) admit(ctx context.Context, r *http.Request) (pass, error) {
	if len(r.Header.Values("Authorization")) == 0 {
		if !s.opt.Open {
			return pass{}, oauth.InvalidToken("Registration needs an initial access token.")
		}
		return pass{}, s.count(ctx)
	}
	p := pass{}
	var ok bool
	if p.token, ok = bearer(r); !ok || !strings.HasPrefix(p.token, invitePrefix) {
		return pass{}, oauth.InvalidToken("%s", errInvite)
	}
	raw, err := s.opt.Ephemeral.Get(ctx, inviteKey(p.token, 0))
	if err != nil && !errors.Is(err, store.ErrTaken) {
		if errors.Is(err, store.ErrNotFound) {
			return pass{}, oauth.InvalidToken("%s", errInvite)
		}
		return pass{}, oauth.Unavailable(err)
	}
	if jsonErr := json.Unmarshal(raw, &p.Invite); jsonErr != nil {
		return pass{}, jsonErr
	}
	if err != nil && p.Uses == 1 { // spent: do not even look at the metadata
		return pass{}, oauth.InvalidToken("%s", errInvite)
	}
	return p, nil
}

// spend takes one use, if there is one left: to each caller another, and none twice.
func (s *Service) spend(ctx context.Context, p pass) error {
	if p.token == "" {
		return nil
	}
	for n := range min(p.Uses, MaxUses) {
		_, err := s.opt.Ephemeral.Take(ctx, inviteKey(p.token, n))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrTaken):
			continue
		case errors.Is(err, store.ErrNotFound):
			return oauth.InvalidToken("%s", errInvite)
		}
		return oauth.Unavailable(err)
	}
	return oauth.InvalidToken("%s", errInvite)
}

// count bounds what one network may register where anybody may.
func (s *Service) count(ctx context.Context) error {
	if s.opt.PerHour <= 0 {
		return nil
	}
	n, err := s.opt.Counters.Add(ctx, "registration:"+ident.Network(oauth.EnvOf(ctx).IP), 1, time.Hour)
	switch {
	case err != nil:
		return oauth.Unavailable(err)
	case n > s.opt.PerHour:
		return oauth.TooMany()
	}
	return nil
}

// bearer is the token of a request, in its header: the only place where it may be. RFC 6750 §2.1.
func bearer(r *http.Request) (string, bool) {
	list := r.Header.Values("Authorization")
	if len(list) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(list[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != "" && len(token) <= maxBearer
}
