package main

import (
	"context"
	"fmt"

	"github.com/postern-id/postern/oauth"
)

// addLogouts adds to out what became of telling a client by back channel of the sessions that ended within a day: how much
// was delivered, and each of the latest that was not. Nothing where it does not want to be told.
func (h *house) addLogouts(ctx context.Context, c *oauth.Client, out *table) error {
	if c.BackchannelLogout == "" {
		return nil
	}
	const most, shown = 1000, 20
	list, err := h.db.DeliveriesOf(ctx, oauth.LogoutDelivery, c.ID, clock().Add(-day), most)
	if err != nil {
		return err
	}
	count := map[string]int{}
	var rows [][]string
	for _, d := range list {
		state := "pending"
		switch {
		case !d.DeliveredAt.IsZero():
			state = "delivered"
		case d.DueAt.IsZero():
			state = "given up"
		}
		count[state]++
		if state != "delivered" && len(rows) < shown {
			rows = append(rows, []string{"  " + date(d.CreatedAt), fmt.Sprintf("%s after %d attempts, session %s, last failure: %s", state, d.Attempts, d.Session, dash(d.Failure))})
		}
	}
	out.add("logouts of the last day", fmt.Sprintf("%d delivered, %d pending, %d given up", count["delivered"], count["pending"], count["given up"]))
	out.rows = append(out.rows, rows...)
	return nil
}
