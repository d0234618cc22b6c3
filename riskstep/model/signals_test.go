package model

import (
	"net/netip"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
)

// lived is what a tenant of ten people and Ann's ring know after a month of logins from home, at nine.
func lived(t *testing.T, change func(l *Login)) *Memory {
	t.Helper()
	s := NewMemory(Default(), []byte("key"))
	for d := range 30 {
		for u := range 10 {
			l := usual(start.Add(time.Duration(d) * 24 * time.Hour))
			if u > 0 {
				l.User, l.Device, l.KeyID = string(rune('a'+u)), "d"+string(rune('a'+u)), "k"+string(rune('a'+u))
				l.IP = netip.AddrFrom4([4]byte{203, 0, byte(114 + u), 9})
			}
			if change != nil {
				change(&l)
			}
			s.Learn(&l)
		}
	}
	return s
}

func (r *Result) bits(signal string) (bits float64, level string) {
	for _, c := range r.Reasons {
		if c.Signal == signal {
			return c.Bits, c.Level
		}
	}
	return 0, ""
}

func TestSignals(t *testing.T) {
	s := lived(t, nil)
	next := start.Add(30 * 24 * time.Hour)
	abroad := func(l *Login) {
		l.IP = netip.MustParseAddr("192.0.2.1")
		l.Net = Net{State: Known, Country: "BR", City: "Rio", Lat: -22.9, Lon: -43.2, Km: 20, ASN: 26599}
	}
	stranger := func(l *Login) { l.Device, l.Key, l.KeyID = "another", ident.NoKey, "" }
	for _, c := range []struct {
		name   string
		change func(l *Login)
		signal string
		level  string
		novel  Novelty
		lo, hi float64 // of the bits
	}{
		{"at home", func(l *Login) {}, "network", "known address", 0, -20, -1},
		{"another address of the same network", func(l *Login) { l.IP = netip.MustParseAddr("203.0.113.99") }, "network", "known network, new address", NewAddress, -5, 5},
		{"another network of the same provider", func(l *Login) { l.IP = netip.MustParseAddr("203.0.99.7") }, "network", "new network", NewNetwork | NewAddress, 0, 6},
		{"another provider", func(l *Login) { l.IP, l.Net.ASN = netip.MustParseAddr("198.51.100.1"), 41164 }, "network", "new provider", NewASN | NewNetwork | NewAddress, 1, 12},
		{"another country", abroad, "network", "new country", NewCountry | NewASN | NewNetwork | NewAddress, 3, 14},
		{"data is missing", func(l *Login) { l.IP, l.Net = netip.MustParseAddr("192.0.2.1"), Net{State: Unknown} }, "network", "unknown network where there was one", UnknownNet, 4, 16},
		{"data is missing at home", func(l *Login) { l.Net = Net{State: Unknown} }, "network", "known address", UnknownNet, -20, -1},
		{"no address", func(l *Login) { l.IP, l.Net = netip.Addr{}, Net{} }, "network", "no address where there was one", UnknownNet, 2, 16},
		{"a known device", func(l *Login) {}, "device", "known device", 0, -13, -1},
		{"no cookie", func(l *Login) { l.Device = "" }, "device", "no device cookie", NoDevice, .5, 6},
		{"another cookie", func(l *Login) { l.Device = "another" }, "device", "new device", NewDevice, .5, 6},
		{"its key", func(l *Login) {}, "key", "known key in hardware", 0, -20, -5},
		{"its key, from software", func(l *Login) { l.Key = ident.KeyInApp }, "key", "known key", 0, -20, -1},
		{"without its key", func(l *Login) { l.Key, l.KeyID = ident.NoKey, "" }, "key", "key of the device not shown", KeyMissing, 2, 16},
		{"with another key", func(l *Login) { l.KeyID = "another" }, "key", "another key", KeyMissing | NewKey, 2, 16},
		{"a stranger without a key", stranger, "key", "no key", NewDevice, 0, 0},
		{"the same browser", func(l *Login) {}, "agent", "known browser", 0, -6, 0},
		{"a newer version", func(l *Login) {
			l.Agent = ParseAgent("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36", "")
		},
			"agent", "known browser, new version", 0, 0, 7},
		{"an older version on the same device", func(l *Login) { l.Agent = ParseAgent(agentsDrawn[2], "") }, "agent", "older version on the same device", AgentBack, 1, 12},
		{"another browser on the same device", func(l *Login) { l.Agent = ParseAgent(agentsDrawn[4], "") }, "agent", "new browser", NewAgent, 1, 16},
		{"a browser that says nothing", func(l *Login) { l.Agent = Agent{} }, "agent", "new browser", NewAgent, 1, 16},
		{"another handshake", func(l *Login) { l.JA4 = "t13i190700_9dc949149365_97f8aa674fd9" }, "ja4", "handshake of another program", 0, 1, 8},
		{"the handshake of always", func(l *Login) {}, "ja4", "known handshake", 0, -4, .01},
		{"no handshake is known", func(l *Login) { l.JA4 = "" }, "ja4", "", 0, 0, 0},
		{"an hour later in another continent", func(l *Login) { abroad(l); stranger(l); l.At = next.Add(-23 * time.Hour) }, "travel", "faster than one can travel", NewCountry | NewASN | NewNetwork | NewAddress | NewDevice | Fast, .5, 4},
		{"the same with a key", func(l *Login) { abroad(l); l.At = next.Add(-23 * time.Hour) }, "travel", "not judged: the device proved its key", NewCountry | NewASN | NewNetwork | NewAddress, 0, 0},
		{"three days later in another continent", func(l *Login) { abroad(l); stranger(l); l.At = next.Add(72 * time.Hour) }, "travel", "", NewCountry | NewASN | NewNetwork | NewAddress | NewDevice, 0, 0},
		{"from hosting", func(l *Login) { abroad(l); l.Net.Hosting = true }, "hosting", "hosting", NewCountry | NewASN | NewNetwork | NewAddress | Hosting, .1, 6},
		{"from Tor", func(l *Login) { abroad(l); l.Net.Tor = true }, "hosting", "Tor", NewCountry | NewASN | NewNetwork | NewAddress | Anonymous, .1, 8},
		{"in the middle of the night", func(l *Login) { l.At = l.At.Add(-10 * time.Hour) }, "time", "unusual hour", OddHour, .5, 2},
		{"at nine as always", func(l *Login) {}, "time", "usual hour", 0, -2, 0},
		{"denied before", func(l *Login) { l.Doubt = Denied }, "credential", "denied before", 0, 2, 7},
		{"password known from a leak", func(l *Login) { l.Doubt = Breached }, "credential", "password known from a leak", 0, 2, 4},
		{"a counter that went back", func(l *Login) { l.Doubt = CounterBack }, "credential", "passkey may have been copied", 0, 2, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := usual(next)
			c.change(&l)
			got := s.Score(&l)
			bits, level := got.bits(c.signal)
			if level != c.level || got.Novel&^OddHour != c.novel&^OddHour || c.novel&OddHour&^got.Novel != 0 || bits < c.lo || bits > c.hi {
				t.Errorf("%s: %.2f bits, %q, novel %b; want %v to %v, %q, %b\n%+v", c.signal, bits, level, got.Novel, c.lo, c.hi, c.level, c.novel, got)
			}
		})
	}
}

