package wallet

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/postern-id/postern/verify"
)

type (
	welcomeView struct{ Issuer string }
	leaveView   struct{ Address string }
	failView    struct{ Title, Text string }

	homeView struct {
		Name, Contact string
		Initial       string
		Notice        notice
		Balance       string // "" if the API would not say
		BalanceError  string
		CanRefresh    bool
		Call          *callView
		Tokens        []tokenView
	}
	callView struct {
		apiCall
		Line string // such as "200 OK"
		JSON string
	}
	confirmView struct {
		Amount, Header string
		Facts          []fact
	}
	tokenView struct {
		ID, Title, About string
		Facts            []fact
		Header, Claims   string // JSON; "" for an opaque token
	}
	// fact is one claim in plain words.
	fact struct{ Claim, Label, Text string }
)

var acrWords = map[string]string{
	"urn:postern:acr:aal1": "One factor",
	"urn:postern:acr:aal2": "Two different factors",
	"phr":                  "Phishing-resistant, such as a passkey",
	"phrh":                 "Phishing-resistant, with a key that cannot leave its hardware",
}

var amrWords = map[string]string{
	"pwd": "password", "otp": "one-time code", "mfa": "several factors", "hwk": "hardware key",
	"swk": "software key", "user": "presence confirmed", "rba": "risk checked", "pin": "PIN", "fpt": "fingerprint", "face": "face",
}

func (w *wallet) homeView(s *session, balance apiCall) homeView {
	t := s.tokens
	v := homeView{
		Name: firstClaim(t, "name", "preferred_username", "email"), Contact: firstClaim(t, "email", "preferred_username"),
		Notice: s.notice, CanRefresh: s.tokens.Refresh != "",
		Tokens: []tokenView{
			w.tokenView("id", "ID token", "Tells this app who you are. It is for the app alone and opens no door.", s.tokens.ID),
			w.tokenView("access", "Access token", "Opens the API in your name, for what you allowed. The app only carries it.", s.tokens.Access),
		},
	}
	for _, r := range v.Name {
		v.Initial = strings.ToUpper(string(r))
		break
	}
	var a account
	if balance.Status == http.StatusOK && json.Unmarshal([]byte(balance.Body), &a) == nil {
		v.Balance = grouped(a.Balance)
	} else {
		v.BalanceError = balance.reason()
	}
	if s.call != nil {
		line := "No answer"
		if s.call.Status != 0 {
			line = fmt.Sprintf("%d %s", s.call.Status, http.StatusText(s.call.Status))
		}
		v.Call = &callView{apiCall: *s.call, Line: line, JSON: indent([]byte(s.call.Body))}
	}
	return v
}

func (w *wallet) confirmView(s *session) confirmView {
	ch := s.pending.challenge
	v := confirmView{Amount: money(s.pending.amount), Header: s.pending.header}
	for _, acr := range ch.ACRValues {
		v.Facts = append(v.Facts, fact{"acr_values", "How", known(acrWords, acr)})
	}
	if ch.HasMaxAge {
		v.Facts = append(v.Facts, fact{"max_age", "When", "In the last " + span(ch.MaxAge)})
	}
	if have := s.tokens.User.ACR; have != "" {
		v.Facts = append(v.Facts, fact{"acr", "So far", known(acrWords, have) + ", " + w.ago(s.tokens.User.AuthTime)})
	}
	return v
}

// tokenView decodes a token for show. Nothing is decided on it: the ID token was verified when it came, and the access
// token is the API's to judge.
func (w *wallet) tokenView(id, title, about, token string) tokenView {
	v := tokenView{ID: id, Title: title, About: about}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		v.Facts = []fact{{"", "Form", "Opaque: only the identity server can say what it means"}}
		return v
	}
	var raw [2][]byte
	for i := range raw {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return v
		}
		raw[i] = b
	}
	v.Header, v.Claims = indent(raw[0]), indent(raw[1])
	v.Facts = w.facts(raw[1])
	return v
}

