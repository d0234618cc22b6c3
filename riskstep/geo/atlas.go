package geo

import (
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/postern-id/postern/riskstep"
)

//go:embed world.bin
var world string

//go:embed hosting.txt
var hosts string

var (
	embedded    = sync.OnceValues(func() (*table, error) { return parseTable(world) })
	hostSystems = sync.OnceValues(func() (*entries, error) { return parseList([]byte(hosts)) })
)

// How old the embedded table may grow. Networks change hands slowly: a country or a system that was right a year ago is
// right for all but a few percent of addresses. What is wrong errs in both directions, though, and an attacker can look
// for it, so that after EmbeddedLimit it counts as unknown.
const (
	EmbeddedStale = 120 * 24 * time.Hour // operators are told
	EmbeddedLimit = 400 * 24 * time.Hour // unknown
)

// ErrOld says that data is older than it may be: nothing is known.
var ErrOld = errors.New("geo: the data is too old")

// Options are what an Atlas is made of. Every path may be empty.
type Options struct {
	File      string        // MMDB with countries or places, perhaps with autonomous systems too
	Networks  string        // MMDB with autonomous systems
	Hosting   string        // lists: what is in them, beside the embedded list of large hosts
	Anonymous string        // VPNs, proxies, relays
	Tor       string        // exits of Tor
	Mobile    string        // mobile carriers
	Embedded  bool          // the table in the binary stands in for a file that is not there
	MaxAge    time.Duration // of the two files; 0 for no limit
	Now       func() time.Time
}

// Atlas is all that is known of addresses: a file of places, one of networks, lists, and the table in the binary.
type Atlas struct {
	opt      Options
	places   *DB    // nil: none
	networks *DB    // nil: none
	world    *table // nil: not to be used
	hosts    *entries
	lists    struct{ hosting, anonymous, tor, mobile *List }
}

// New opens the files. An error names the first that cannot be used.
func New(o Options) (*Atlas, error) {
	a := &Atlas{opt: o}
	var err error
	if o.File != "" {
		if a.places, err = Open(o.File, o.Now); err != nil {
			return nil, err
		}
		if a.places.Networks() {
			a.networks = a.places
		}
	}
	if o.Networks != "" {
		if a.networks, err = OpenNetworks(o.Networks, o.Now); err != nil {
			return nil, err
		}
	}
	if o.Embedded && (a.places == nil || a.networks == nil) {
		if a.world, err = embedded(); err != nil {
			return nil, err
		}
	}
	if a.hosts, err = hostSystems(); err != nil {
		return nil, err
	}
	for _, l := range []struct {
		path string
		to   **List
	}{{o.Hosting, &a.lists.hosting}, {o.Anonymous, &a.lists.anonymous}, {o.Tor, &a.lists.tor}, {o.Mobile, &a.lists.mobile}} {
		if l.path == "" {
			continue
		}
		if *l.to, err = OpenList(l.path, o.Now); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Places returns the one who finds places; nil if there is no data of them at all.
func (a *Atlas) Places() riskstep.Locator {
	if a.places == nil && a.world == nil {
		return nil
	}
	return locator{a}
}

// Networks returns the one who finds networks; nil if there is neither data nor a list of the operator's.
func (a *Atlas) Networks() riskstep.Networks {
	l := a.lists
	if a.networks == nil && a.world == nil && l.hosting == nil && l.anonymous == nil && l.tor == nil && l.mobile == nil {
		return nil
	}
	return networks{a}
}

type locator struct{ a *Atlas }

// Locate returns the place of ip; a Local one for what is never routed, unless the file has it.
func (l locator) Locate(ip netip.Addr) (p riskstep.Place, err error) {
	ip = ip.Unmap().WithZone("")
	if err := l.a.old(l.Age(), l.a.places); err != nil {
		return riskstep.Place{}, err
	}
	if l.a.places != nil {
		p, err = l.a.places.Locate(ip)
	}
	switch {
	case err != nil || p.Known:
		return p, err
	case Special(ip):
		return riskstep.Place{Local: true}, nil
	case l.a.places != nil:
		return riskstep.Place{}, nil
	}
	e, _, err := l.a.world.of(ip)
	return riskstep.Place{Country: e.country, Known: e.country != ""}, err
}

func (l locator) Age() time.Duration { return l.a.age(l.a.places) }

type networks struct{ a *Atlas }

// Network returns the network of ip, with the flags of all lists.
func (n networks) Network(ip netip.Addr) (riskstep.Network, error) {
	ip = ip.Unmap().WithZone("")
	out, err := n.a.system(ip)
	l := n.a.lists
	out.Hosting = n.a.hosts.has(ip, out.ASN) || l.hosting != nil && l.hosting.Has(ip, out.ASN)
	out.Anonymous = l.anonymous != nil && l.anonymous.Has(ip, out.ASN)
	out.Tor = l.tor != nil && l.tor.Has(ip, out.ASN)
	out.Mobile = l.mobile != nil && l.mobile.Has(ip, out.ASN)
	return out, err
}

func (n networks) Age() time.Duration { return n.a.age(n.a.networks) }

// system is the autonomous system of ip.
func (a *Atlas) system(ip netip.Addr) (riskstep.Network, error) {
	if err := a.old(a.age(a.networks), a.networks); err != nil {
		return riskstep.Network{}, err
	}
	if a.networks != nil {
		return a.networks.Network(ip)
	}
	if a.world == nil || Special(ip) { // lists only, or nobody's network
		return riskstep.Network{}, nil
	}
	e, p, err := a.world.of(ip)
	if err != nil || e.asn == 0 {
		return riskstep.Network{}, err
	}
	return riskstep.Network{ASN: e.asn, Prefix: p, Known: true}, nil
}

// age is how old db is, or the table where there is no db.
func (a *Atlas) age(db *DB) time.Duration {
	switch {
	case db != nil:
		return db.Age()
	case a.world != nil:
		return a.opt.Now().Sub(a.world.built)
	}
	return 0
}

// old says whether data of that age, of db or of the table, is too old to be believed.
func (a *Atlas) old(age time.Duration, db *DB) error {
	limit := a.opt.MaxAge
	if db == nil {
		limit = EmbeddedLimit
	}
	if limit > 0 && age > limit {
		return ErrOld
	}
	return nil
}

// Embedded tells operators of the table in the binary: when its data was collected, and how large it is, in bytes.
func Embedded() (built time.Time, size int, err error) {
	t, err := embedded()
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("geo: the embedded table: %w", err)
	}
	return t.built, len(world), nil
}