func TestWhoeverStoleTheCookieIsNoticed(t *testing.T) {
	s := lived(t, nil)
	home := usual(start.Add(30 * 24 * time.Hour))
	thief := home
	thief.Key, thief.KeyID = ident.NoKey, ""
	thief.IP, thief.Net = netip.MustParseAddr("192.0.2.1"), Net{State: Known, Country: "BR", Lat: -22.9, Lon: -43.2, Km: 20, ASN: 26599}
	safe, stolen := s.Score(&home), s.Score(&thief)
	if safe.P > .001 || stolen.P < .2 {
		t.Errorf("at home P = %v, the thief's %v: %+v", safe.P, stolen.P, stolen)
	}
}

func TestWhatNobodyHasIsNoNews(t *testing.T) {
	bare := func(l *Login) {
		*l = Login{At: l.At, User: l.User, IP: l.IP, Net: Net{State: Known, Country: "NO", ASN: 2119}, Agent: l.Agent}
	}
	s := lived(t, bare)
	l := usual(start.Add(30 * 24 * time.Hour))
	bare(&l)
	got := s.Score(&l)
	if bits, _ := got.bits("device"); bits > .3 || got.P > .01 {
		t.Errorf("nobody has a cookie: %+v", got)
	}
	alone := func(l *Login) { *l = Login{At: l.At, User: l.User} }
	s = lived(t, alone)
	alone(&l)
	if got := s.Score(&l); got.P > .2 || got.P < .01 {
		t.Errorf("nothing but time and user is known: %+v", got)
	}
	nowhere := func(l *Login) { l.Net = Net{State: Unknown} }
	s = lived(t, nowhere)
	l = usual(l.At)
	nowhere(&l)
	l.Device, l.Key, l.KeyID = "", ident.NoKey, ""
	home := s.Score(&l)
	l.IP = netip.MustParseAddr("192.0.2.1")
	if away := s.Score(&l); home.P > .05 || away.Score < home.Score+2 {
		t.Errorf("without any data, at home %+v, elsewhere %+v", home, away)
	}
	fresh := Login{At: start, User: "new"}
	if got := NewMemory(Default(), []byte("key")).Score(&fresh); got.P > .2 || got.P < .02 {
		t.Errorf("nothing at all is known: %+v", got)
	}
}

