package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/egress"
)

type credentialCmd struct {
	Verify credentialVerifyCmd `cmd:"" help:"Verify a credential or presentation; exit code 1 unless everything held that the policy asks for."`
}

// maxCredential is more than a judge looks at, in bytes.
const maxCredential = 1 << 20

type credentialVerifyCmd struct {
	File     string    `arg:"" help:"The credential or presentation; - reads standard input."`
	Policy   string    `type:"existingfile" placeholder:"FILE" help:"What must hold, as JSON (docs/credentials.md). Without it: proof of the issuer, trust, dates, status, and holder binding of presentations."`
	Trust    []string  `placeholder:"ISSUER" help:"An issuer to believe beside those of the policy, a DID or a URL; any believes everybody. May be repeated."`
	Visit    []string  `placeholder:"HOST" help:"A host that may be visited for documents, keys and status lists; * for every public one. May be repeated."`
	At       time.Time `placeholder:"TIME" help:"Judge dates as of this moment, for example 2026-01-31T12:00:00Z."`
	Nonce    string    `help:"The nonce that a presentation must answer."`
	Audience string    `help:"Who a presentation must be for."`
	Output   string    `short:"o" enum:"text,json" default:"text" help:"text for people, json for programs."`
}

func (c credentialVerifyCmd) Run(t *terminal) error {
	policy, err := c.policy()
	if err != nil {
		return usage("%w", err)
	}
	var input []byte
	if c.File == "-" {
		input, err = readAllLimited(t.in, maxCredential)
	} else {
		input, err = readLimited(c.File, maxCredential)
	}
	if err != nil {
		return err
	}
	report := newJudge().Verify(t.ctx, input, policy)
	if c.Output == "json" {
		err = printJSON(t.out, report)
	} else {
		err = c.print(t, report)
	}
	if err != nil {
		return err
	}
	return report.Failed()
}

// newJudge makes a judge that goes wherever a policy allows, on the public internet.
func newJudge() *did.Judge {
	resolver := did.NewResolver(did.ResolverOptions{Methods: did.Methods(clock), Now: clock})
	return did.New(did.Options{Resolver: resolver, Fetch: egress.New(egress.Options{MaxBody: 4 << 20}).Get, Now: clock})
}

// policy is what the file says, and what the flags say instead.
func (c credentialVerifyCmd) policy() (p did.Policy, err error) {
	if c.Policy != "" {
		raw, err := readLimited(c.Policy, maxConfig)
		if err != nil {
			return p, err
		}
		if p, err = did.ParsePolicy(raw); err != nil {
			return p, fmt.Errorf("%s: %w", c.Policy, err)
		}
	}
	p.Trust.Any = p.Trust.Any || slices.Contains(c.Trust, "any")
	p.Trust.Issuers = append(p.Trust.Issuers, slices.DeleteFunc(slices.Clone(c.Trust), func(s string) bool { return s == "any" })...)
	p.Visit = append(p.Visit, c.Visit...)
	if !c.At.IsZero() {
		p.At = c.At
	}
	if c.Nonce != "" {
		p.Nonce = c.Nonce
	}
	if c.Audience != "" {
		p.Audience = c.Audience
	}
	return p, nil
}

func (c credentialVerifyCmd) print(t *terminal, r did.Report) error {
	tw := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	verdict := "refused"
	if r.Holds() {
		verdict = "holds"
	}
	fmt.Fprintf(tw, "%s\t%s %s\n", verdict, oneLine(r.Format), r.Kind)
	for _, check := range r.Checks {
		mark := t.paint(t.out, "32", "held")
		if !check.Held {
			mark = t.paint(t.out, "31", "NOT")
		}
		fmt.Fprintf(tw, "  %s\t%s\t%s\n", mark, oneLine(check.Name), oneLine(check.Why))
	}
	for _, v := range r.Credentials() {
		text, err := json.Marshal(v.Claims())
		if err != nil {
			return err
		}
		fmt.Fprintf(tw, "issuer\t%s\nclaims\t%s\n", oneLine(v.Issuer()), oneLine(string(text)))
	}
	return tw.Flush()
}
