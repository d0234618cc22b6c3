package eval

import (
	"time"

	"github.com/postern-id/postern/riskstep/model"
)

// tries is how often somebody who got in comes back, once a day.
const tries = 10

// persist is the share of attackers who are caught at their first, second, … visit. Who gets in is learnt, as a login that was
// not strongly proven; who is challenged cannot answer and is not, unless blind is true: then nobody ever asks. An attacker
// keeps address, browser and the cookie that it was given. Its victims have twelve logins behind them.
func persist(w World, seed uint64, m *model.Model, kind Attacker, t float32, blind bool) (caught [tries]float64) {
	type campaign struct {
		visit Event
		done  int
	}
	var waiting []campaign // by the time of the next visit, as all wait a day
	victims, hit := 0, [tries]int{}
	o := newOurs(m, nil, "")
	stream := NewStream(w, seed)
	begun := map[int]bool{}
	for e, ok := stream.Next(); ok; e, ok = stream.Next() {
		for len(waiting) > 0 && waiting[0].visit.At.Before(e.At) {
			c := waiting[0]
			waiting = waiting[1:]
			noticed := float32(o.Score(&c.visit)) >= t
			if noticed {
				hit[c.done]++
			}
			if !noticed || blind {
				o.Learn(&c.visit)
			}
			if c.done++; c.done < tries {
				c.visit.At = c.visit.At.Add(24 * time.Hour)
				waiting = append(waiting, c)
			} else {
				victims++
			}
		}
		if !e.Failed && e.History >= 12 && e.Person%5 == 0 && !begun[e.Person] && stream.now < int64(w.Days-tries-2)*day {
			begun[e.Person] = true
			x := stream.Attack(kind, &e)
			x.At = e.At.Add(24 * time.Hour)
			waiting = append(waiting, campaign{visit: x})
		}
		o.Learn(&e)
	}
	for i := range caught {
		caught[i] = float64(hit[i]) / float64(max(victims, 1))
	}
	return caught
}
