package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/riskstep/policy"
)

type riskCmd struct {
	Explain  riskExplainCmd  `cmd:"" help:"Say why a decision came out as it did: what was judged, what it weighed, which rule decided."`
	Simulate riskSimulateCmd `cmd:"" help:"Try a threshold, a budget or rules on the decisions on record: who would have been challenged."`
	Replay   riskReplayCmd   `cmd:"" help:"Judge recorded logins from the start, as lines of JSON or the CSV of the RBA data set."`
}

const riskDecided = "risk.decided" // the type of the entries of decisions

type riskExplainCmd struct {
	configFlags
	outputFlags
	ID string `arg:"" placeholder:"ID" help:"Number of the audit entry (type risk.decided), or STREAM:SEQ where several processes have one of that number."`
}

// explained is a decision for programs.
type explained struct {
	Stream  string         `json:"stream"`
	Seq     int64          `json:"seq"`
	At      string         `json:"at"`
	Intact  bool           `json:"intact"` // the entry has the hash of what it holds
	User    string         `json:"user"`
	Client  string         `json:"client,omitempty"`
	Device  string         `json:"device,omitempty"`
	IP      string         `json:"ip,omitempty"`
	Request string         `json:"request,omitempty"`
	Action  string         `json:"action"`             // what was done: the policy's outcome, what the client wants and what the person can
	Asked   string         `json:"required,omitempty"` // acr
	Record  *policy.Record `json:"record"`
}

func (c riskExplainCmd) Run(t *terminal) error {
	stream, seq, err := entryID(c.ID)
	if err != nil {
		return err
	}
	return c.operate(t, func(ctx context.Context, h *house) error {
		e, err := findDecision(ctx, h.db, stream, seq)
		if err != nil {
			return err
		}
		x, err := explain(e)
		if err != nil {
			return err
		}
		if err := c.print(t.out, x.table()); err != nil {
			return err
		}
		if !x.Intact {
			return errors.New("the entry was altered: run 'postern audit verify'")
		}
		return nil
	})
}

// entryID reads SEQ or STREAM:SEQ.
func entryID(id string) (stream string, seq int64, err error) {
	i := strings.LastIndexByte(id, ':')
	seq, err = strconv.ParseInt(id[i+1:], 10, 64)
	if err != nil || seq < 1 || i == 0 {
		return "", 0, usage("%q is no number of an audit entry, and not STREAM:SEQ", id)
	}
	return id[:max(i, 0)], seq, nil
}

// findDecision returns the one decision with that number.
func findDecision(ctx context.Context, s audit.Store, stream string, seq int64) (*audit.Entry, error) {
	heads, err := s.AuditHeads(ctx)
	if err != nil {
		return nil, err
	}
	var found []audit.Entry
	other := ""
	for _, head := range heads {
		if stream != "" && head.Stream != stream || seq > head.Seq {
			continue
		}
		page, err := s.ReadAudit(ctx, head.Stream, seq, 1)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 || page[0].Seq != seq {
			continue
		}
		if page[0].Type == riskDecided {
			found = append(found, page[0])
		} else {
			other = page[0].Type
		}
	}
	switch {
	case len(found) == 1:
		return &found[0], nil
	case len(found) == 0 && other != "":
		return nil, fmt.Errorf("entry %d is %s, not %s: see 'postern audit show'", seq, other, riskDecided)
	case len(found) == 0:
		return nil, fmt.Errorf("there is no entry %d", seq)
	}
	names := make([]string, len(found))
	for i, e := range found {
		names[i] = fmt.Sprintf("%s:%d", e.Stream, e.Seq)
	}
	return nil, fmt.Errorf("several processes have a decision %d; say which: %s", seq, strings.Join(names, ", "))
}

// recordOf is the record of a decision.
func recordOf(e *audit.Entry) (*policy.Record, audit.Event, error) {
	ev, err := e.Event()
	if err != nil {
		return nil, ev, err
	}
	if len(ev.Evidence) == 0 {
		return nil, ev, errors.New("this decision is older than records of decisions: only 'postern audit show' knows it")
	}
	r, err := policy.ParseRecord(ev.Evidence)
	return r, ev, err
}

func explain(e *audit.Entry) (*explained, error) {
	r, ev, err := recordOf(e)
	if err != nil {
		return nil, err
	}
	return &explained{
		Stream: e.Stream, Seq: e.Seq, At: date(e.At), Intact: e.Intact(), User: string(ev.User), Client: string(ev.Client), Device: string(ev.Device),
		IP: ev.IP, Request: ev.Request, Action: ev.Data["action"], Asked: ev.Data["required"], Record: r,
	}, nil
}

