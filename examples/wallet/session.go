package wallet

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/postern-id/postern/verify"
)

const (
	sessionLife = 8 * time.Hour
	flowLife    = 15 * time.Minute
	maxSessions = 2000
	maxFlows    = 8 // sign-ins under way in one browser
)

// session is what the wallet remembers of one browser. Its lock is held while a request works on it.
type session struct {
	mu      sync.Mutex
	expires time.Time
	flows   map[string]flow // by state
	tokens  tokens          // zero until signed in
	notice  notice          // shown once
	call    *apiCall        // the last one that the person asked to see
	pending *pending
}

type notice struct{ Kind, Text string } // Kind: ok, warn or bad

// pending is a withdrawal that the API answered with a challenge.
type pending struct {
	amount    int64
	header    string // WWW-Authenticate, as it came
	challenge verify.Challenge
}

func (s *session) signedIn() bool { return s.tokens.User.Subject != "" }

// sessions keeps them by the secret in the cookie.
type sessions struct {
	now    func() time.Time
	cookie http.Cookie

	mu  sync.Mutex
	all map[string]*session
}

func newSessions(now func() time.Time, secure bool) *sessions {
	c := http.Cookie{Name: "postern_demo_wallet", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if secure {
		c.Name, c.Secure = "__Host-"+c.Name, true
	}
	return &sessions{now: now, cookie: c, all: map[string]*session{}}
}

// get returns the session of r, or nil.
func (st *sessions) get(r *http.Request) *session {
	c, err := r.Cookie(st.cookie.Name)
	if err != nil {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	s := st.all[c.Value]
	if s == nil || !st.now().Before(s.expires) {
		return nil
	}
	return s
}

// put gives s a new secret, which no earlier holder of the cookie knows.
func (st *sessions) put(w http.ResponseWriter, r *http.Request, s *session) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if c, err := r.Cookie(st.cookie.Name); err == nil {
		delete(st.all, c.Value)
	}
	now := st.now()
	for id, old := range st.all {
		if len(st.all) >= maxSessions || !now.Before(old.expires) {
			delete(st.all, id)
		}
	}
	s.expires = now.Add(sessionLife)
	c := st.cookie
	c.Value, c.MaxAge = rand.Text(), int(sessionLife/time.Second)
	st.all[c.Value] = s
	http.SetCookie(w, &c)
}

func (st *sessions) drop(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(st.cookie.Name); err == nil {
		st.mu.Lock()
		delete(st.all, c.Value)
		st.mu.Unlock()
	}
	c := st.cookie
	c.MaxAge = -1
	http.SetCookie(w, &c)
}

// addFlow remembers f under state, and forgets the oldest beyond maxFlows.
func (s *session) addFlow(state string, f flow) {
	if s.flows == nil {
		s.flows = map[string]flow{}
	}
	for len(s.flows) >= maxFlows {
		oldest := ""
		for k, v := range s.flows {
			if oldest == "" || v.started.Before(s.flows[oldest].started) {
				oldest = k
			}
		}
		delete(s.flows, oldest)
	}
	s.flows[state] = f
}

// takeFlow returns the flow of state once.
func (s *session) takeFlow(state string, now time.Time) (flow, bool) {
	f, ok := s.flows[state]
	delete(s.flows, state)
	return f, ok && now.Before(f.started.Add(flowLife))
}
