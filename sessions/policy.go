package sessions

import (
	"time"

	"github.com/postern-id/postern/ident"
)

// Life bounds a session.
type Life struct {
	Idle     time.Duration // without any request
	Absolute time.Duration // since the person last proved who they are at the session's rung
}

// Policy is what an operator may choose. The zero value of a field is its default.
type Policy struct {
	// Lives are by the rung of the sign-in. NIST SP 800-63B-4 §2.1.3, §2.2.3, §2.3.3: at AAL1 up to
	// thirty days, at AAL2 at most an hour idle and a day in all, at AAL3 a quarter of an hour and twelve
	// hours. A session is so far a bearer's, so it lives shorter at AAL1 than would be allowed.
	Lives [ident.HardwareBound + 1]Life
	// Risky divides the life of a session whose sign-in was flagged and reached one factor only: by
	// Risky[0] for one flag (a new device or a new country), by Risky[1] for both.
	Risky [2]int
	// Bearer bounds the life of a session whose device proved no key when the person did; 0 for no such bound.
	Bearer      time.Duration
	Raise       time.Duration // how long a step-up lasts: 10 min
	RotateEvery time.Duration // how old a cookie's secret may grow: 15 min
	PrevGrace   time.Duration // how long the secret before it still works, on the same device: 30 s
	PerUser     int           // live sessions of a person, the oldest ends first: 50, at most 150
}

func (p Policy) withDefaults() Policy {
	life := func(r ident.Assurance, idle, absolute time.Duration) {
		if p.Lives[r] == (Life{}) {
			p.Lives[r] = Life{idle, absolute}
		}
	}
	life(ident.AAL1, 8*time.Hour, 24*time.Hour)
	life(ident.AAL2, time.Hour, 24*time.Hour)
	life(ident.PhishingResistant, time.Hour, 24*time.Hour)
	life(ident.HardwareBound, 15*time.Minute, 12*time.Hour)
	def := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	def(&p.Raise, 10*time.Minute)
	def(&p.RotateEvery, 15*time.Minute)
	def(&p.PrevGrace, 30*time.Second)
	if p.Risky == [2]int{} {
		p.Risky = [2]int{4, 12}
	}
	if p.PerUser == 0 {
		p.PerUser = 50
	}
	return p
}

func (p Policy) check() error {
	for r := ident.AAL1; r <= ident.HardwareBound; r++ {
		if l := p.Lives[r]; l.Idle <= seenEvery || l.Absolute < l.Idle {
			return errPolicy("a session lives longer than it may idle, and idles longer than a minute")
		}
	}
	switch {
	case p.Risky[0] < 1 || p.Risky[1] < 1:
		return errPolicy("a flagged session cannot live longer than another")
	case p.Bearer != 0 && p.Bearer < 2*seenEvery:
		return errPolicy("a session without a key lives two minutes at least")
	case p.PrevGrace < 0 || p.RotateEvery <= p.PrevGrace:
		return errPolicy("a secret must live longer than the grace of the one before")
	case p.PerUser < 1 || p.PerUser > 150:
		return errPolicy("a person has 1 to 150 sessions")
	}
	return nil
}

// life is how long a session of rung r with flags (0 to 2) may live.
func (p Policy) life(r ident.Assurance, flags int) Life {
	l := p.Lives[min(r, ident.HardwareBound)]
	if flags > 0 && r < ident.AAL2 {
		n := time.Duration(p.Risky[min(flags, 2)-1])
		l.Idle, l.Absolute = max(l.Idle/n, 2*seenEvery), max(l.Absolute/n, 2*seenEvery)
	}
	return l
}

// bearing is l for a session whose device proved key, or shorter where it is "": whoever holds its cookie holds the session.
func (p Policy) bearing(l Life, key string) Life {
	if key == "" && p.Bearer > 0 {
		l.Absolute = min(l.Absolute, p.Bearer)
		l.Idle = min(l.Idle, l.Absolute)
	}
	return l
}
