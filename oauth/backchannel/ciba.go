package backchannel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/clientauth"
	"github.com/postern-id/postern/oauth/courier"
	"github.com/postern-id/postern/oauth/issue"
	"github.com/postern-id/postern/riskstep"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

// CIBAOptions of a CIBA; all are needed except Offline and Tell.
type CIBAOptions struct {
	Registry   *oauth.Registry
	Reader     *oauth.Reader
	Auth       *clientauth.Authenticator
	Keys       *oauth.ClientKeys // that verify login_hint_token
	Issue      *issue.Issuer
	Requests   oauth.CIBARequests
	People     *authn.Service
	Users      authn.Store
	Seen       func(context.Context, ident.SessionID) (sessions.Session, error) // a session that an ID token names, over or not
	Risk       *riskstep.Engine
	Sessions   *sessions.Manager
	Grants     oauth.GrantStore
	Consents   oauth.ConsentStore
	Counters   store.Counters
	Deliveries oauth.DeliveryStore
	Sealer     authn.Sealer
	Egress     *egress.Client
	Audit      audit.Recorder
	Now        func() time.Time
	Offline    time.Duration                                                                        // life of a refresh family with offline_access; default 30 days
	Tell       func(ctx context.Context, user ident.UserID, approval string, device ident.DeviceID) // tells people's devices; nil: they look by themselves
}

// CIBA takes requests of clients for somebody who is not in front of them, has that person asked, and sees that the client
// gets what came of it. A person decides in authn, by a device of theirs; Decided brings the outcome here.
type CIBA struct {
	opt     CIBAOptions
	courier *courier.Courier
}

// NewCIBA returns a CIBA.
func NewCIBA(opt CIBAOptions) *CIBA {
	if opt.Offline == 0 {
		opt.Offline = 30 * 24 * time.Hour
	}
	s := &CIBA{opt: opt}
	s.courier = courier.New(courier.Options{Store: opt.Deliveries, Kind: oauth.CIBADelivery, Delays: again, Send: s.deliver, Note: s.told, Now: opt.Now})
	return s
}

// Requests is where requests are kept.
func (s *CIBA) Requests() oauth.CIBARequests { return s.opt.Requests }

// acknowledgement is CIBA Core §7.3. The code is ours: who asks shows it to the person, whose device shows the same.
type acknowledgement struct {
	AuthReqID string `json:"auth_req_id"`
	ExpiresIn int64  `json:"expires_in"`         // seconds
	Interval  int64  `json:"interval,omitempty"` // seconds
	Code      string `json:"comparison_code"`
}

// Authorize answers POST /bc-authorize: authenticate the client, is it registered for that, what it asks, whom it means,
// record, ask the person, keep. CIBA Core §7.
func (s *CIBA) Authorize(w http.ResponseWriter, r *http.Request) error {
	if err := oauth.ParseForm(r); err != nil {
		return err
	}
	ctx := r.Context()
	c, err := s.opt.Auth.Authenticate(ctx, r)
	if err != nil {
		return err
	}
	if !c.Allows(oauth.CIBAGrant) {
		return oauth.UnauthorizedClient("The client is not registered for requests by back channel.")
	}
	a, err := s.opt.Reader.CIBA(ctx, c, r.PostForm)
	if err != nil {
		return err
	}
	if a.Message != "" && authn.CheckBindingMessage(a.Message) != nil {
		return refused("invalid_binding_message", "binding_message must be one line of at most 80 characters that can be shown.")
	}
	u, err := s.reach(ctx, c, a)
	if err != nil {
		return err
	}
	if err := s.once(ctx, c, a); err != nil {
		return err
	}
	if err := s.early(ctx, c, u.ID, a); err != nil {
		return err
	}
	out, err := s.ask(ctx, c, u, a)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(out)
}

func refused(code, why string) *oauth.Error {
	return &oauth.Error{Code: code, Description: why, Status: http.StatusBadRequest}
}

// once refuses a signed request that was seen before: a copy of one must not ask the person again. CIBA Core §7.1.1 (jti).
func (s *CIBA) once(ctx context.Context, c *oauth.Client, a *oauth.CIBAAsked) error {
	if a.JTI == "" {
		return nil
	}
	err := s.opt.Requests.Ephemeral.Put(ctx, store.KeyOf("ciba.jti", string(c.ID)+"\x00"+a.JTI), []byte{1}, a.Until.Add(time.Minute))
	if errors.Is(err, store.ErrExists) {
		return oauth.InvalidRequest("The signed request was sent before.")
	}
	if err != nil {
		return oauth.Unavailable(err)
	}
	return nil
}

// early asks the risk engine, before anybody is disturbed, whether an approval can be enough: it is worth two factors, and
// never resists phishing. Where the client's own server is says nothing of the person.
func (s *CIBA) early(ctx context.Context, c *oauth.Client, user ident.UserID, a *oauth.CIBAAsked) error {
	in := riskstep.Input{Moment: riskstep.AtIntrospect, User: user, Client: c.ID, Env: oauth.EnvOf(ctx), Held: ident.AAL2}
	if a.NeedHard {
		in.Need = a.Need
	}
	d, err := s.opt.Risk.Decide(ctx, in)
	if err != nil {
		return oauth.Unavailable(err)
	}
	if d.Action() != riskstep.Allow {
		e := oauth.UnmetRequirements()
		e.Status = http.StatusBadRequest
		return e
	}
	return nil
}