func (w *wallet) facts(claims []byte) []fact {
	var c struct {
		Aud      any      `json:"aud"`
		Scope    string   `json:"scope"`
		ACR      string   `json:"acr"`
		AMR      []string `json:"amr"`
		AuthTime int64    `json:"auth_time"`
		Exp      int64    `json:"exp"`
	}
	if json.Unmarshal(claims, &c) != nil {
		return nil
	}
	var out []fact
	put := func(claim, label, text string) {
		if text != "" {
			out = append(out, fact{claim, label, text})
		}
	}
	switch aud := c.Aud.(type) {
	case string:
		put("aud", "Made for", aud)
	case []any:
		all := make([]string, len(aud))
		for i, a := range aud {
			all[i] = fmt.Sprint(a)
		}
		put("aud", "Made for", strings.Join(all, ", "))
	}
	put("scope", "Allows", strings.ReplaceAll(c.Scope, " ", ", "))
	put("acr", "Sign-in strength", known(acrWords, c.ACR))
	methods := make([]string, 0, len(c.AMR))
	for _, m := range c.AMR {
		methods = append(methods, known(amrWords, m))
	}
	put("amr", "Signed in with", strings.Join(methods, ", "))
	if c.AuthTime > 0 {
		put("auth_time", "Signed in", w.ago(time.Unix(c.AuthTime, 0)))
	}
	if c.Exp > 0 {
		put("exp", "Valid", w.until(time.Unix(c.Exp, 0)))
	}
	return out
}

func known(words map[string]string, v string) string {
	if w, ok := words[v]; ok {
		return w
	}
	return v
}

func (w *wallet) ago(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	d := w.Now().Sub(t)
	if d < 10*time.Second {
		return "just now"
	}
	return span(d) + " ago"
}

func (w *wallet) until(t time.Time) string {
	if d := t.Sub(w.Now()); d > 0 {
		return "for another " + span(d)
	}
	return "no longer: it expired " + w.ago(t)
}

// span writes a duration the way people say it.
func span(d time.Duration) string {
	unit := func(n int64, name string) string {
		if n == 1 {
			return "1 " + name
		}
		return fmt.Sprintf("%d %ss", n, name)
	}
	switch {
	case d < time.Minute:
		return unit(int64(d/time.Second), "second")
	case d < 5*time.Minute && d%time.Minute >= time.Second:
		return unit(int64(d/time.Minute), "minute") + " " + unit(int64(d%time.Minute/time.Second), "second")
	case d < 2*time.Hour:
		return unit(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return unit(int64(d/time.Hour), "hour")
	}
	return unit(int64(d/(24*time.Hour)), "day")
}

// grouped puts a comma between thousands.
func grouped(s string) string {
	whole, frac, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	return whole + "." + frac
}

// firstClaim is the first of these claims that is known of the person, or their subject identifier.
func firstClaim(t tokens, names ...string) string {
	for _, n := range names {
		for _, claims := range []map[string]any{t.Profile, t.User.Claims} {
			if s, ok := claims[n].(string); ok && s != "" {
				return s
			}
		}
	}
	return t.User.Subject
}

func indent(b []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		return string(b)
	}
	return out.String()
}

func (w *wallet) render(rw http.ResponseWriter, status int, page string, data any) {
	var b bytes.Buffer
	if err := w.pages.ExecuteTemplate(&b, page, data); err != nil {
		w.Log.Error("demo wallet: page", "page", page, "err", err)
		http.Error(rw, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.WriteHeader(status)
	rw.Write(b.Bytes())
}

func (w *wallet) fail(rw http.ResponseWriter, status int, title, text string) {
	w.render(rw, status, "fail.html", failView{title, text})
}

// explain shows a failure of the provider, or of what it sent.
func (w *wallet) explain(rw http.ResponseWriter, err error) {
	w.Log.Warn("demo wallet", "err", err)
	if errors.Is(err, verify.ErrUnavailable) {
		rw.Header().Set("Retry-After", "2")
		w.fail(rw, http.StatusServiceUnavailable, "The identity server isn't answering", "It may still be starting. Try again in a moment.")
		return
	}
	w.fail(rw, http.StatusBadRequest, "You're not signed in", "The reason: "+words(err))
}

func words(err error) string {
	var refused *oauthError
	if errors.As(err, &refused) {
		if refused.Description != "" {
			return refused.Description + " (" + refused.Code + ")"
		}
		return refused.Code
	}
	return err.Error() + "."
}