func (x *explained) table() table {
	out := table{json: x}
	row := func(name, value string) {
		if value != "" {
			out.add(name, value)
		}
	}
	r := x.Record
	f := r.Facts
	row("entry", fmt.Sprintf("%s:%d", x.Stream, x.Seq))
	row("at", x.At)
	row("user", fmt.Sprintf("%s (%d sign-ins remembered, can reach %s)", x.User, f.User.Logins, rungWord(f.User.Best)))
	row("client", x.Client)
	row("moment", strings.ReplaceAll(f.Moment, "_", " "))
	row("where", where(f.Net, x.IP))
	row("device", deviceWords(f.Device))
	row("held", rungWord(f.Session.AAL))
	action := x.Action
	if x.Asked != "" && action == "step_up" {
		action += " to " + x.Asked
	}
	row("action", action)
	row("decided by", decidedBy(r.Outcome))
	for _, s := range r.Outcome.Shadow {
		row("in shadow", fmt.Sprintf("rule %s: %s", s.Rule, s))
	}
	row("risk", fmt.Sprintf("%s: P = %.3g, %s", f.Risk.Level, f.Risk.P, oneIn(f.Risk.P)))
	row("score", fmt.Sprintf("%+.2f, of which %+.2f before anything was looked at", r.Score, r.Prior))
	for _, reason := range r.Reasons {
		out.add("  "+reason.Signal, bar(reason.Bits)+sentence(reason))
	}
	row("like", fmt.Sprintf("an attacker: naive %.0f %%, VPN %.0f %%, targeted %.0f %%, stolen credentials %.0f %%", 100*r.Types[0], 100*r.Types[1], 100*r.Types[2], 100*r.Types[3]))
	row("thresholds", limitWords(f.Limits))
	model := "version " + r.Model
	if r.MMDB > 0 {
		model += ", data of networks from " + date(time.Unix(r.MMDB, 0))
	}
	row("model", model)
	if r.Cut {
		row("note", "the record was too long: scopes or outcomes in shadow are missing")
	}
	return out
}

var rungs = [...]string{"nothing", "one factor", "two factors", "two factors that resist phishing", "two factors in hardware"}

func rungWord(n int) string { return rungs[min(max(n, 0), len(rungs)-1)] }

func where(n policy.Net, ip string) string {
	words := []string{}
	if n.Country != "" {
		words = append(words, n.Country)
	}
	if n.ASN != 0 {
		words = append(words, fmt.Sprintf("AS%d", n.ASN))
	}
	for _, w := range []struct {
		is   bool
		word string
	}{{n.Hosting, "a data centre"}, {n.Anonymous, "an anonymiser"}, {n.Mobile, "a mobile network"}, {!n.Known, "not known to the data"}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	if ip != "" {
		words = append(words, ip)
	}
	return strings.Join(words, ", ")
}

func deviceWords(d policy.Device) string {
	word := "not known"
	if d.Known {
		word = "known"
	}
	switch {
	case d.Hardware:
		return word + ", proved a key in hardware"
	case d.Bound:
		return word + ", proved a key"
	}
	return word
}

func decidedBy(o policy.Outcome) string {
	if o.Rule == "" {
		return "no rule: nothing was asked because of the risk"
	}
	return fmt.Sprintf("rule %s: %s", o.Rule, o)
}

func limitWords(l policy.Thresholds) string {
	deny := "nobody is refused by it"
	if l.Deny < 1 {
		deny = fmt.Sprintf("refused from P = %.3g on", l.Deny)
	}
	return fmt.Sprintf("challenged from P = %.3g on; %s", l.StepUp, deny)
}

// oneIn is p as people say it.
func oneIn(p float64) string {
	switch {
	case p < 0.0001:
		return "fewer than 1 such sign-in in 10000 is an attack"
	case p < 0.5:
		return fmt.Sprintf("about 1 such sign-in in %.0f is an attack", 1/p)
	}
	return fmt.Sprintf("about %.0f of 100 such sign-ins are attacks", 100*p)
}

const barWidth = 10 // bits to either side; more look the same

// bar draws bits: to the left what speaks for the owner, to the right what speaks for an attack.
func bar(bits float64) string {
	n := int(math.Round(min(math.Abs(bits), barWidth)))
	left, right := strings.Repeat(" ", barWidth), strings.Repeat(" ", barWidth)
	if bits < 0 {
		left = strings.Repeat(" ", barWidth-n) + strings.Repeat("-", n)
	} else {
		right = strings.Repeat("+", n) + strings.Repeat(" ", barWidth-n)
	}
	return fmt.Sprintf("%6.1f  %s|%s  ", bits, left, right)
}

var signalWords = map[string]string{
	"network": "The network", "device": "The device", "key": "The device's key", "agent": "The browser", "ja4": "The TLS handshake", "travel": "The way there",
	"hosting": "The kind of network", "time": "The hour", "velocity": "Attempts nearby", "credential": "What was shown",
}

// sentence is a contribution in words.
func sentence(r policy.Reason) string {
	subject, ok := signalWords[r.Signal]
	if !ok {
		subject = r.Signal
	}
	found := strings.ReplaceAll(r.Level, "_", " ")
	if found == "" {
		found = "judged"
	}
	times := math.Exp2(math.Abs(r.Bits))
	switch {
	case math.Abs(r.Bits) < 0.1:
		return fmt.Sprintf("%s (%s) says nothing.", subject, found)
	case r.Bits < 0:
		return fmt.Sprintf("%s (%s) makes an attack %.3g times less likely.", subject, found, times)
	}
	return fmt.Sprintf("%s (%s) makes an attack %.3g times likelier.", subject, found, times)
}