// ask has the person asked, and keeps the request.
func (s *CIBA) ask(ctx context.Context, c *oauth.Client, u authn.User, a *oauth.CIBAAsked) (*acknowledgement, error) {
	env, user := oauth.EnvOf(ctx), u.ID
	if err := s.record(ctx, "ciba.requested", audit.OK, "client", &oauth.CIBARequest{Client: c.ID, User: user}, ""); err != nil {
		return nil, err
	}
	life := min(cmp.Or(a.Life, authn.ApprovalLife), authn.MaxApprovalLife)
	id := "pcr_" + s.opt.Issue.NewSecret()
	handle := oauth.CIBAHandle(id)
	req := &oauth.CIBARequest{Client: c.ID, User: user, Mode: c.Delivery(), Scope: a.Scope, Resources: a.Resources, Need: a.Need, NeedHard: a.NeedHard,
		Expires: s.opt.Now().Add(life), Interval: pollSeconds, Host: c.Host()}
	var err error
	if req.Shown, req.ShownAt, err = s.unallowed(ctx, c, req); err != nil {
		return nil, err
	}
	if req.Mode != oauth.DeliverPoll {
		plain, err := json.Marshal(address{AuthReqID: id, Token: a.Token})
		if err == nil {
			req.Notify, err = s.opt.Sealer.Seal(sealedFor(handle), plain)
		}
		if err != nil {
			return nil, oauth.Unavailable(err)
		}
	}
	approval, code, err := s.opt.People.AskApproval(ctx, authn.Ask{Kind: authn.ApproveBackchannel, User: user, Bind: oauth.CIBABind(handle), Client: c.ID,
		App: shown(c, languageOf(u, a)), Host: req.Host, Text: a.Message, Scope: strings.Join(req.Shown, " "), Resource: strings.Join(req.ShownAt, " "), Env: ident.Env{IP: env.IP, RequestID: env.RequestID}, Digits: 2, Compare: true, Life: life})
	if err != nil {
		return nil, s.unasked(ctx, c, err)
	}
	req.Approval = approval
	if err = s.queue(ctx, c, handle, req); err == nil {
		err = s.opt.Requests.Put(ctx, handle, req)
	}
	if err != nil {
		return nil, oauth.Unavailable(errors.Join(err, s.opt.People.CancelApproval(ctx, approval, oauth.CIBABind(handle))))
	}
	if s.opt.Tell != nil {
		s.opt.Tell(ctx, user, approval, "")
	}
	out := &acknowledgement{AuthReqID: id, ExpiresIn: int64(life / time.Second), Interval: pollSeconds, Code: code}
	if req.Mode == oauth.DeliverPush {
		out.Interval = 0
	}
	return out, nil
}

// unasked says why nobody was asked. Somebody without a device to approve with is as unknown as somebody who is not there.
func (s *CIBA) unasked(ctx context.Context, c *oauth.Client, err error) error {
	_, throttled := errors.AsType[authn.Throttled](err)
	switch {
	case errors.Is(err, authn.ErrNoApprover), errors.Is(err, authn.ErrSelf):
		return s.unknown(ctx, c)
	case throttled:
		return oauth.TooMany()
	case errors.Is(err, authn.ErrAsk): // all else was looked at before
		return oauth.InvalidScope("More is asked for than a person can be shown.")
	}
	return oauth.Unavailable(err)
}

// languageOf is the language that the name of the client is shown in, wherever the person looks at it: that of the account or,
// where it has none, the first one of the request. What is signed is that same text. OIDC Core §5.1, CIBA Core §7.1.
func languageOf(u authn.User, a *oauth.CIBAAsked) (lang string) {
	_ = json.Unmarshal(u.Claims["locale"], &lang)
	if lang == "" && len(a.UILocales) > 0 {
		lang = a.UILocales[0]
	}
	return strings.ReplaceAll(lang, "_", "-")
}

// shown is the name of c as an approver can show it.
func shown(c *oauth.Client, lang string) string {
	for _, name := range []string{c.DisplayName(lang), c.DisplayName(""), string(c.ID)} {
		name = strings.Map(func(r rune) rune {
			if !unicode.IsGraphic(r) || unicode.In(r, unicode.Zl, unicode.Zp) || r == unicode.ReplacementChar {
				return -1
			}
			return r
		}, strings.ToValidUTF8(name, ""))
		if runes := []rune(name); len(runes) > 64 {
			name = string(runes[:64])
		}
		if name = strings.TrimSpace(name); name != "" {
			return name
		}
	}
	return "?"
}

// record writes what happens to a request; actor is who made it happen.
func (s *CIBA) record(ctx context.Context, typ string, outcome audit.Outcome, actor string, r *oauth.CIBARequest, reason string) error {
	env := oauth.EnvOf(ctx)
	e := audit.Event{Type: typ, Outcome: outcome, Actor: actor, User: r.User, Client: r.Client, Grant: r.Grant, Reason: reason, Request: env.RequestID}
	if env.IP.IsValid() {
		e.IP = env.IP.String()
	}
	if r.Mode != "" {
		e.Data = map[string]string{"mode": r.Mode}
	}
	if err := s.opt.Audit.Record(ctx, e); err != nil {
		return oauth.Unavailable(err)
	}
	return nil
}
