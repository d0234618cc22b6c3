package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// operate runs f on the database of a configuration, for commands: no server need be running, and one that runs sees the
// change within a second.
func (f configFlags) operate(t *terminal, do func(ctx context.Context, h *house) error) error {
	cfg, err := f.load(t)
	if err != nil {
		return err
	}
	h, err := openHouse(t.ctx, cfg.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = h.migrated(t.ctx, false)
	if err == nil {
		err = do(t.ctx, h)
	}
	return errors.Join(err, h.close(context.WithoutCancel(t.ctx)))
}

// findUser accepts what an operator would type: a username, an e-mail address or an ID.
func (h *house) findUser(ctx context.Context, who string) (authn.User, error) {
	u, err := h.db.UserByIdentifier(ctx, authn.NormalizeIdentifier(who))
	if errors.Is(err, store.ErrNotFound) {
		u, err = h.db.User(ctx, ident.UserID(who))
	}
	if errors.Is(err, store.ErrNotFound) {
		return u, fmt.Errorf("there is no user %q: see 'postern user list'", who)
	}
	return u, err
}

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" default:"withargs" help:"Apply what is pending. Safe while the previous version still runs."`
	Status migrateStatusCmd `cmd:"" help:"List what is pending; exit code 1 if something is."`
}

type migrateUpCmd struct{ configFlags }

func (c migrateUpCmd) Run(t *terminal) error {
	cfg, err := c.load(t)
	if err != nil {
		return err
	}
	h, err := openHouse(t.ctx, cfg.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	applied, err := h.db.Migrate(t.ctx)
	for _, name := range applied {
		fmt.Fprintln(t.out, "applied", name)
	}
	if err == nil && len(applied) == 0 {
		fmt.Fprintln(t.out, "The database is up to date.")
	}
	return errors.Join(err, h.close(context.WithoutCancel(t.ctx)))
}

type migrateStatusCmd struct {
	configFlags
	outputFlags
}

func (c migrateStatusCmd) Run(t *terminal) error {
	cfg, err := c.load(t)
	if err != nil {
		return err
	}
	h, err := openHouse(t.ctx, cfg.Config, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer h.close(context.WithoutCancel(t.ctx))
	pending, err := h.db.Pending(t.ctx)
	if err != nil {
		return err
	}
	out := table{json: map[string]any{"pending": append([]string{}, pending...)}}
	for _, name := range pending {
		out.add("pending", name)
	}
	if len(pending) == 0 {
		out.add("The database is up to date.")
	}
	if err := c.print(t.out, out); err != nil {
		return err
	}
	if len(pending) > 0 {
		return fmt.Errorf("%d migrations are pending: run 'postern migrate up'", len(pending))
	}
	return nil
}

type applyCmd struct {
	configFlags
	outputFlags
	File   string `short:"f" required:"" type:"path" placeholder:"FILE" help:"Seed file in YAML or JSON: clients, users, resources. - for standard input."`
	DryRun bool   `help:"Only print what would change."`
}

func (c applyCmd) Run(t *terminal) error {
	s, err := readSeed(t, c.File)
	if err != nil {
		return err
	}
	return c.operate(t, func(ctx context.Context, h *house) error {
		changes, err := h.plan(ctx, s)
		if err != nil {
			return err
		}
		for i := 0; i < len(changes) && !c.DryRun; i++ {
			if err := changes[i].do(ctx); err != nil {
				return fmt.Errorf("%s %q: %w (%d of %d changes are applied)", changes[i].Kind, changes[i].Name, err, i, len(changes))
			}
		}
		return c.report(t, changes)
	})
}

func (c applyCmd) report(t *terminal, changes []change) error {
	out := table{json: map[string]any{"dry_run": c.DryRun, "changes": append([]change{}, changes...)}}
	for _, ch := range changes {
		if ch.Warn != "" {
			fmt.Fprintf(t.err, "postern: warning: %s %q: %s\n", ch.Kind, ch.Name, ch.Warn)
		}
		action := map[bool]map[string]string{
			false: {"create": "created", "update": "updated"}, true: {"create": "would create", "update": "would update"},
		}[c.DryRun][ch.Action]
		fields := ""
		if ch.Action == "update" {
			fields = joinComma(ch.Fields)
		}
		out.add(action, ch.Kind, ch.Name, fields)
	}
	if len(changes) == 0 {
		out.add("no changes")
	}
	return c.print(t.out, out)
}

func readSeed(t *terminal, file string) (*seed, error) {
	var raw []byte
	var err error
	if file == "-" {
		file = "standard input"
		raw, err = readAllLimited(t.in, maxConfig)
	} else {
		raw, err = readLimited(file, maxConfig)
	}
	if err != nil {
		return nil, faults{{Where: file, What: plainIO(err).Error()}}
	}
	return parseSeed(file, raw)
}
