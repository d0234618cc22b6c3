package eval

import (
	"math"
	"math/rand/v2"
	"slices"
)

// who is what a sample is counted by.
type who struct {
	person  int32
	history int32 // logins before
	class   uint8
}

// Samples are the scores of one world under some models: of every login, and of every attack by each attacker, all at
// the same places.
type Samples struct {
	Names   []string
	owners  []who
	legit   [][]float32 // by model
	victims []who
	attacks [Attackers][][]float32 // by attacker, model
	bytes   []int                  // of each person's ring
}

// injected is the share of logins before which attackers try.
const injected = .04

// Run replays a world: each login is scored before it is learnt, and at some attackers try first, of whom nothing is
// learnt.
func Run(w World, seed uint64, models []Contender) *Samples {
	s := &Samples{legit: make([][]float32, len(models))}
	scorers := make([]Scorer, len(models))
	for i, m := range models {
		s.Names = append(s.Names, m.Name)
		scorers[i] = m.New()
	}
	for a := range s.attacks {
		s.attacks[a] = make([][]float32, len(models))
	}
	dice := rand.New(rand.NewPCG(seed, 3))
	stream := NewStream(w, seed)
	for e, ok := stream.Next(); ok; e, ok = stream.Next() {
		if !e.Failed {
			if dice.Float64() < injected {
				s.victims = append(s.victims, whoOf(&e))
				for a := range Attackers {
					x := stream.Attack(a, &e)
					for i, m := range scorers {
						s.attacks[a][i] = append(s.attacks[a][i], float32(m.Score(&x)))
					}
				}
			}
			s.owners = append(s.owners, whoOf(&e))
			for i, m := range scorers {
				s.legit[i] = append(s.legit[i], float32(m.Score(&e)))
			}
		}
		for _, m := range scorers {
			if _, all := m.(*ours); all || !e.Failed {
				m.Learn(&e)
			}
		}
	}
	if o, ok := scorers[0].(*ours); ok {
		for _, r := range o.rings {
			s.bytes = append(s.bytes, len(r.Append(nil)))
		}
		slices.Sort(s.bytes)
	}
	return s
}

func whoOf(e *Event) who { return who{int32(e.Person), int32(e.History), uint8(e.Class)} }

// returning is everybody of whom something is known: a first login has nothing to be compared with.
func returning(w who) bool { return w.history > 0 }

func afterTwelve(w who) bool { return w.history >= 12 }

// threshold is the highest score at which at least tpr of the attacks are caught.
func (s *Samples) threshold(m int, a Attacker, tpr float64) float32 {
	list := make([]float32, 0, len(s.victims))
	for i, w := range s.victims {
		if returning(w) {
			list = append(list, s.attacks[a][m][i])
		}
	}
	if len(list) == 0 {
		return float32(math.Inf(-1))
	}
	slices.Sort(list)
	missed := int(float64(len(list)) * (1 - tpr)) // so many may be below
	return list[min(missed, len(list)-1)]
}

// challenged is the share of logins that score t or more.
func (s *Samples) challenged(m int, t float32, of func(who) bool) float64 {
	n, all := 0, 0
	for i, w := range s.owners {
		if of(w) {
			all++
			if s.legit[m][i] >= t {
				n++
			}
		}
	}
	return float64(n) / float64(max(all, 1))
}

// caught is the share of attacks that score t or more.
func (s *Samples) caught(m int, a Attacker, t float32) float64 {
	n, all := 0, 0
	for i, w := range s.victims {
		if returning(w) {
			all++
			if s.attacks[a][m][i] >= t {
				n++
			}
		}
	}
	return float64(n) / float64(max(all, 1))
}

// atBudget is the threshold that challenges at most a share of the logins of people with five or more.
func (s *Samples) atBudget(m int, share float64) float32 {
	var list []float32
	for i, w := range s.owners {
		if w.history >= 5 {
			list = append(list, s.legit[m][i])
		}
	}
	if len(list) == 0 {
		return float32(math.Inf(1))
	}
	slices.Sort(list)
	k := len(list) - int(share*float64(len(list)))
	t := float32(math.Inf(1))
	if k < len(list) {
		t = list[k]
	}
	if k > 0 && list[k-1] == t { // ties would break the budget
		t = math.Nextafter32(t, float32(math.Inf(1)))
	}
	return t
}

// medianRate is the median over people with n logins after their first of how many of those n were challenged, as a
// share: the measure of TOPS 2022. False where there are too few people.
func (s *Samples) medianRate(m int, t float32, n int32) (float64, bool) {
	count, reached := map[int32]int{}, map[int32]bool{}
	for i, w := range s.owners {
		if w.history < 1 || w.history > n {
			continue
		}
		if s.legit[m][i] >= t {
			count[w.person]++
		}
		if w.history == n {
			reached[w.person] = true
		}
	}
	var rates []float64
	for p := range reached {
		rates = append(rates, float64(count[p])/float64(n))
	}
	if len(rates) < 20 {
		return 0, false
	}
	slices.Sort(rates)
	return rates[len(rates)/2], true
}

// spread is the range in which 95 of 100 worlds with other people would have the challenged share: bootstrap over people.
func (s *Samples) spread(m int, t float32, of func(who) bool) (low, high float64) {
	type tally struct{ hit, all float64 }
	by := map[int32]*tally{}
	for i, w := range s.owners {
		if !of(w) {
			continue
		}
		p := by[w.person]
		if p == nil {
			p = &tally{}
			by[w.person] = p
		}
		p.all++
		if s.legit[m][i] >= t {
			p.hit++
		}
	}
	ids := make([]int32, 0, len(by))
	for id := range by {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	dice := rand.New(rand.NewPCG(1, 4))
	shares := make([]float64, 200)
	for k := range shares {
		var sum tally
		for range ids {
			p := by[ids[dice.IntN(len(ids))]]
			sum.hit, sum.all = sum.hit+p.hit, sum.all+p.all
		}
		shares[k] = sum.hit / sum.all
	}
	slices.Sort(shares)
	return shares[5], shares[194]
}
