package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/store"
)

type sessionCmd struct {
	List   sessionListCmd   `cmd:"" help:"List live sessions, of everybody or of one user."`
	Show   sessionShowCmd   `cmd:"" help:"Show one session."`
	Revoke sessionRevokeCmd `cmd:"" help:"End a session, or all of a user; every token that derives from it dies."`
}

type sessionListCmd struct {
	configFlags
	outputFlags
	User  string `help:"Only of this user: username, e-mail address or ID."`
	Limit int    `default:"1000" help:"The most sessions to list."`
}

func (c sessionListCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		out := table{head: []string{"SESSION", "USER", "ACR", "DEVICE", "COUNTRY", "SIGNED IN", "LAST SEEN", "ENDS"}}
		list, err := h.listSessions(ctx, c.User, c.Limit)
		if err != nil {
			return err
		}
		for _, s := range list {
			out.add(string(s.ID), string(s.User), s.Assurance.ACR(), dash(s.Agent), dash(s.Country), date(s.AuthTime), date(s.LastSeen), date(s.ExpiresAt))
		}
		out.json = list
		return c.print(t.out, out)
	})
}

// listSessions returns live sessions, of one user where who is not "".
func (h *house) listSessions(ctx context.Context, who string, limit int) ([]sessions.Session, error) {
	if who != "" {
		u, err := h.findUser(ctx, who)
		if err != nil {
			return nil, err
		}
		list, err := h.db.SessionsOf(ctx, u.ID, clock())
		return append([]sessions.Session{}, list[:min(limit, len(list))]...), err
	}
	list := []sessions.Session{}
	for after := ident.SessionID(""); len(list) < limit; {
		page, err := h.db.SessionsAfter(ctx, after, clock(), min(pageOfUsers, limit-len(list)))
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		list, after = append(list, page...), page[len(page)-1].ID
	}
	return list, nil
}

type sessionShowCmd struct {
	configFlags
	outputFlags
	ID string `arg:"" name:"session" help:"The session's ID, as tokens carry it in sid."`
}

func (c sessionShowCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		s, err := h.db.Session(ctx, ident.SessionID(c.ID))
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no session %q", c.ID)
		}
		if err != nil {
			return err
		}
		doc, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return c.print(t.out, documentTable(doc))
	})
}

type sessionRevokeCmd struct {
	configFlags
	ID   string `arg:"" name:"session" optional:"" help:"The session's ID."`
	User string `help:"All sessions of this user, and offline access too."`
}

const endedByOperator = "operator"

func (c sessionRevokeCmd) Run(t *terminal) error {
	if (c.ID == "") == (c.User == "") {
		return usage("name a session or --user, not both")
	}
	return c.operate(t, func(ctx context.Context, h *house) error {
		m, err := h.theSessions(ctx)
		if err != nil {
			return err
		}
		if c.ID != "" {
			if err := m.End(ctx, ident.SessionID(c.ID), endedByOperator); err != nil {
				return fmt.Errorf("session %q is not live: %w", c.ID, err)
			}
			fmt.Fprintln(t.out, "ended session", c.ID)
			return nil
		}
		u, err := h.findUser(ctx, c.User)
		if err != nil {
			return err
		}
		ids, err := m.EndAll(ctx, u.ID, "", endedByOperator)
		if err == nil {
			fmt.Fprintf(t.out, "ended %d sessions of %s\n", len(ids), u.Username)
		}
		return err
	})
}
