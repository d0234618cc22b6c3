package eval

import (
	"fmt"
	"math"
	"strconv"
)

// text is the report. Its words say what the tables hold and how they came about; every figure is computed.
func (r *report) text() string {
	r.line("# How well the risk model does\n\nMade by `make risk-report`; every figure is computed, none is written by hand. `riskstep/eval` holds the generator, the attackers and the other models.")
	r.line("\n**Read this first.** These are comparisons of models in one synthetic world, no detection rates. Real data was not at hand; what is known of it went into the generator (see [Limits](#limits)). A login is *challenged* when it scores at or above a threshold; *TPR* is the share of an attacker's logins, all with the right password, that do.")
	r.line("\n%d people in each of %d worlds, %s logins over a year, attackers at %s of them. First logins of an account are left out, of people and of attackers: there is nothing to compare them with.",
		r.world.Users, len(r.main), thousands(r.count(func(s *Samples) int { return len(s.owners) })), percent(injected))
	r.goals()
	r.comparison()
	r.rules()
	r.frequency()
	r.rates()
	r.budgets()
	r.calibration()
	r.worlds()
	r.ablation()
	r.patience()
	r.costs()
	r.WriteString(limits + "\n")
	return r.String()
}

func (r *report) goals() {
	r.line("\n## Goals\n\nThe threshold comes from the first world and is applied to the others. In brackets the range that holds 95 of 100 draws of other people.")
	r.table("attacker", "goal, at TPR 0.99", "legitimate logins challenged", "attacks caught", "")
	for _, g := range Goals {
		c, tpr := r.elsewhere(allSignals, g.Attacker, .99)
		low, high := r.main[1].spread(allSignals, r.main[0].threshold(allSignals, g.Attacker, .99), returning)
		r.row(g.Attacker.String(), "≤ "+percent(g.Most), fmt.Sprintf("%s (%s – %s)", percent(c), percent(low), percent(high)), percent(tpr), verdict(c <= g.Most))
	}
	for _, a := range []Attacker{Naive, VPN} {
		us, _ := r.elsewhere(twoFeatures, a, .99)
		them, _ := r.elsewhere(extended, a, .99)
		r.row(a.String()+", address and agent alone", fmt.Sprintf("%d times fewer than EXTEND", FewerThanExtend), fmt.Sprintf("%s, EXTEND %s", percent(us), percent(them)), fmt.Sprintf("%.1f times fewer", them/us), verdict(them >= FewerThanExtend*us))
	}
	fit := ece(r.held, r.fitted)
	r.row("calibration error (ECE)", fmt.Sprintf("≤ %.2f after calibration", MostECE), fmt.Sprintf("%.4f", fit), fmt.Sprintf("as shipped %.4f", ece(r.held, sigmoid)), verdict(fit <= MostECE))
	bytes := r.main[0].bytes
	r.row("state of a person", "< 1024 bytes", fmt.Sprintf("%d at most, median %d", bytes[len(bytes)-1], bytes[len(bytes)/2]), "", verdict(bytes[len(bytes)-1] < 1024))
	r.row("a decision", "< 100 µs of CPU", fmt.Sprintf("%.1f µs to score, %.1f µs to learn", r.cost.Score, r.cost.Learn), "", verdict(r.cost.Score+r.cost.Learn < 100))
	r.row("replay", "≥ 50,000 lines a second", thousands(int(r.cost.Replay)), "", verdict(r.cost.Replay >= 50_000))
}

func verdict(ok bool) string {
	if ok {
		return "reached"
	}
	return "**missed**"
}

// thousands groups digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (r *report) comparison() {
	r.line("\n## Models side by side\n\nLegitimate logins challenged at TPR 0.99 / 0.95, the mean of %d worlds, each with a threshold of its own. A model whose scores are too coarse for a TPR challenges more than it must.\n\n![Attacks caught against logins challenged](risk-roc.svg)", len(r.main))
	head := []string{"attacker"}
	for m := range firstRule {
		head = append(head, r.main[0].Names[m])
	}
	r.table(head...)
	for a := range Attackers {
		cells := []string{a.String()}
		for m := range firstRule {
			cells = append(cells, fmt.Sprintf("%.4f / %.4f", r.within(m, a, .99, returning), r.within(m, a, .95, returning)))
		}
		r.row(cells...)
	}
	r.line("\nThe first five are kinds that the model has a picture of, the two *unmodelled* ones it has not. The last copied a browser's profile with all that is in it: only keys in hardware, and what is unusual besides, are left against it.")
}

