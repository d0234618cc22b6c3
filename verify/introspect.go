package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	negativeTTL  = time.Second // an inactive token may become known, so it is forgotten soon
	maxAnswers   = 10_000      // kept at once
	maxQuestions = 256         // under way at once; beyond that the server is overloaded and says so
)

// introspector asks the issuer about opaque tokens. RFC 7662 §2.
type introspector struct {
	config
	provider *provider
	slots    chan struct{}

	mu      sync.Mutex
	answers map[[sha256.Size]byte]*answer // by hash: no token is kept
}

// answer is one question, under way until done closes.
type answer struct {
	done  chan struct{}
	token Token
	err   error
	until time.Time // zero while under way
}

func newIntrospector(p *provider, c config) *introspector {
	return &introspector{
		config: c, provider: p,
		slots:   make(chan struct{}, maxQuestions),
		answers: make(map[[sha256.Size]byte]*answer),
	}
}

// verify returns what the issuer says of token; concurrent callers share one question.
func (i *introspector) verify(ctx context.Context, token string) (Token, error) {
	key := sha256.Sum256([]byte(token))
	i.mu.Lock()
	a := i.answers[key]
	if a == nil || (!a.until.IsZero() && !i.now().Before(a.until)) {
		select {
		case i.slots <- struct{}{}:
		default:
			i.mu.Unlock()
			return Token{}, fmt.Errorf("%w: too many introspections under way", ErrUnavailable)
		}
		i.makeRoom()
		a = &answer{done: make(chan struct{})}
		i.answers[key] = a
		go i.ask(key, token, a)
	}
	i.mu.Unlock()
	select {
	case <-a.done:
		return a.token, a.err
	case <-ctx.Done():
		return Token{}, ctx.Err()
	}
}

// makeRoom drops what has run out, and if that is not enough anything that is not under way.
func (i *introspector) makeRoom() {
	if len(i.answers) < maxAnswers {
		return
	}
	now := i.now()
	for k, a := range i.answers {
		if !a.until.IsZero() && !now.Before(a.until) {
			delete(i.answers, k)
		}
	}
	for k, a := range i.answers {
		if len(i.answers) < maxAnswers*3/4 {
			return
		}
		if !a.until.IsZero() {
			delete(i.answers, k)
		}
	}
}

func (i *introspector) ask(key [sha256.Size]byte, token string, a *answer) {
	ctx, cancel := context.WithTimeout(i.provider.base, flightTimeout)
	defer cancel()
	t, err := i.fetch(ctx, token)
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	a.token, a.err = t, err
	switch {
	case err == nil:
		a.until = now.Add(i.introspectTTL)
		if end := t.ExpiresAt.Add(i.leeway); !t.ExpiresAt.IsZero() && end.Before(a.until) {
			a.until = end
		}
	case errors.Is(err, ErrInvalid):
		a.until = now.Add(min(negativeTTL, i.introspectTTL))
	default:
		a.until = now
	}
	if !now.Before(a.until) {
		delete(i.answers, key)
	}
	<-i.slots
	close(a.done)
}

func (i *introspector) fetch(ctx context.Context, token string) (Token, error) {
	s, err := i.provider.current(ctx)
	if err != nil {
		return Token{}, err
	}
	endpoint := s.discovery.IntrospectionEndpoint
	if err := checkURL(endpoint); err != nil {
		return Token{}, fmt.Errorf("%w: introspection_endpoint %v", ErrUnavailable, err)
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(i.introspectID), url.QueryEscape(i.introspectSecret)) // RFC 6749 §2.3.1
	res, body, err := do(i.http, req)
	if err != nil {
		return Token{}, fmt.Errorf("%w: introspection: %v", ErrUnavailable, err)
	}
	if res.StatusCode != http.StatusOK {
		return Token{}, fmt.Errorf("%w: introspection: status %d", ErrUnavailable, res.StatusCode)
	}
	claims, err := decodeObject(body)
	if err != nil {
		return Token{}, fmt.Errorf("%w: introspection: %v", ErrUnavailable, err)
	}
	return i.check(claims)
}

// check takes an answer only if it is about an active access token for this resource. RFC 7662 §4: an issuer may know
// refresh tokens as active too; those that say so are refused.
func (i *introspector) check(claims map[string]any) (Token, error) {
	if active, _ := claims["active"].(bool); !active {
		return Token{}, invalid("not active")
	}
	if use, ok := claims["token_use"]; ok && use != "access_token" {
		return Token{}, invalid("not an access token")
	}
	if typ, ok := claims["token_type"].(string); ok && !strings.EqualFold(typ, "Bearer") {
		return Token{}, invalid("not a bearer token")
	}
	t, err := newToken(claims)
	if err != nil {
		return Token{}, err
	}
	if t.Issuer == "" { // optional in RFC 7662 §2.2; the answer came from the issuer itself
		t.Issuer = i.provider.issuer
	}
	if err := i.checkClaims(t, i.provider.issuer, i.audience); err != nil {
		return Token{}, err
	}
	return t, nil
}
