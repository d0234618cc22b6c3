package eval

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/model"
)

// Event is one login of a world, with what only published models ask for.
type Event struct {
	model.Login
	UA      Agent
	Person  int
	Class   int
	History int // successful logins before this one
}

// Stream makes the logins of a world in order of time: the same for the same world and seed, whatever attacks are asked
// for in between. It holds its people and nothing of the past, so that its memory does not grow with time.
type Stream struct {
	world  World
	rng    *rand.Rand
	evil   *rand.Rand
	nets   *networks
	agents agents
	parsed map[string]model.Agent
	people []person
	queue  []turn // a heap by time
	names  int
	held   *Event // a login whose failed attempt was just returned
	now    int64

	// What stood before the latest login, for attacks that come before it.
	cur    int   // its person
	since  int64 // their login before
	device int   // which of their devices; -1 for another's
	shown  string
	keyID  string
	stolen int // names of attackers' browsers
}

type turn struct {
	at int64
	of int
}

// NewStream begins a world.
func NewStream(w World, seed uint64) *Stream {
	s := &Stream{world: w, rng: rand.New(rand.NewPCG(seed, 1)), evil: rand.New(rand.NewPCG(seed, 2)), agents: agents{}, parsed: map[string]model.Agent{}}
	s.nets = newNetworks(w, s.rng)
	for i := range w.Users {
		p := s.newPerson(i)
		p.moveIn(s.rng, p.last)
		s.people = append(s.people, p)
		s.push(turn{p.next(s.rng), i})
	}
	return s
}

// Next is the following attempt of its owner; false at the end of the world's time.
func (s *Stream) Next() (Event, bool) {
	if s.held != nil {
		e := *s.held
		s.held = nil
		return e, true
	}
	if len(s.queue) == 0 {
		return Event{}, false
	}
	t := s.queue[0]
	if t.at >= int64(s.world.Days)*day {
		return Event{}, false
	}
	p := &s.people[t.of]
	s.now, s.cur, s.since = t.at, t.of, p.last
	e := s.login(p)
	p.last = s.now
	s.queue[0].at = p.next(s.rng)
	s.sift()
	if s.rng.Float64() < s.world.Typos {
		s.held = &e
		failed := e
		failed.Failed, failed.Strong = true, false
		return failed, true
	}
	return e, true
}

func (s *Stream) login(p *person) Event {
	r, w, now := s.rng, &s.world, s.now
	i := 0
	if len(p.devices) > 1 {
		var weights [4]float64
		for k := range p.devices {
			weights[k] = p.devices[k].weight
		}
		i = pick(r, weights[:len(p.devices)]...)
	}
	d := &p.devices[i]
	if now > d.dies {
		old := *d
		*d = s.newDevice(0, old.fam.kind == "mobile", now)
		d.weight = old.weight
	}
	s.device, s.shown, s.keyID = i, d.shown, d.keyID
	guest := false
	if r.Float64() < w.Borrowed {
		other := s.newDevice(0, r.Float64() < w.Mobile, now)
		d, guest, s.device = &other, true, -1
	}
	e := s.event(p, now)
	e.UA = s.agentOf(d, now)
	if w.Forgets && d.fam.safari && now-d.used > 7*day {
		d.keyID = ""
	}
	if r.Float64() < w.CookieGo {
		d.cookie, d.keyID = s.name("d"), ""
	}
	e.Device = d.cookie
	if r.Float64() < w.Private {
		e.Device = s.name("d")
	} else {
		if d.keyID != "" {
			e.Key, e.KeyID = d.key, d.keyID
		} else if d.key != ident.NoKey { // made after this login, shown from the next one on
			d.keyID = s.name("k")
		}
		d.shown = d.cookie
	}
	d.used = now
	e.Strong = p.strong && !guest
	s.setNet(&e, s.placeOf(p, d.fam.kind == "mobile", now))
	s.finish(&e)
	p.logins++
	return e
}