func (r *report) rules() {
	r.line("\n### Rules that say yes or no\n\nThe share of attacks caught by what others ship, at the challenges that it costs; in brackets what the model catches with as many challenges.")
	head := []string{"rule", "challenged"}
	shown := []Attacker{Naive, VPN, Targeted, StolenCookie}
	for _, a := range shown {
		head = append(head, a.String())
	}
	r.table(head...)
	s := r.main[0]
	for m := firstRule; m < len(s.Names); m++ {
		share := s.challenged(m, 1, returning)
		cells := []string{s.Names[m], percent(share)}
		for _, a := range shown {
			cells = append(cells, fmt.Sprintf("%s (%s)", percent(s.caught(m, a, 1)), percent(s.caught(allSignals, a, s.atBudget(allSignals, share)))))
		}
		r.row(cells...)
	}
}

func (r *report) frequency() {
	r.line("\n## Who is challenged\n\nAll signals, TPR 0.99, by how often people sign in, and of those with twelve logins behind them.")
	head := []string{"attacker", "all", "after 12 logins"}
	for _, c := range Classes {
		head = append(head, c.Name)
	}
	r.table(append(head, "first logins counted")...)
	for a := range Attackers {
		cells := []string{a.String(), percent(r.within(allSignals, a, .99, returning)), percent(r.within(allSignals, a, .99, afterTwelve))}
		for c := range Classes {
			cells = append(cells, percent(r.within(allSignals, a, .99, func(w who) bool { return returning(w) && int(w.class) == c })))
		}
		r.row(append(cells, percent(r.within(allSignals, a, .99, func(who) bool { return true })))...)
	}
}

// published are median rates of EXTEND at TPR .99 of TOPS 2022, read from its figure: another world.
var published = map[Attacker]map[int32]string{
	Naive: {5: ".20", 12: ".17", 20: ".10", 39: ".026"}, VPN: {5: ".40", 12: ".25", 20: ".20", 39: ".051"}, Targeted: {5: ".40", 12: ".33", 20: ".20", 39: ".077"},
}

