package main

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/riskstep/policy"
)

type riskSimulateCmd struct {
	configFlags
	outputFlags
	Threshold *float64 `placeholder:"P" help:"Challenge from this probability of an attack on."`
	Budget    *float64 `placeholder:"SHARE" help:"Challenge this share of sign-ins of people with five or more before."`
	Policy    string   `type:"existingfile" placeholder:"FILE" help:"Rules instead of those of risk.rules_file."`
	Since     Duration `default:"30d" help:"How far to look back."`
	Limit     int      `default:"20" help:"The most changed decisions to list."`
}

func (c riskSimulateCmd) Run(t *terminal) error {
	switch {
	case c.Threshold != nil && c.Budget != nil:
		return usage("give --threshold or --budget, not both")
	case c.Limit < 0:
		return usage("--limit is not negative")
	case c.Threshold != nil && !(*c.Threshold >= 0 && *c.Threshold <= 1):
		return usage("--threshold is a probability, between 0 and 1")
	}
	return c.operate(t, func(ctx context.Context, h *house) error {
		p, err := c.build(h.cfg.Risk)
		if err != nil {
			return err
		}
		since := clock().Add(-c.Since.D())
		if c.Budget != nil || h.cfg.Risk.Source == string(policy.ByBudget) && c.Threshold == nil {
			err := walkDecisions(ctx, h.db, since, func(e *audit.Entry) error { return observe(p.Budget(), e) })
			if err != nil {
				return err
			}
		}
		s := newSimulation(p, c.Limit)
		if err := walkDecisions(ctx, h.db, since, s.add); err != nil {
			return err
		}
		return s.print(t, c.outputFlags)
	})
}

// build is the policy to try: that of the configuration, enforced, with what the flags change.
func (c riskSimulateCmd) build(cfg policy.Config) (*policy.Policy, error) {
	cfg.Mode = "enforce"
	if c.Threshold != nil {
		cfg.Source, cfg.Thresholds.StepUp = string(policy.ByThresholds), *c.Threshold
	}
	if c.Budget != nil {
		cfg.Source, cfg.Budget = string(policy.ByBudget), *c.Budget
	}
	if c.Policy != "" {
		cfg.RulesFile = c.Policy
	}
	rules, err := riskRules(cfg.RulesFile)
	if err != nil {
		return nil, err
	}
	return cfg.Build(rules...)
}

// walkDecisions calls visit with every decision since then. It finds the first one of each stream by halving: streams are
// in order of time.
func walkDecisions(ctx context.Context, s audit.Store, since time.Time, visit func(*audit.Entry) error) error {
	heads, err := s.AuditHeads(ctx)
	if err != nil {
		return err
	}
	for _, head := range heads {
		var failed error
		from := 1 + sort.Search(int(head.Seq), func(i int) bool {
			page, err := s.ReadAudit(ctx, head.Stream, int64(i)+1, 1)
			if err != nil {
				failed = err
			}
			return err != nil || len(page) == 0 || !page[0].At.Before(since)
		})
		if failed != nil {
			return failed
		}
		for from := int64(from); from <= head.Seq; {
			page, err := s.ReadAudit(ctx, head.Stream, from, 500)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break // cut short: verify tells
			}
			for i := range page {
				if e := &page[i]; e.Type == riskDecided && !e.At.Before(since) {
					if err := visit(e); err != nil {
						return err
					}
				}
			}
			from = page[len(page)-1].Seq + 1
		}
	}
	return nil
}

// observe tells b of a sign-in that went through.
func observe(b *policy.Budget, e *audit.Entry) error {
	r, ev, err := recordOf(e)
	if err == nil && r.Facts.Moment == "sign_in" && r.Facts.User.Logins >= 5 && ev.Outcome == audit.OK {
		b.Observe(e.At, r.Score)
	}
	return nil
}

// tally counts decisions, and of them those that challenged.
type tally struct {
	Decisions int `json:"decisions"`
	Was       int `json:"challenged_was"`
	Now       int `json:"challenged_would_be"`
}

func (t *tally) add(was, now policy.Action) {
	t.Decisions++
	if was == policy.StepUp {
		t.Was++
	}
	if now == policy.StepUp {
		t.Now++
	}
}

// revision is a decision that would be another one.
type revision struct {
	Entry  string        `json:"entry"`
	At     string        `json:"at"`
	User   string        `json:"user"`
	Client string        `json:"client,omitempty"`
	Moment string        `json:"moment"`
	P      float64       `json:"p"`
	Was    policy.Action `json:"was"`
	Now    policy.Action `json:"would_be"`
	Rule   string        `json:"rule,omitempty"`
}

// simulation is what would have been.
type simulation struct {
	Limits     policy.Thresholds     `json:"limits"`
	Total      tally                 `json:"total"`
	Unreadable int                   `json:"unreadable"` // decisions without a record
	Was        map[policy.Action]int `json:"was"`
	Now        map[policy.Action]int `json:"would_be"`
	Clients    map[string]*tally     `json:"clients"`
	MedianWas  float64               `json:"median_user_was"` // share of decisions about a person that challenged
	MedianNow  float64               `json:"median_user_would_be"`
	Users      int                   `json:"users"`
	Changed    int                   `json:"changed"`
	Changes    []revision            `json:"changes"`

	policy *policy.Policy
	limit  int
	seed   maphash.Seed
	users  map[uint64]*tally
}

