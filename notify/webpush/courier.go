package webpush

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
)

// Words are the title and the text of a push about a, in the language of u: coarse, since they are read on lock screens.
// The zero Approval is a test.
type Words func(u authn.User, a authn.Approval) (lang, title, body string)

// CourierOptions make a Courier. All are needed but Limit.
type CourierOptions struct {
	Sender *Sender
	Authn  *authn.Service
	Users  authn.Store
	Words  Words
	Issuer string // below which the pages of approvals are
	Limit  int    // pushes under way at once, beyond which none is sent; default 64
}

// Courier tells the devices of a person that something waits for their approval. Whether they hear of it or not, it stands
// in their inbox.
type Courier struct {
	opt  CourierOptions
	gate chan struct{}
	busy sync.WaitGroup
}

// NewCourier returns a Courier.
func NewCourier(o CourierOptions) *Courier {
	if o.Limit == 0 {
		o.Limit = 64
	}
	return &Courier{opt: o, gate: make(chan struct{}, o.Limit)}
}

// PublicKey is that of its Sender.
func (c *Courier) PublicKey() string { return c.opt.Sender.PublicKey() }

// Tell pushes the request with handle to all approvers of user but the browser with device, which asks. It returns at once
// and never fails: what became of each push stands with its approver.
func (c *Courier) Tell(ctx context.Context, user ident.UserID, handle string, device ident.DeviceID) {
	ctx = context.WithoutCancel(ctx)
	c.spawn(func() {
		list, err := c.opt.Authn.Approvers(ctx, user)
		if err != nil {
			return
		}
		a, err := c.opt.Authn.Approval(ctx, user, handle)
		if err != nil || a.State != authn.ApprovalPending {
			return
		}
		var each sync.WaitGroup
		for _, to := range list {
			if len(to.Push) > 0 && (device == "" || to.Device != device) {
				each.Go(func() { _ = c.push(ctx, to, a) })
			}
		}
		each.Wait()
	})
}

// spawn runs f in the background, or not at all where too much is under way.
func (c *Courier) spawn(f func()) {
	select {
	case c.gate <- struct{}{}:
	default:
		return
	}
	c.busy.Go(func() {
		defer func() { <-c.gate }()
		f()
	})
}

// Wait returns when nothing is under way any more.
func (c *Courier) Wait() { c.busy.Wait() }

// Test pushes something that needs no answer to an approver, and returns what became of it.
func (c *Courier) Test(ctx context.Context, to authn.Approver) error {
	return c.push(ctx, to, authn.Approval{})
}

// push sends, and notes what became of it.
func (c *Courier) push(ctx context.Context, to authn.Approver, a authn.Approval) error {
	target, ok, err := c.opt.Authn.PushOf(to)
	if err != nil {
		return fmt.Errorf("webpush: %w", err)
	}
	if !ok {
		return ErrGone
	}
	u, err := c.opt.Users.User(ctx, to.User)
	if err != nil {
		return fmt.Errorf("webpush: %w", err)
	}
	message, err := c.message(u, a)
	if err != nil {
		return err
	}
	err = c.opt.Sender.Send(ctx, Target(target), message, "")
	return errors.Join(err, c.opt.Authn.Pushed(ctx, to.User, to.ID, err == nil, errors.Is(err, ErrGone)))
}

// notification is what a browser shows: by itself where it knows declarative pushes (Safari), otherwise by our service
// worker. It holds the handle, with which nothing can be redeemed, and words that are the same for everybody.
type notification struct {
	WebPush int `json:"web_push"` // Declarative Web Push: the number of RFC 8030
	Notice  struct {
		Title string `json:"title"`
		Lang  string `json:"lang"`
		Body  string `json:"body"`
		Tag   string `json:"tag"`
		URL   string `json:"navigate"`
		Stays bool   `json:"requireInteraction"`
	} `json:"notification"`
}

func (c *Courier) message(u authn.User, a authn.Approval) ([]byte, error) {
	n := notification{WebPush: 8030}
	n.Notice.Lang, n.Notice.Title, n.Notice.Body = c.opt.Words(u, a)
	n.Notice.Tag, n.Notice.URL, n.Notice.Stays = "test", c.opt.Issuer+"/approve", true
	if a.Handle != "" {
		n.Notice.Tag = a.Handle
		n.Notice.URL += "/" + a.Handle
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(n); err != nil {
		return nil, fmt.Errorf("webpush: %w", err)
	}
	return []byte(strings.TrimSpace(b.String())), nil
}
