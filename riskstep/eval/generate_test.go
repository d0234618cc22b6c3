package eval

import (
	"math"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
)

func tiny() World {
	w := Base()
	w.Users, w.Days = 300, 120
	return w
}

func TestStreamIsRepeatable(t *testing.T) {
	plain, attacked, other := NewStream(tiny(), 1), NewStream(tiny(), 1), NewStream(tiny(), 2)
	same, n := 0, 0
	for {
		a, ok := plain.Next()
		b, _ := attacked.Next()
		c, _ := other.Next()
		if a != b {
			t.Fatalf("login %d: %+v, with attacks %+v", n, a, b)
		}
		if !ok {
			break
		}
		for k := range Attackers {
			attacked.Attack(k, &b)
		}
		if n++; a == c {
			same++
		}
	}
	if n < 1000 || same > 0 {
		t.Errorf("%d logins, %d as in another seed", n, same)
	}
}

// What the world promises of itself.
func TestStreamMarginals(t *testing.T) {
	w := Base()
	w.Users = 1500
	if raced {
		w.Users = 400
	}
	s := NewStream(w, 3)
	count, history := map[string]float64{}, map[string]int{}
	perClass, night := [len(Classes)]float64{}, 0.0
	var last time.Time
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		if e.At.Before(last) {
			t.Fatalf("%v comes after %v", e.At, last)
		}
		last = e.At
		if e.Failed {
			count["typos"]++
			continue
		}
		if e.History != history[e.User] {
			t.Fatalf("%s has %d logins, said %d", e.User, history[e.User], e.History)
		}
		history[e.User]++
		count["all"]++
		perClass[e.Class]++
		home := earth[s.people[e.Person].country]
		if e.Net.Country != home.code {
			count["abroad"]++
		}
		if e.Net.Mobile {
			count["mobile network"]++
		}
		if e.Key != ident.NoKey {
			count["key"]++
		}
		if e.Net.Country == "NO" {
			count["NO"]++
		}
		if local := e.At.Add(time.Duration(home.cities[0].utc * float64(time.Hour))).Hour(); home.code == "NO" && local < 6 {
			night++
		}
	}
	all := count["all"]
	for _, tt := range []struct {
		name             string
		got, least, most float64
	}{
		{"logins a person", all / float64(w.Users), 85, 125},
		{"typos", count["typos"] / all, .05, .07},
		{"in Norway", count["NO"] / all, .3, .5},
		{"abroad", count["abroad"] / all, .005, .08},
		{"from mobile networks", count["mobile network"] / all, .15, .35},
		{"with a key", count["key"] / all, .75, .88},
		{"at night", night / (count["NO"] + 1), .03, .09},
		{"daily to weekly", perClass[0] / perClass[2], 4, 11},
	} {
		if !(tt.got >= tt.least && tt.got <= tt.most) {
			t.Errorf("%s: %.4f, want %.3f to %.3f", tt.name, tt.got, tt.least, tt.most)
		}
	}
}

func TestAttackersKnowWhatTheySay(t *testing.T) {
	s := NewStream(tiny(), 5)
	cookies := map[string]map[string]bool{} // that each person showed
	n, stolen := 0, 0
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		p := &s.people[e.Person]
		for a := range Attackers {
			x := s.Attack(a, &e)
			n++
			if x.User != e.User || x.Strong || x.Failed || x.At.After(e.At) {
				t.Fatalf("%s: %+v", a, x)
			}
			if a != Naive && x.Net.Country != earth[p.country].code {
				t.Errorf("%s comes from %s", a, x.Net.Country)
			}
			provider := x.Net.ASN == uint32(100_000+100*p.country+p.isp)
			if same := a != Naive && a != VPN && a != CountryProxy; same && !provider {
				t.Errorf("%s has another provider", a)
			}
			if a != StolenProfile && x.Key != ident.NoKey || a == StolenProfile && x.Key == ident.KeyInChip {
				t.Errorf("%s proves a key", a)
			}
			known := cookies[e.User][x.Device]
			if known && a != StolenCookie && a != StolenProfile {
				t.Errorf("%s has a cookie", a)
			}
			if known && a == StolenCookie {
				stolen++
			}
		}
		if !e.Failed {
			if cookies[e.User] == nil {
				cookies[e.User] = map[string]bool{}
			}
			cookies[e.User][e.Device] = true
		}
	}
	if share := float64(stolen) / float64(n) * float64(Attackers); share < .9 {
		t.Errorf("a stolen cookie is one that was shown in %.3f of cases", share)
	}
}

func TestCalibrate(t *testing.T) {
	var list []outcome // said twice as sure as it is
	for x := -6.0; x <= 6; x += .25 {
		p := sigmoid(x/2 - 1)
		list = append(list, outcome{x, p, true}, outcome{x, 1 - p, false})
	}
	scale, shift := platt(list)
	if math.Abs(scale-.5) > 1e-6 || math.Abs(shift+1) > 1e-6 {
		t.Errorf("scale %v, shift %v", scale, shift)
	}
	if e := ece(list, func(x float64) float64 { return sigmoid(scale*x + shift) }); e > 1e-6 {
		t.Errorf("ECE %v", e)
	}
	if e := ece(list, sigmoid); e < .1 {
		t.Errorf("ECE of what is not calibrated: %v", e)
	}
}

// Thresholds, budgets and medians, of numbers that can be counted by hand.
func TestMeasures(t *testing.T) {
	s := &Samples{Names: []string{"m"}, legit: [][]float32{nil}}
	for a := range s.attacks {
		s.attacks[a] = [][]float32{nil}
	}
	for i := range 100 { // person i/10, logins 0 to 9, score = number of the login
		s.owners = append(s.owners, who{person: int32(i / 10), history: int32(i % 10)})
		s.legit[0] = append(s.legit[0], float32(i%10))
		s.victims = append(s.victims, who{person: int32(i / 10), history: 1})
		for a := range s.attacks {
			s.attacks[a][0] = append(s.attacks[a][0], float32(i))
		}
	}
	if got := s.threshold(0, Naive, .95); got != 5 {
		t.Errorf("threshold %v", got)
	}
	if got := s.caught(0, Naive, 5); got != .95 {
		t.Errorf("caught %v", got)
	}
	if got := s.challenged(0, 5, returning); math.Abs(got-5./9) > 1e-9 {
		t.Errorf("challenged %v", got)
	}
	if got := s.challenged(0, s.atBudget(0, .2), func(w who) bool { return w.history >= 5 }); got != .2 {
		t.Errorf("budget %v", got)
	}
	if got := s.challenged(0, s.atBudget(0, .15), func(w who) bool { return w.history >= 5 }); got > .15 {
		t.Errorf("ties break the budget: %v", got)
	}
	if _, ok := s.medianRate(0, 5, 8); ok {
		t.Error("a median of ten people")
	}
}