func (s *Stream) event(p *person, now int64) Event {
	return Event{Login: model.Login{At: s.world.Start.Add(time.Duration(now) * time.Second), User: p.id}, Person: s.cur, Class: p.class, History: p.logins}
}

// finish parses what the browser says of itself, once for each.
func (s *Stream) finish(e *Event) {
	a, ok := s.parsed[e.UA.Full]
	if !ok {
		a = model.ParseAgent(e.UA.Full, "")
		s.parsed[e.UA.Full] = a
	}
	e.Agent = a
}

func (s *Stream) agentOf(d *device, now int64) Agent {
	m := int((now+d.late)/month) - 1 - d.lag
	return s.agents.at(d.fam, min(m, d.frozen))
}

// spot is an address and its network.
type spot struct {
	net  net
	host byte
	v6   bool
}

// placeOf is where somebody is at a time.
func (s *Stream) placeOf(p *person, phone bool, now int64) spot {
	r, w := s.rng, &s.world
	any := func(n net) spot { return spot{net: n, host: byte(1 + r.IntN(250))} }
	if p.vpn && r.Float64() < .5 {
		return any(hostingNet(r, p.exit, p.exitOperator))
	}
	for now > p.tripEnds {
		p.plan(r, w, p.tripEnds)
	}
	if now > p.tripStarts {
		switch {
		case phone && (p.roams || !p.abroad) && r.Float64() < .6:
			return any(mobileNet(r, p.country, p.carrier))
		default:
			return any(homeNet(r, p.there, p.thereCity, zipf(r, residential)))
		}
	}
	local := now + int64(earth[p.country].cities[p.city].utc*float64(hour))
	h, weekday := local%day/hour, local/day%7 < 5
	if p.hasOffice && weekday && h >= 8 && h < 17 && r.Float64() < .7 {
		return spot{net: p.office, host: p.officeHost}
	}
	if phone && r.Float64() < .45 {
		return any(mobileNet(r, p.country, p.carrier))
	}
	if r.Float64() < .02 { // a friend's, a café
		return any(homeNet(r, p.country, p.city, zipf(r, residential)))
	}
	if now > p.leaseEnds {
		p.moveIn(r, now)
	}
	return spot{p.home, p.host, p.v6}
}

// moveIn gives a home a new address of the same provider.
func (p *person) moveIn(r *rand.Rand, now int64) {
	p.home, p.host = homeNet(r, p.country, p.city, p.isp), byte(1+r.IntN(250))
	p.leaseEnds = now + exp(r, p.lease)
}

func (s *Stream) setNet(e *Event, at spot) {
	e.Net = s.nets.list[at.net]
	e.IP = address(at.net, at.host)
	if at.v6 {
		e.IP, e.Net.Prefix = address6(at.net, at.host, uint64(s.now/day)*0x9e3779b97f4a7c15)
	}
}

func (s *Stream) name(kind string) string {
	s.names++
	return kind + strconv.Itoa(s.names)
}

func (s *Stream) push(t turn) {
	s.queue = append(s.queue, t)
	for i := len(s.queue) - 1; i > 0 && s.queue[i].before(s.queue[(i-1)/2]); i = (i - 1) / 2 {
		s.queue[i], s.queue[(i-1)/2] = s.queue[(i-1)/2], s.queue[i]
	}
}

// sift moves the first turn to its place.
func (s *Stream) sift() {
	for i := 0; ; {
		k := 2*i + 1
		if k >= len(s.queue) {
			return
		}
		if k+1 < len(s.queue) && s.queue[k+1].before(s.queue[k]) {
			k++
		}
		if !s.queue[k].before(s.queue[i]) {
			return
		}
		s.queue[i], s.queue[k] = s.queue[k], s.queue[i]
		i = k
	}
}

func (t turn) before(o turn) bool { return t.at < o.at || t.at == o.at && t.of < o.of }
