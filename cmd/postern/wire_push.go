package main

import (
	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/notify/webpush"
	"github.com/postern-id/postern/web"
)

// deriveVAPID is for ever: browsers bind their subscriptions to the key that comes of it.
const deriveVAPID = "vapid"

// pushes is what tells people's devices that something waits for their approval.
func (h *house) pushes(p parts, fetch *egress.Client) (*webpush.Courier, error) {
	sender, err := webpush.New(webpush.Options{Egress: fetch, Secret: p.sealer.Anchor(deriveVAPID), Subject: h.cfg.Issuer, Now: clock, Rand: random})
	if err != nil {
		return nil, err
	}
	words, err := web.PushWriter()
	if err != nil {
		return nil, err
	}
	return webpush.NewCourier(webpush.CourierOptions{Sender: sender, Authn: p.people, Users: h.db, Words: words, Issuer: h.cfg.Issuer}), nil
}
