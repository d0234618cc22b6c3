package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/policy"
)

// decided puts decisions into the trail of a workspace: n sign-ins at home of each of two people with risks that grow, and
// before them one that is older than what is looked at. It returns the last entry.
func decided(t *testing.T, file string, n int) audit.Head {
	t.Helper()
	ctx := context.Background()
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: filepath.Join(filepath.Dir(file), "postern.db"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	at := time.Now().AddDate(0, -3, 0)
	trail, err := audit.NewWriter(ctx, audit.WriterOptions{Store: db, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	defer trail.Close(ctx)
	record := func(user, client string, p float64) {
		r := policy.Record{
			Model: "1", Score: -3, Prior: -4.6, Types: [4]float64{0.7, 0.2, 0.08, 0.02}, MMDB: 1_760_000_000,
			Facts: policy.Facts{
				Moment: "sign_in", Risk: policy.Risk{P: p, Level: policy.LevelOf(p)}, Limits: policy.Thresholds{StepUp: 0.2, Deny: 1}, Net: policy.Net{Country: "NO", ASN: 2119, Known: true},
				Device: policy.Device{Known: true}, User: policy.User{Logins: 9, Best: 3}, Client: policy.Client{ID: client}, Session: policy.Session{AAL: 1},
			},
			Reasons: []policy.Reason{{Signal: "device", Bits: -3.2, Level: "known device"}, {Signal: "network", Bits: 6.1, Level: "new provider"}},
			Outcome: policy.Outcome{Action: policy.Allow},
		}
		if p >= r.Facts.Limits.StepUp {
			r.Outcome = policy.Outcome{Action: policy.StepUp, Required: ident.PhishingResistant, Rule: "risk_phr"}
		}
		b, err := r.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		e := audit.Event{Type: riskDecided, Outcome: audit.OK, Actor: "system", User: ident.UserID(user), Client: ident.ClientID(client), IP: "203.0.113.7", Evidence: b}
		e.Data = map[string]string{"action": r.Outcome.Action.String()}
		if err := trail.Record(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	record("old", "shop", 0.9)
	at = time.Now().Add(-time.Hour)
	if err := trail.Record(ctx, audit.Event{Type: "session.started", Outcome: audit.OK}); err != nil {
		t.Fatal(err)
	}
	if err := trail.Record(ctx, audit.Event{Type: riskDecided, Outcome: audit.OK, User: "before records"}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		record("ann", "shop", 0.3*float64(i)/float64(n))
		record("bob", "bank", 0.01)
	}
	heads, err := db.AuditHeads(ctx)
	if err != nil || len(heads) != 1 {
		t.Fatal(heads, err)
	}
	return heads[0]
}

func TestRiskExplain(t *testing.T) {
	file, do := workspace(t, "risk: {thresholds: {step_up: 0.2}}\n")
	last := decided(t, file, 10)
	stream, id := last.Stream, fmt.Sprint(last.Seq-1) // of ann, P = 0.27
	out := must(t, do("", "risk", "explain", id))
	for _, want := range []string{
		stream + ":" + id, "ann (9 sign-ins remembered, can reach two factors that resist phishing)", "shop", "sign in", "NO, AS2119, 203.0.113.7", "one factor",
		`rule risk_phr: stepup(acr="phr")`, "medium: P = 0.27, about 1 such sign-in in 4 is an attack",
		"   6.1            |++++++      The network (new provider) makes an attack 68.6 times likelier.",
		"  -3.2         ---|            The device (known device) makes an attack 9.19 times less likely.",
		"challenged from P = 0.2 on; nobody is refused by it", "version 1, data of networks from 2025-10-09", "naive 70 %",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if again := must(t, do("", "risk", "explain", stream+":"+id)); again != out {
		t.Errorf("by its stream: %s", again)
	}
	var x explained
	if err := json.Unmarshal([]byte(must(t, do("", "risk", "explain", id, "-o", "json"))), &x); err != nil || x.User != "ann" || !x.Intact || x.Record.Facts.Risk.P != 0.27 {
		t.Errorf("%+v, %v", x, err)
	}
	for id, want := range map[string]string{fmt.Sprint(last.Seq - 21): "session.started", fmt.Sprint(last.Seq - 20): "older than records", "4000": "no entry", "x": "no number", ":4": "no number", "other:4": "no entry", "-4": ""} {
		if r := do("", "risk", "explain", id); r.code == exitOK || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v", id, r)
		}
	}
}

func TestRiskSimulate(t *testing.T) {
	file, do := workspace(t, "risk: {thresholds: {step_up: 0.2}}\n")
	decided(t, file, 10)
	run := func(args ...string) (s simulation) {
		t.Helper()
		if err := json.Unmarshal([]byte(must(t, do("", append([]string{"risk", "simulate", "-o", "json"}, args...)...))), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	// ann: 0, 0.03, 0.06 … 0.27, of which those from 0.2 on were challenged.
	same := run()
	if same.Total != (tally{20, 3, 3}) || same.Changed != 0 || same.Unreadable != 1 || same.Users != 2 {
		t.Errorf("the same policy: %+v", same)
	}
	lower := run("--threshold", "0.1")
	if lower.Total != (tally{20, 3, 6}) || lower.Changed != 3 || len(lower.Changes) != 3 || *lower.Clients["shop"] != (tally{10, 3, 6}) || *lower.Clients["bank"] != (tally{10, 0, 0}) {
		t.Errorf("a lower threshold: %+v", lower)
	}
	if fmt.Sprintf("%.2f %.2f", lower.MedianWas, lower.MedianNow) != "0.15 0.30" || lower.Now[policy.StepUp] != 6 || lower.Changes[0].Rule != "risk_phr" {
		t.Errorf("a lower threshold: %+v", lower)
	}
	if few := run("--threshold", "0.1", "--limit", "1"); few.Changed != 3 || len(few.Changes) != 1 {
		t.Errorf("with a limit: %+v", few)
	}
	if all := run("--since", "200d"); all.Total.Decisions != 21 {
		t.Errorf("from the beginning: %+v", all.Total)
	}
	if cold := run("--budget", "0.1"); cold.Limits.StepUp != 0.2 {
		t.Errorf("a budget of too few: %+v", cold.Limits)
	}
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, rules, "- name: bank\n  when: risk.p > 0.005\n  then: deny\n  clients: [bank]\n  tests:\n  - {name: shop, facts: {client: {id: shop}, risk: {p: 0.5}}, want: allow}\n")
	if denied := run("--policy", rules); denied.Now[policy.Deny] != 10 {
		t.Errorf("with a rule: %+v", denied)
	}
	write(t, rules, "- name: bank\n  when: risk.p > 0.005\n  then: deny\n  tests:\n  - {name: shop, facts: {client: {id: shop}, risk: {p: 0.5}}, want: allow}\n")
	if r := do("", "risk", "simulate", "--policy", rules); r.code == exitOK || !strings.Contains(r.err, "test 1 (shop): is deny, and should be allow") {
		t.Errorf("a rule whose test fails: %+v", r)
	}
	text := must(t, do("", "risk", "simulate", "--threshold", "0.1"))
	for _, want := range []string{"20 decisions about 2 people, 1 without a record", "stepup                    3    15.0 %  6         30.0 %", "shop    10         30.0 %      60.0 %", "3 decisions would be others; 3 of them:"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, args := range [][]string{{"--threshold", "0.1", "--budget", "0.1"}, {"--threshold", "2"}, {"--limit=-1"}} {
		if r := do("", append([]string{"risk", "simulate"}, args...)...); r.code != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestBar(t *testing.T) {
	for bits, want := range map[float64]string{0: "   0.0            |            ", 2.4: "   2.4            |++          ", -99: " -99.0  ----------|            ", 99: "  99.0            |++++++++++  "} {
		if got := bar(bits); got != want {
			t.Errorf("%v: %q, want %q", bits, got, want)
		}
	}
}

// The examples of the documentation are rules that hold.
func TestRiskDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/risk.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("no examples")
	}
	for i, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		file := filepath.Join(t.TempDir(), "rules.yaml")
		write(t, file, block)
		rules, err := riskRules(file)
		if err != nil || len(rules) < 4 {
			t.Fatalf("example %d: %d rules, %v", i+1, len(rules), err)
		}
		if _, err := policy.DefaultConfig().Build(rules...); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
	}
	for _, rule := range policy.DefaultRules() {
		if !strings.Contains(string(text), "`"+rule.Name+"`") {
			t.Errorf("the default rule %s is not explained", rule.Name)
		}
	}
	for _, words := range [][]string{policy.Signals, policy.Novelties, policy.Doubts, policy.Moments} {
		for _, w := range words {
			if !strings.Contains(string(text), "`"+w+"`") {
				t.Errorf("%s is not explained", w)
			}
		}
	}
}

// BenchmarkSimulate is one decision on record, decided again.
func BenchmarkSimulate(b *testing.B) {
	p, err := policy.DefaultConfig().Build()
	if err != nil {
		b.Fatal(err)
	}
	text, err := policy.Record{Model: "1", Facts: policy.Facts{Moment: "sign_in", Risk: policy.Risk{P: 0.01}, User: policy.User{Best: 2}}}.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	body, err := json.Marshal(audit.Event{Type: riskDecided, Outcome: audit.OK, User: "ann", Client: "shop", Evidence: text})
	if err != nil {
		b.Fatal(err)
	}
	s := newSimulation(p, 20)
	for b.Loop() {
		if err := s.add(&audit.Entry{Type: riskDecided, Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}
