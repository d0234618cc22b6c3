package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/keys"
)

type auditCmd struct {
	Verify     auditVerifyCmd     `cmd:"" help:"Find every entry that was altered, removed or cut off; exit code 1 if there is one."`
	Export     auditExportCmd     `cmd:"" help:"Write all entries as lines of JSON, which verify reads without the database."`
	Show       auditShowCmd       `cmd:"" help:"Show one entry, and prove again what a person approved with it; exit code 1 if it does not verify."`
	Checkpoint auditCheckpointCmd `cmd:"" help:"Print a signed statement of where the trail stands; keep it outside the database."`
}

// typCheckpoint is the `typ` of a checkpoint: no other of our signatures can pass for one.
const typCheckpoint = "postern-checkpoint+jws"

const maxCheckpoint = 4 << 20 // bytes

// checkpoint returns a signed checkpoint.
func (h *house) checkpoint(ctx context.Context) (string, error) {
	ring, err := h.ring(ctx, "audit")
	if err != nil {
		return "", err
	}
	return audit.MakeCheckpoint(ctx, h.db, clock(), func(ctx context.Context, payload []byte) (string, error) {
		return ring.Sign(ctx, "", typCheckpoint, payload)
	})
}

// eraseAddresses removes the addresses from the trail whose time is over.
func (h *house) eraseAddresses(ctx context.Context) error {
	const batch = 500
	for ctx.Err() == nil {
		n, err := h.db.EraseAddresses(ctx, clock().Add(-h.cfg.Audit.AddressRetention.D()), batch)
		if err != nil || n < batch {
			return err
		}
	}
	return ctx.Err()
}

type auditVerifyCmd struct {
	configFlags
	outputFlags
	Checkpoints string `type:"existingfile" placeholder:"FILE" help:"Checkpoints, one a line: without them an end that was cut off can go unseen."`
	JWKS        string `name:"jwks" type:"existingfile" placeholder:"FILE" help:"Public keys of the checkpoints, as 'postern keys jwks --use audit' prints them; those in the database if not given."`
	File        string `type:"existingfile" placeholder:"FILE" help:"Verify an export instead of the database. With --jwks, or without --checkpoints, no database is needed."`
}

func (c auditVerifyCmd) Run(t *terminal) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	if c.File != "" && (o.Check != nil || o.Checkpoints == nil) {
		return c.export(t, o)
	}
	return c.operate(t, func(ctx context.Context, h *house) error {
		if o.Check == nil && o.Checkpoints != nil {
			ring, err := h.ring(ctx, "audit")
			if err != nil {
				return err
			}
			o.Check = checkedBy(ring.Verify)
		}
		if c.File != "" {
			return c.export(t, o)
		}
		report, err := audit.Verify(ctx, h.db, o)
		if err != nil {
			return err
		}
		return c.report(t, report)
	})
}

// options reads the checkpoints and, where they are given, their keys.
func (c auditVerifyCmd) options() (o audit.VerifyOptions, err error) {
	if c.JWKS != "" {
		raw, err := readLimited(c.JWKS, maxConfig)
		if err != nil {
			return o, err
		}
		set, err := keys.ParseSet(raw)
		if err != nil {
			return o, fmt.Errorf("%s: %w", c.JWKS, err)
		}
		o.Check = checkedBy(set.Verify)
	}
	if c.Checkpoints == "" {
		return o, nil
	}
	f, err := os.Open(c.Checkpoints)
	if err != nil {
		return o, err
	}
	defer f.Close()
	o.Checkpoints, err = audit.ReadCheckpoints(f)
	return o, err
}

// checkedBy accepts nothing but checkpoints.
func checkedBy(verify func(string, keys.Expect) (keys.Verified, error)) func(string) ([]byte, error) {
	return func(jws string) ([]byte, error) {
		v, err := verify(jws, keys.Expect{Algs: []string{keys.ES256}, Typ: []string{typCheckpoint}, MaxSize: maxCheckpoint})
		return v.Payload, err
	}
}

func (c auditVerifyCmd) export(t *terminal, o audit.VerifyOptions) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	report, err := audit.VerifyExport(f, o)
	if err != nil {
		return err
	}
	return c.report(t, report)
}

func (c auditVerifyCmd) report(t *terminal, r audit.Report) error {
	out := table{json: r}
	for _, f := range r.Faults {
		out.add("FAULT", f.Kind, dash(f.Stream), fmt.Sprint(f.Seq), f.Detail)
	}
	if r.OK() {
		out.add(fmt.Sprintf("%d entries in %d streams are as they were written; %d checkpoints agree", r.Entries, r.Streams, r.Checkpoints))
		out.add(fmt.Sprintf("%d addresses are those that were recorded; %d were erased", r.Addresses, r.Erased))
	}
	if err := c.print(t.out, out); err != nil {
		return err
	}
	if !r.OK() {
		return fmt.Errorf("the audit trail is not what was written: %d faults", r.FaultCount)
	}
	return nil
}

type auditExportCmd struct {
	configFlags
	File string `short:"f" placeholder:"FILE" help:"Write to this new file instead of standard output."`
}

func (c auditExportCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) (err error) {
		var w io.Writer = t.out
		if c.File != "" {
			f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			w = f
		}
		return audit.Export(ctx, h.db, w)
	})
}

type auditCheckpointCmd struct {
	configFlags
	File string `short:"f" placeholder:"FILE" help:"Append to this file instead of printing."`
}

func (c auditCheckpointCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		line, err := h.checkpoint(ctx)
		if err != nil {
			return err
		}
		if c.File != "" {
			return appendLine(c.File, line)
		}
		_, err = fmt.Fprintln(t.out, line)
		return err
	})
}

// appendLine adds a line to a file, durably.
func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}
