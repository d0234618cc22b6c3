package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
)

type auditShowCmd struct {
	configFlags
	outputFlags
	Entry  string `arg:"" optional:"" placeholder:"STREAM:SEQ" help:"The entry, as an export names it."`
	Handle string `placeholder:"HANDLE" help:"Instead: what approved the request with this handle."`
	File   string `type:"existingfile" placeholder:"FILE" help:"Look in an export: no database is needed."`
}

// shownEntry is an entry with what became of its proof.
type shownEntry struct {
	Stream    string          `json:"stream"`
	Seq       int64           `json:"seq"`
	At        string          `json:"at"`
	Intact    bool            `json:"intact"` // the entry has the hash of what it holds
	Event     audit.Event     `json:"event"`
	Address   string          `json:"address,omitempty"`   // kept, erased or forged; absent where there never was one beside the entry
	Statement json.RawMessage `json:"statement,omitempty"` // what was signed
	Key       string          `json:"key,omitempty"`       // credential id, or thumbprint of an app's key
	Verified  *bool           `json:"verified,omitempty"`  // of the signature; absent where there is none
}

// errFound ends the walk.
var errFound = errors.New("found")

func (c auditShowCmd) Run(t *terminal) error {
	wanted, err := c.wanted()
	if err != nil {
		return err
	}
	var found *audit.Entry
	visit := func(e *audit.Entry) error {
		if !wanted(e) {
			return nil
		}
		found = e
		return errFound
	}
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		err = audit.WalkExport(f, visit)
		return c.show(t, found, err)
	}
	return c.operate(t, func(ctx context.Context, h *house) error {
		err := audit.Walk(ctx, h.db, visit)
		return c.show(t, found, err)
	})
}

// wanted says which entry is meant.
func (c auditShowCmd) wanted() (func(*audit.Entry) bool, error) {
	if (c.Entry == "") == (c.Handle == "") {
		return nil, errors.New("name either STREAM:SEQ or --handle")
	}
	if c.Handle != "" {
		return func(e *audit.Entry) bool {
			if e.Type != "approval.approved" {
				return false
			}
			ev, err := e.Event()
			return err == nil && ev.Data["handle"] == c.Handle
		}, nil
	}
	i := strings.LastIndexByte(c.Entry, ':')
	if i < 0 {
		return nil, fmt.Errorf("%q is not STREAM:SEQ", c.Entry)
	}
	seq, err := strconv.ParseInt(c.Entry[i+1:], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not STREAM:SEQ", c.Entry)
	}
	return func(e *audit.Entry) bool { return e.Stream == c.Entry[:i] && e.Seq == seq }, nil
}

func (c auditShowCmd) show(t *terminal, e *audit.Entry, err error) error {
	switch {
	case err != nil && !errors.Is(err, errFound):
		return err
	case e == nil:
		return errors.New("there is no such entry")
	}
	ev, err := e.Event()
	if err != nil {
		return err
	}
	s := shownEntry{Stream: e.Stream, Seq: e.Seq, At: date(e.At), Intact: e.Intact(), Event: ev, Address: e.Address()}
	var unproven error
	if len(ev.Evidence) > 0 && ev.Type != riskDecided {
		unproven = s.prove()
	}
	if err := c.print(t.out, s.table()); err != nil {
		return err
	}
	if !s.Intact {
		return errors.Join(errors.New("the entry was altered: run 'postern audit verify'"), unproven)
	}
	return unproven
}

// prove verifies the evidence again, with nothing but what it holds itself.
func (s *shownEntry) prove() error {
	yes := false
	s.Verified = &yes
	proof, err := authn.ParseEvidence(s.Event.Evidence)
	if err != nil {
		return err
	}
	if s.Statement, s.Key, err = proof.Verify(); err != nil {
		return err
	}
	// The statement is the one of this entry: evidence cannot be moved to another.
	var st struct{ Handle, User, Kind string }
	if err := json.Unmarshal(s.Statement, &st); err != nil || st.Handle != s.Event.Data["handle"] || st.User != string(s.Event.User) {
		return errors.New("the evidence belongs to another entry")
	}
	yes = true
	return nil
}

func (s shownEntry) table() table {
	out := table{json: s}
	ev := s.Event
	ip := ev.IP
	switch s.Address {
	case audit.AddressErased:
		ip = "address erased"
	case audit.AddressForged:
		ip += " (NOT the address that was recorded)"
	}
	for _, row := range [][2]string{
		{"entry", fmt.Sprintf("%s:%d", s.Stream, s.Seq)}, {"at", s.At}, {"type", ev.Type}, {"outcome", string(ev.Outcome)}, {"reason", ev.Reason},
		{"user", string(ev.User)}, {"client", string(ev.Client)}, {"device", string(ev.Device)}, {"ip", ip}, {"agent", ev.Agent}, {"request", ev.Request},
	} {
		if row[1] != "" {
			out.add(row[0], row[1])
		}
	}
	names := make([]string, 0, len(ev.Data))
	for name := range ev.Data {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		out.add(name, ev.Data[name])
	}
	if s.Verified == nil {
		return out
	}
	if *s.Verified {
		out.add("signed", string(s.Statement))
		out.add("key", s.Key)
		out.add("signature verified")
	} else {
		out.add("signature NOT verified")
	}
	return out
}
