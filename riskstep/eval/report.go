package eval

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/postern-id/postern/riskstep/model"
)

// Scale is how much is measured.
type Scale struct {
	Users    int // of the main world; half as many in the others
	Variants bool
}

// Cost is what the model takes of a processor, measured where the report is made.
type Cost struct {
	Score, Learn float64 // microseconds of CPU
	Allocs       int64   // of Score
	Replay       float64 // lines a second of CPU, parsing and writing included
}

// Goal is a share of legitimate logins that may be challenged when 99 of 100 attacks by an attacker are caught.
type Goal struct {
	Attacker Attacker
	Most     float64
}

// Goals are those with all signals.
var Goals = []Goal{{Naive, .005}, {VPN, .03}, {Targeted, .07}, {StolenCookie, .12}}

// MostECE is the goal for the calibration error.
const MostECE = .02

// FewerThanExtend is by how much fewer logins must be challenged than by EXTEND, from address and agent alone.
const FewerThanExtend = 5

// WriteReport measures and writes RISK-REPORT.md, risk-roc.svg and risk-calibration.svg into dir.
func WriteReport(dir string, scale Scale, cost Cost) error {
	m := model.Default()
	w := Base()
	w.Users = scale.Users
	r := &report{cost: cost, world: w, main: make([]*Samples, 3)}
	jobs := []func(){}
	for i := range r.main {
		jobs = append(jobs, func() { r.main[i] = Run(w, uint64(i+1), contenders(m)) })
	}
	if scale.Variants {
		some := contenders(m)
		some = []Contender{some[allSignals], some[noBoundKey], some[twoFeatures], some[extended]}
		r.variants = append([]World{Base()}, Variants()...)
		r.other = make([]*Samples, len(r.variants))
		for i, v := range r.variants {
			v.Users = scale.Users / 2
			jobs = append(jobs, func() { r.other[i] = Run(v, 2, some) })
		}
		half := w
		half.Users /= 2
		for _, c := range ablations(m) {
			r.ablated = append(r.ablated, nil)
			i := len(r.ablated) - 1
			jobs = append(jobs, func() { r.ablated[i] = Run(half, 2, []Contender{c}) })
		}
	}
	atOnce(2, jobs)
	if scale.Variants {
		t := r.main[0].atBudget(allSignals, .02)
		half := w
		half.Users /= 2
		r.persisted = make([][tries]float64, 2*len(persistent))
		jobs = nil
		for i, a := range persistent {
			jobs = append(jobs, func() { r.persisted[2*i] = persist(half, 2, m, a, t, false) }, func() { r.persisted[2*i+1] = persist(half, 2, m, a, t, true) })
		}
		atOnce(2, jobs)
	}
	r.calibrate()
	for name, text := range map[string]string{"RISK-REPORT.md": r.text(), "risk-roc.svg": r.roc(), "risk-calibration.svg": r.reliabilityPlot()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// persistent are the attackers who come again.
var persistent = []Attacker{Naive, Targeted, StolenCookie}

// atOnce runs jobs, n at a time.
func atOnce(n int, jobs []func()) {
	queue := make(chan func())
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for job := range queue {
				job()
			}
		})
	}
	for _, job := range jobs {
		queue <- job
	}
	close(queue)
	wg.Wait()
}

// report is what was measured. The first of main is where thresholds and the calibration come from.
type report struct {
	strings.Builder
	cost     Cost
	world    World
	main     []*Samples
	variants []World
	other    []*Samples
	ablated  []*Samples

	persisted [][tries]float64 // of persistent

	scale, shift float64 // of Platt, fitted on the first world
	held         []outcome
}

func (r *report) calibrate() {
	r.scale, r.shift = platt(r.main[0].outcomes(allSignals, prevalence))
	for _, s := range r.main[1:] {
		r.held = append(r.held, s.outcomes(allSignals, prevalence)...)
	}
}

func (r *report) fitted(score float64) float64 { return sigmoid(r.scale*score + r.shift) }

// elsewhere is the mean over the other worlds of what the first world's threshold does.
func (r *report) elsewhere(m int, a Attacker, tpr float64) (challenged, caught float64) {
	t := r.main[0].threshold(m, a, tpr)
	for _, s := range r.main[1:] {
		challenged += s.challenged(m, t, returning) / float64(len(r.main)-1)
		caught += s.caught(m, a, t) / float64(len(r.main)-1)
	}
	return challenged, caught
}

// within is the mean over all worlds, each with a threshold of its own.
func (r *report) within(m int, a Attacker, tpr float64, of func(who) bool) (sum float64) {
	for _, s := range r.main {
		sum += s.challenged(m, s.threshold(m, a, tpr), of) / float64(len(r.main))
	}
	return sum
}

func (r *report) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

// table begins a table.
func (r *report) table(head ...string) {
	r.line("\n| %s |\n|%s", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
}

func (r *report) row(cells ...string) { r.line("| %s |", strings.Join(cells, " | ")) }

func percent(f float64) string {
	switch {
	case f < .001:
		return fmt.Sprintf("%.3f %%", 100*f)
	case f < .1:
		return fmt.Sprintf("%.2f %%", 100*f)
	}
	return fmt.Sprintf("%.1f %%", 100*f)
}

func (r *report) count(f func(*Samples) int) (n int) {
	for _, s := range r.main {
		n += f(s)
	}
	return n
}

// points of the plot of one model: the share of logins challenged, and of attacks caught, from nine in ten on.
func (s *Samples) points(m int, a Attacker) (out [][2]float64) {
	var legit, attacks []float32
	for i, w := range s.owners {
		if returning(w) {
			legit = append(legit, s.legit[m][i])
		}
	}
	for i, w := range s.victims {
		if returning(w) {
			attacks = append(attacks, s.attacks[a][m][i])
		}
	}
	if len(legit) == 0 || len(attacks) == 0 {
		return nil
	}
	slices.Sort(legit)
	slices.Sort(attacks)
	for tpr := .90; tpr < .9995; tpr += .0025 {
		t := attacks[min(int(float64(len(attacks))*(1-tpr)), len(attacks)-1)]
		below, _ := slices.BinarySearch(legit, t)
		out = append(out, [2]float64{max(1e-4, float64(len(legit)-below)/float64(len(legit))), tpr})
	}
	return out
}