func newSimulation(p *policy.Policy, limit int) *simulation {
	return &simulation{
		Limits: p.Thresholds(), Was: map[policy.Action]int{}, Now: map[policy.Action]int{}, Clients: map[string]*tally{}, Changes: []revision{},
		policy: p, limit: limit, seed: maphash.MakeSeed(), users: map[uint64]*tally{},
	}
}

// add decides e again.
func (s *simulation) add(e *audit.Entry) error {
	r, ev, err := recordOf(e)
	if err != nil {
		s.Unreadable++
		return nil
	}
	f := r.Facts
	f.Request.Sensitive = f.Request.Sensitive && r.Cut // the policy to be tried has its own list
	o, err := s.policy.Decide(&f)
	if err != nil {
		return fmt.Errorf("%s:%d: %w", e.Stream, e.Seq, err)
	}
	was, now := r.Outcome.Action, o.Action
	s.Was[was]++
	s.Now[now]++
	s.Total.add(was, now)
	count(s.Clients, string(ev.Client)).add(was, now)
	count(s.users, maphash.String(s.seed, string(ev.User))).add(was, now)
	if was == now {
		return nil
	}
	if s.Changed++; len(s.Changes) < s.limit {
		s.Changes = append(s.Changes, revision{fmt.Sprintf("%s:%d", e.Stream, e.Seq), date(e.At), string(ev.User), string(ev.Client), f.Moment, f.Risk.P, was, now, o.Rule})
	}
	return nil
}

func count[K comparable](m map[K]*tally, k K) *tally {
	if m[k] == nil {
		m[k] = &tally{}
	}
	return m[k]
}

// median is the middle share of challenges of all users.
func (s *simulation) median(of func(*tally) int) float64 {
	shares := make([]float64, 0, len(s.users))
	for _, t := range s.users {
		shares = append(shares, float64(of(t))/float64(t.Decisions))
	}
	if len(shares) == 0 {
		return 0
	}
	slices.Sort(shares)
	return (shares[(len(shares)-1)/2] + shares[len(shares)/2]) / 2
}

func (s *simulation) print(t *terminal, f outputFlags) error {
	s.Users = len(s.users)
	s.MedianWas = s.median(func(t *tally) int { return t.Was })
	s.MedianNow = s.median(func(t *tally) int { return t.Now })
	if f.Output == "json" {
		return printJSON(t.out, s)
	}
	fmt.Fprintf(t.out, "%d decisions about %d people, %d without a record. %s.\n\n", s.Total.Decisions, s.Users, s.Unreadable, limitWords(s.Limits))
	actions := table{head: []string{"ACTION", "WAS", "", "WOULD BE", ""}}
	for a := policy.Deny; a <= policy.Revoke; a++ {
		if s.Was[a]+s.Now[a] > 0 {
			actions.add(a.String(), fmt.Sprint(s.Was[a]), percent(s.Was[a], s.Total.Decisions), fmt.Sprint(s.Now[a]), percent(s.Now[a], s.Total.Decisions))
		}
	}
	actions.add("stepup, median of a user", "", fmt.Sprintf("%.1f %%", 100*s.MedianWas), "", fmt.Sprintf("%.1f %%", 100*s.MedianNow))
	clients := table{head: []string{"CLIENT", "DECISIONS", "CHALLENGED", "WOULD BE"}}
	names := slices.SortedFunc(maps.Keys(s.Clients), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Clients[b].Decisions, s.Clients[a].Decisions), cmp.Compare(a, b))
	})
	for _, name := range names[:min(len(names), 20)] {
		c := s.Clients[name]
		clients.add(dash(name), fmt.Sprint(c.Decisions), percent(c.Was, c.Decisions), percent(c.Now, c.Decisions))
	}
	changes := table{head: []string{"ENTRY", "AT", "USER", "CLIENT", "MOMENT", "P", "WAS", "WOULD BE", "RULE"}}
	for _, c := range s.Changes {
		changes.add(c.Entry, c.At, c.User, dash(c.Client), c.Moment, fmt.Sprintf("%.3g", c.P), c.Was.String(), c.Now.String(), dash(c.Rule))
	}
	for _, part := range []table{actions, clients} {
		if err := f.print(t.out, part); err != nil {
			return err
		}
		fmt.Fprintln(t.out)
	}
	fmt.Fprintf(t.out, "%d decisions would be others", s.Changed)
	if s.Changed == 0 || len(s.Changes) == 0 {
		fmt.Fprintln(t.out, ".")
		return nil
	}
	fmt.Fprintf(t.out, "; %d of them:\n", len(s.Changes))
	return f.print(t.out, changes)
}

func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}
