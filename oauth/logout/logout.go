// Package logout owns what clients hear from us, not from the browser, of a session that ended: which token they are sent, and
// what their answer means. OpenID Connect Back-Channel Logout. It never ends a session, and leaves queue and retries to courier.
package logout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/oauth/courier"
	"github.com/postern-id/postern/oauth/issue"
)

// delays are what is waited after each attempt that failed: five of them within ten minutes.
var delays = []time.Duration{10 * time.Second, 30 * time.Second, 2 * time.Minute, 7 * time.Minute}

// Options of New; all are needed.
type Options struct {
	Store    oauth.DeliveryStore
	Registry *oauth.Registry
	Issue    *issue.Issuer
	Egress   *egress.Client
	Audit    audit.Recorder
	Now      func() time.Time
}

// New returns a courier that delivers logout tokens.
func New(opt Options) *courier.Courier {
	return courier.New(courier.Options{Store: opt.Store, Kind: oauth.LogoutDelivery, Delays: delays, Send: opt.send, Note: opt.note, Now: opt.Now})
}

func (opt Options) send(ctx context.Context, d oauth.Delivery) courier.Outcome {
	client, err := opt.Registry.Client(d.Client)
	if err != nil || client.BackchannelLogout == "" {
		return courier.Outcome{Why: "unregistered", Final: true}
	}
	token, err := opt.Issue.LogoutToken(ctx, client, d.User, d.Session)
	if err != nil {
		return courier.Outcome{Why: "token"}
	}
	status, body, err := opt.Egress.Post(ctx, client.BackchannelLogout, url.Values{"logout_token": {token}})
	switch {
	case errors.Is(err, egress.ErrRefused):
		return courier.Outcome{Why: "address", Final: true}
	case err != nil && status == 0:
		return courier.Outcome{Why: "unreachable"}
	case status == http.StatusOK || status == http.StatusNoContent: // §2.8: some frameworks answer 204
		return courier.Outcome{}
	case status == http.StatusBadRequest && refusal(body):
		return courier.Outcome{Why: "rejected", Status: status, Final: true}
	}
	return courier.Outcome{Why: "status", Status: status}
}

// refusal says whether body is the error of a client that read the token and does not accept it. §2.8.
func refusal(body []byte) bool {
	var e struct {
		Code string `json:"error"`
	}
	return json.Unmarshal(body, &e) == nil && e.Code != ""
}

// note records of client and session, not of the person.
func (opt Options) note(ctx context.Context, d oauth.Delivery, o courier.Outcome, givenUp bool) error {
	e := audit.Event{Type: "logout.delivered", Outcome: audit.OK, Actor: "system", Client: d.Client, Session: d.Session, Reason: o.Why,
		Data: map[string]string{"attempts": strconv.Itoa(d.Attempts)}}
	switch {
	case givenUp:
		e.Type, e.Outcome = "logout.given_up", audit.Failed
	case o.Why != "":
		e.Type, e.Outcome = "logout.failed", audit.Failed
	}
	if o.Status != 0 {
		e.Data["status"] = strconv.Itoa(o.Status)
	}
	if err := opt.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("logout: %s: %w", e.Type, err)
	}
	return nil
}