func (r *report) rates() {
	sizes := []int32{1, 2, 5, 12, 20, 39}
	r.line("\n## How it falls with history\n\nThe median over people of the share of their first N returning logins that were challenged, at TPR 0.99: the measure of Wiefling et al. (TOPS 2022). Their own EXTEND, on their data, stands beside for the order of magnitude; it is another world with weaker attackers.")
	head := []string{"attacker", "model"}
	for _, n := range sizes {
		head = append(head, fmt.Sprintf("N = %d", n))
	}
	r.table(head...)
	s := r.main[0]
	for _, a := range []Attacker{Naive, VPN, Targeted, StolenCookie} {
		for _, m := range []int{allSignals, twoFeatures, extended} {
			cells := []string{a.String(), s.Names[m]}
			for _, n := range sizes {
				if rate, ok := s.medianRate(m, s.threshold(m, a, .99), n); ok {
					cells = append(cells, fmt.Sprintf("%.3f", rate))
				} else {
					cells = append(cells, "–")
				}
			}
			r.row(cells...)
		}
		if p := published[a]; p != nil {
			cells := []string{a.String(), "EXTEND, as published"}
			for _, n := range sizes {
				cells = append(cells, or(p[n], "–"))
			}
			r.row(cells...)
		}
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (r *report) budgets() {
	r.line("\n## What a budget buys\n\nAttacks caught in the other worlds when the first world's threshold challenges 1, 2 and 5 of 100 logins of people with five or more.")
	shares := []float64{.01, .02, .05}
	r.table("attacker", "all signals: 1 %", "2 %", "5 %", "no bound key: 1 %", "2 %", "5 %", "EXTEND: 1 %", "2 %", "5 %")
	for a := range Attackers {
		cells := []string{a.String()}
		for _, m := range []int{allSignals, noBoundKey, extended} {
			for _, share := range shares {
				sum := 0.0
				for _, s := range r.main[1:] {
					sum += s.caught(m, a, r.main[0].atBudget(m, share)) / float64(len(r.main)-1)
				}
				cells = append(cells, percent(sum))
			}
		}
		r.row(cells...)
	}
}

func (r *report) calibration() {
	r.line("\n## Calibration\n\nTwo attempts in a hundred are attacks, where the model starts: naive 70, VPN 20, targeted 8, stolen cookie 2 of 100 attackers. Fitted on the first world (ln odds = %.3f · score %+.2f), checked on the others. At so few attacks a small ECE is easily had: the last column weighs attacks and logins alike.\n\n![What was said against what came](risk-calibration.svg)", r.scale, r.shift)
	r.table("calibration", "ECE", "mean probability (true: "+percent(prevalence)+")", "ECE where half of the attempts are attacks")
	var balanced []outcome
	for _, s := range r.main[1:] {
		balanced = append(balanced, s.outcomes(allSignals, .5)...)
	}
	odds := math.Log((1 - prevalence) / prevalence) // the same evidence in a world of half attacks
	for _, c := range []struct {
		name string
		p    func(float64) float64
		log  func(float64) float64
	}{
		{"as shipped", sigmoid, func(x float64) float64 { return x }},
		{"fitted", r.fitted, func(x float64) float64 { return r.scale*x + r.shift }},
	} {
		mean, weight := 0.0, 0.0
		for _, o := range r.held {
			mean, weight = mean+o.weight*c.p(o.score), weight+o.weight
		}
		r.row(c.name, fmt.Sprintf("%.4f", ece(r.held, c.p)), percent(mean/weight), fmt.Sprintf("%.4f", ece(balanced, func(x float64) float64 { return sigmoid(c.log(x) + odds) })))
	}
	r.table("said (fitted)", "came", "share of attempts")
	total := 0.0
	for _, o := range r.held {
		total += o.weight
	}
	for _, b := range reliability(r.held, r.fitted, false) {
		if b.weight/total > 1e-5 {
			r.row(fmt.Sprintf("%.4f", b.said), fmt.Sprintf("%.4f", b.came), percent(b.weight/total))
		}
	}
}

func (r *report) worlds() {
	if len(r.other) == 0 {
		return
	}
	r.line("\n## Other worlds\n\nChallenged at TPR 0.99, one world each with half as many people, thresholds of their own.")
	r.table("world", "naive", "VPN", "targeted", "stolen cookie", "stolen cookie, no bound key", "EXTEND: naive", "EXTEND: targeted")
	for i, s := range r.other {
		at := func(m int, a Attacker) string { return percent(s.challenged(m, s.threshold(m, a, .99), returning)) }
		r.row(r.variants[i].Name, at(0, Naive), at(0, VPN), at(0, Targeted), at(0, StolenCookie), at(1, StolenCookie), at(3, Naive), at(3, Targeted))
	}
}

func (r *report) ablation() {
	if len(r.ablated) == 0 {
		return
	}
	r.line("\n## What each signal is worth\n\nChallenged at TPR 0.99 when one is taken away from everybody, from attackers too; half as many people.")
	head := []string{"without"}
	for a := range Attackers {
		head = append(head, a.String())
	}
	r.table(head...)
	for _, s := range r.ablated {
		cells := []string{s.Names[0]}
		for a := range Attackers {
			cells = append(cells, percent(s.challenged(0, s.threshold(0, a, .99), returning)))
		}
		r.row(cells...)
	}
}

func (r *report) patience() {
	if len(r.persisted) == 0 {
		return
	}
	r.line("\n## Attackers who come back\n\nThe share caught at each visit of attackers who come again every day, from the same place with the same browser, with the threshold that challenges 2 of 100 logins. Who is challenged is not learnt; who gets in is, as a login without strong proof, which counts half for seven days. *Where nothing is asked*, every visit is learnt: the worst case, and why a policy in shadow should learn from strong proof only.")
	head := []string{"attacker"}
	for i := range tries {
		head = append(head, fmt.Sprintf("visit %d", i+1))
	}
	r.table(head...)
	for i, shares := range r.persisted {
		cells := []string{persistent[i/2].String() + []string{"", ", where nothing is asked"}[i%2]}
		for _, share := range shares {
			cells = append(cells, percent(share))
		}
		r.row(cells...)
	}
}

func (r *report) costs() {
	r.line("\n## Cost\n\nMeasured on the machine that made this report, in CPU time of one core.")
	r.table("", "")
	r.row("score a login", fmt.Sprintf("%.1f µs, %d allocations", r.cost.Score, r.cost.Allocs))
	r.row("learn a login", fmt.Sprintf("%.1f µs", r.cost.Learn))
	r.row("replay recorded logins, parsing and writing included", thousands(int(r.cost.Replay))+" lines a second")
}

const limits = `
## Limits

- **Every rate of the generator is a guess** but for what is published of the RBA data set: shares of countries and hours of the day
  (` + "`riskstep/eval/earth.go`" + `). Families of browsers are of today, not of 2020. Absolute figures mean nothing outside these worlds.
- **Attackers and model were made in one house.** Two attackers are kinds that the model has no picture of; they are still ours.
- Attackers come alone: no campaigns, so velocity and failure ratios are not measured here and count for nothing. There is no
  JA4, no client hint, no leaked password and no denied push in these worlds either, although the model judges them.
- An attacker's hour is any between two logins of the victim. One who waits for the victim's hours is harder to see; time of day is
  a weak signal, as its row above shows.
- No attacker looks for an address in its victim's own prefix. No family shares a
  device, but 1.2 % of logins come from a borrowed one. Private relays appear as VPNs only.
- EXTEND and the rules are re-implemented from their descriptions, without their authors' data to check against. EXTEND does worse
  in this world than its authors report on theirs: only the comparison counts.
- People do not change their ways because they are challenged, and a challenge teaches nothing here: the product learns from an answered one.
- Neither the size of the ring nor its levels are varied: sixteen entries, and a hash of the full address in each, are built into
  its form. So there is no row for what leaving the full address out would cost.
- To judge on real logins: ` + "`postern risk replay`" + ` reads lines of JSON and the RBA data set's CSV.`
