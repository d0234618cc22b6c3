package eval

import (
	"math"
	"net/netip"

	"github.com/postern-id/postern/riskstep/model"
)

// ours is the model that is measured, over a state of its own.
type ours struct {
	model    *model.Model
	hasher   *model.Hasher
	tables   *model.Tables
	velocity *model.Velocity
	rings    map[string]*model.Ring
	blind    func(*model.Login) // takes away what a signal would see; nil takes nothing
	mute     string             // a signal that does not count
}

func newOurs(m *model.Model, blind func(*model.Login), mute string) *ours {
	return &ours{m, model.NewHasher([]byte("a key of 32 bytes, for one world")), model.NewTables(), model.NewVelocity(), map[string]*model.Ring{}, blind, mute}
}

func (b *ours) ring(user string) *model.Ring {
	r := b.rings[user]
	if r == nil {
		r = &model.Ring{}
		b.rings[user] = r
	}
	return r
}

func (b *ours) seen(e *Event) model.Login {
	l := e.Login
	if b.blind != nil {
		b.blind(&l)
	}
	return l
}

func (b *ours) result(e *Event) model.Result {
	l := b.seen(e)
	return b.model.Score(b.ring(l.User), b.tables, b.hasher, &l, b.velocity.Pressure(&l))
}

func (b *ours) Score(e *Event) float64 {
	res := b.result(e)
	s := res.Score
	if b.mute != "" {
		for _, c := range res.Reasons {
			if c.Signal == b.mute {
				s -= c.Bits * math.Ln2
			}
		}
	}
	return s
}

func (b *ours) Learn(e *Event) {
	l := b.seen(e)
	b.velocity.Observe(&l)
	if l.Failed {
		return
	}
	r := b.ring(l.User)
	b.tables.Learn(r, b.hasher, &l)
	r.Learn(b.hasher, &l)
}

// What each signal sees, so that it can be taken away.
func noKey(l *model.Login)           { l.Key, l.KeyID = 0, "" }
func noDevice(l *model.Login)        { l.Device = ""; noKey(l) }
func noTravel(l *model.Login)        { l.Net.Km = 0 }
func noHosting(l *model.Login)       { l.Net.Hosting = false }
func noAgent(l *model.Login)         { l.Agent = model.Agent{} }
func noNetwork(l *model.Login)       { l.IP, l.Net = netip.Addr{}, model.Net{} }
func addressAndAgent(l *model.Login) { noDevice(l); noTravel(l); noHosting(l) }

// Contender is a model by name.
type Contender struct {
	Name string
	New  func() Scorer
}

// The models of the report's main tables. The first is the one that the goals are about; the last three say yes or no.
func contenders(m *model.Model) []Contender {
	our := func(blind func(*model.Login), mute string) func() Scorer {
		return func() Scorer { return newOurs(m, blind, mute) }
	}
	return []Contender{
		{"all signals", our(nil, "")},
		{"no bound key", our(noKey, "")},
		{"address and agent", our(addressAndAgent, "time")},
		{"EXTEND", newExtend},
		{"SIMPLE", newSimple},
		{"Keycloak extension", newKeycloak},
		{"country, agent, speed", newRules},
		{"authentik, as it stands", func() Scorer { return newAuthentik(false) }},
		{"authentik, repaired", func() Scorer { return newAuthentik(true) }},
	}
}

const (
	allSignals, noBoundKey, twoFeatures, extended = 0, 1, 2, 3
	firstRule                                     = 6
)

// ablations take one signal away at a time.
func ablations(m *model.Model) []Contender {
	one := func(name string, blind func(*model.Login), mute string) Contender {
		return Contender{name, func() Scorer { return newOurs(m, blind, mute) }}
	}
	return []Contender{
		one("nothing", nil, ""), one("key", noKey, ""), one("device cookie and key", noDevice, ""), one("agent", noAgent, ""), one("network", noNetwork, ""),
		one("travel", noTravel, ""), one("hosting", noHosting, ""), one("time of day", nil, "time"),
	}
}