func TestMissingDatabaseIsHighRisk(t *testing.T) {
	s := lived(t, nil)
	l := usual(start.Add(30 * 24 * time.Hour))
	l.Device, l.Key, l.KeyID = "", ident.NoKey, ""
	l.IP = netip.MustParseAddr("192.0.2.1")
	abroad := l
	abroad.Net = Net{State: Known, Country: "BR", ASN: 26599}
	l.Net = Net{State: Unknown}
	if a, b := s.Score(&l), s.Score(&abroad); a.P < .7 || a.Score < b.Score {
		t.Errorf("unknown %v, another country %v", a.P, b.P)
	}
	fresh := Login{At: start, User: "new", IP: l.IP, Net: l.Net}
	if got := NewMemory(Default(), []byte("key")).Score(&fresh); got.P < .4 {
		t.Errorf("somebody new from an unknown network: %+v", got)
	}
	if _, err := ParseRing([]byte("no ring")); err == nil {
		t.Error("a damaged ring is read")
	}
	damaged, _ := ParseRing([]byte("no ring"))
	home := usual(l.At)
	if got := s.model.Score(&damaged, s.tables, s.hasher, &home, Pressure{}); got.P < .4 || got.Novel&(UnknownNet|NewDevice) == 0 {
		t.Errorf("a damaged ring: %+v", got)
	}
	if again, err := ParseRing(damaged.Append(nil)); err == nil || !again.damaged {
		t.Error("a damaged ring became a new one")
	}
}

func TestAlert(t *testing.T) {
	s := lived(t, nil)
	at := start.Add(30 * 24 * time.Hour)
	l := usual(at)
	l.Key, l.KeyID = ident.NoKey, ""
	before := s.Score(&l)
	s.Ring("ann").Forget(at.Add(-time.Hour), at)
	after := s.Score(&l)
	if _, level := after.bits("device"); level != "known device, under alert" || after.Score < before.Score+2 {
		t.Errorf("under alert %+v", after)
	}
	l.At = at.Add(31 * 24 * time.Hour)
	if s.Ring("ann").Alerted(l.At) {
		t.Error("an alert that does not end")
	}
}
