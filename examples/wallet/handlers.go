package wallet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/postern-id/postern/verify"
)

type handler = func(http.ResponseWriter, *http.Request, *session)

// signedIn runs h with the locked session of somebody who is signed in, or goes home.
func (w *wallet) signedIn(h handler) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		s := w.sessions.get(r)
		if s == nil {
			http.Redirect(rw, r, "/", http.StatusSeeOther)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.signedIn() {
			http.Redirect(rw, r, "/", http.StatusSeeOther)
			return
		}
		h(rw, r, s)
	}
}

func (w *wallet) home(rw http.ResponseWriter, r *http.Request) {
	s := w.sessions.get(r)
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	if s == nil || !s.signedIn() {
		w.render(rw, http.StatusOK, "welcome.html", welcomeView{Issuer: w.Issuer})
		return
	}
	balance := w.api(r.Context(), s, http.MethodGet, "/api/balance", nil)
	w.render(rw, http.StatusOK, "home.html", w.homeView(s, balance))
	s.notice = notice{}
}

func (w *wallet) login(rw http.ResponseWriter, r *http.Request) {
	s := w.sessions.get(r)
	known := s != nil
	if !known {
		s = &session{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	address, ok := w.begin(rw, r, s, &flow{})
	if !ok {
		return
	}
	if !known {
		w.sessions.put(rw, r, s)
	}
	http.Redirect(rw, r, address, http.StatusSeeOther)
}

// begin starts f; if it cannot, the failure has been shown.
func (w *wallet) begin(rw http.ResponseWriter, r *http.Request, s *session, f *flow) (address string, ok bool) {
	address, state, err := w.oidc.authorizeURL(r.Context(), f)
	if err != nil {
		w.explain(rw, err)
		return "", false
	}
	s.addFlow(state, *f)
	return address, true
}

func (w *wallet) callback(rw http.ResponseWriter, r *http.Request) {
	s := w.sessions.get(r)
	if s == nil {
		w.fail(rw, http.StatusBadRequest, "This sign-in can't continue", "It was started in another browser, or too long ago. Start again here.")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	f, ok := s.takeFlow(q.Get("state"), w.Now())
	if !ok {
		w.fail(rw, http.StatusBadRequest, "This sign-in can't continue", "It is finished already, or was started elsewhere. Start again here.")
		return
	}
	t, err := w.oidc.answer(r.Context(), f, q)
	if err == nil && f.amount > 0 && s.signedIn() && t.User.Subject != s.tokens.User.Subject {
		err = errors.New("another person signed in than the one who asked for the withdrawal")
	}
	var refused *oauthError
	switch {
	case errors.As(err, &refused) && f.amount > 0 && s.signedIn():
		s.pending = nil
		s.notice = notice{"warn", "Nothing was withdrawn: the identity server answered “" + refused.Code + "”."}
	case err != nil:
		w.explain(rw, err)
		return
	default:
		s.tokens, s.pending, s.call = t, nil, nil
		w.sessions.put(rw, r, s)
		if f.amount > 0 {
			w.move(r.Context(), s, f.amount, true)
		}
	}
	http.Redirect(rw, r, "/", http.StatusSeeOther)
}

func (w *wallet) refresh(rw http.ResponseWriter, r *http.Request, s *session) {
	if err := w.renew(r.Context(), s); err != nil {
		s.notice = notice{"bad", "The tokens could not be refreshed: " + words(err)}
	} else {
		s.notice = notice{"ok", "You have new tokens."}
	}
	http.Redirect(rw, r, "/", http.StatusSeeOther)
}

func (w *wallet) renew(ctx context.Context, s *session) error {
	if s.tokens.Refresh == "" {
		return errors.New("there is no refresh token")
	}
	t, err := w.oidc.refresh(ctx, s.tokens)
	var refused *oauthError
	if errors.As(err, &refused) && refused.Code == "invalid_grant" {
		s.tokens.Refresh = "" // it will never work again
	}
	if err != nil {
		w.Log.Info("demo wallet: refresh", "err", err)
		return err
	}
	s.tokens = t
	return nil
}

func (w *wallet) call(rw http.ResponseWriter, r *http.Request, s *session) {
	c := w.api(r.Context(), s, http.MethodGet, "/api/balance", nil)
	s.call = &c
	http.Redirect(rw, r, "/#call", http.StatusSeeOther)
}

func (w *wallet) withdraw(rw http.ResponseWriter, r *http.Request, s *session) {
	amount, err := parseMoney(r.PostFormValue("amount"))
	if err != nil {
		s.notice = notice{"bad", "Enter an amount such as 25.00."}
		http.Redirect(rw, r, "/", http.StatusSeeOther)
		return
	}
	if w.move(r.Context(), s, amount, false) {
		http.Redirect(rw, r, "/confirm", http.StatusSeeOther)
		return
	}
	http.Redirect(rw, r, "/", http.StatusSeeOther)
}

// move withdraws through the API. It reports whether the API wants a step-up first; after one, it does not ask twice.
func (w *wallet) move(ctx context.Context, s *session, amount int64, stepped bool) (stepUp bool) {
	body, err := json.Marshal(map[string]string{"amount": money(amount)})
	if err != nil {
		return false
	}
	c := w.api(ctx, s, http.MethodPost, "/api/withdraw", body)
	s.call = &c
	ch, err := verify.ParseChallenge(c.Challenge)
	switch {
	case c.Status == http.StatusOK:
		s.notice = notice{"ok", "You withdrew €" + money(amount) + "."}
	case err == nil && ch.Error == "insufficient_user_authentication" && !stepped:
		s.pending = &pending{amount: amount, header: c.Challenge, challenge: ch}
		return true
	default:
		s.notice = notice{"bad", "Nothing was withdrawn: " + c.reason()}
	}
	return false
}

func (w *wallet) confirm(rw http.ResponseWriter, r *http.Request, s *session) {
	if s.pending == nil {
		http.Redirect(rw, r, "/", http.StatusSeeOther)
		return
	}
	w.render(rw, http.StatusOK, "confirm.html", w.confirmView(s))
}

// stepUp asks the provider for what the challenge asks of us. RFC 9470 §4.
func (w *wallet) stepUp(rw http.ResponseWriter, r *http.Request, s *session) {
	if s.pending == nil {
		http.Redirect(rw, r, "/", http.StatusSeeOther)
		return
	}
	ch := s.pending.challenge
	f := flow{acr: ch.ACRValues, maxAge: ch.MaxAge, aged: ch.HasMaxAge, amount: s.pending.amount}
	if address, ok := w.begin(rw, r, s, &f); ok {
		http.Redirect(rw, r, address, http.StatusSeeOther)
	}
}

// logout ends our session and then, by a page of our own, the provider's: browsers hold a form's whole chain of
// redirects against form-action.
func (w *wallet) logout(rw http.ResponseWriter, r *http.Request, s *session) {
	address := w.oidc.logoutURL(r.Context(), s.tokens.ID)
	s.tokens = tokens{}
	w.sessions.drop(rw, r)
	if address == "" {
		http.Redirect(rw, r, "/", http.StatusSeeOther)
		return
	}
	w.render(rw, http.StatusOK, "leave.html", leaveView{Address: address})
}

// apiCall is one call of the demo API, as it is shown.
type apiCall struct {
	Method, Path string
	Status       int // 0 if there was no answer
	Challenge    string
	Body         string
	Took         time.Duration
}

// reason says in a few words why the call failed.
func (c apiCall) reason() string {
	var e struct {
		Description string `json:"error_description"`
	}
	if json.Unmarshal([]byte(c.Body), &e) == nil && e.Description != "" {
		return e.Description + "."
	}
	if c.Status == 0 {
		return "the API did not answer."
	}
	return "the API answered " + strconv.Itoa(c.Status) + "."
}

// api calls the demo API with the access token, refreshed where it is about to expire.
func (w *wallet) api(ctx context.Context, s *session, method, path string, body []byte) apiCall {
	if s.tokens.Refresh != "" && w.Now().Add(10*time.Second).After(s.tokens.Expires) {
		if err := w.renew(ctx, s); err != nil {
			w.Log.Info("demo wallet: the old access token is used", "err", err)
		}
	}
	c := apiCall{Method: method, Path: path}
	req, err := http.NewRequestWithContext(ctx, method, w.BaseURL+path, bytes.NewReader(body))
	if err != nil {
		return c
	}
	req.Header.Set("Authorization", "Bearer "+s.tokens.Access)
	req.Header.Set("Content-Type", "application/json")
	start := w.Now()
	res, err := w.http.Do(req)
	if err != nil {
		w.Log.Warn("demo wallet: API", "err", err)
		return c
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<10))
	if err != nil {
		return c
	}
	c.Took = w.Now().Sub(start)
	c.Status, c.Body, c.Challenge = res.StatusCode, string(bytes.TrimSpace(b)), res.Header.Get("WWW-Authenticate")
	return c
}
