package eval

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/postern-id/postern/riskstep/model"
)

// The networks of each country: who runs how many, and how many /24s they have in a city, or in all.
const (
	residential, homePool  = 8, 40 // /24s a city
	mobile, mobilePool     = 3, 12 // CGNAT, for the whole country
	hosting, hostingPool   = 6, 8
	corporate, officesPool = 15, 16

	homes       = residential * 3 * homePool
	phones      = mobile * mobilePool
	servers     = hosting * hostingPool
	inCountry   = homes + phones + servers + corporate*officesPool
	firstPrefix = 20 << 16 // 20.0.0.0/24; each world has its own numbers in public space
)

// net is one /24, by number.
type net int

func (n net) country() int { return int(n) / inCountry }

// networks is who is where, and what the data says of it.
type networks struct{ list []model.Net }

func newNetworks(w World, r *rand.Rand) *networks {
	ns := &networks{list: make([]model.Net, len(earth)*inCountry)}
	listed := map[uint32]bool{}
	for i := range ns.list {
		c, in := i/inCountry, i%inCountry
		m := model.Net{State: model.Known, Country: earth[c].code}
		at := r.IntN(3)
		operator := 0
		switch {
		case in < homes:
			operator, at = in/(3*homePool), in/homePool%3
			m.Km = 5 + r.IntN(46)
		case in < homes+phones:
			operator = 20 + (in-homes)/mobilePool
			at = operator % 3 // the city that the data names for the whole network
			m.Km, m.Mobile = 100+r.IntN(401), true
		case in < homes+phones+servers:
			operator = 30 + (in-homes-phones)/hostingPool
			m.Km = 20 + r.IntN(81)
		default:
			operator = 40 + (in-homes-phones-servers)/officesPool
			m.Km = 5 + r.IntN(46)
		}
		m.ASN = uint32(100_000 + 100*c + operator)
		if operator >= 30 && operator < 40 {
			if _, ok := listed[m.ASN]; !ok {
				listed[m.ASN] = r.Float64() < w.Listed
			}
			m.Hosting = listed[m.ASN]
		}
		if r.Float64() < w.WrongCity {
			at = (at + 1 + r.IntN(2)) % 3
		}
		place := earth[c].cities[at]
		m.City, m.Lat, m.Lon = place.name, place.lat, place.lon
		m.Prefix = netip.PrefixFrom(address(net(i), 0), 24)
		ns.list[i] = m
	}
	return ns
}

func address(n net, host byte) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(firstPrefix+int(n))<<8|uint32(host))
	return netip.AddrFrom4(b)
}

// address6 is an address in the /48 of home h, on a day: privacy extensions change the rest.
func address6(n net, h byte, rest uint64) (netip.Addr, netip.Prefix) {
	b := [16]byte{0x2a, 0x10}
	binary.BigEndian.PutUint32(b[2:], uint32(n))
	b[6] = h // a /56 of the provider's /48
	binary.BigEndian.PutUint64(b[8:], rest)
	a := netip.AddrFrom16(b)
	return a, netip.PrefixFrom(a, 48).Masked()
}

// home is a /24 of an operator in a city.
func homeNet(r *rand.Rand, country, city, operator int) net {
	return net(country*inCountry + (operator*3+city)*homePool + r.IntN(homePool))
}

func mobileNet(r *rand.Rand, country, operator int) net {
	return net(country*inCountry + homes + operator*mobilePool + r.IntN(mobilePool))
}

func hostingNet(r *rand.Rand, country, operator int) net {
	return net(country*inCountry + homes + phones + operator*hostingPool + r.IntN(hostingPool))
}

func officeNet(r *rand.Rand, country int) net {
	return net(country*inCountry + homes + phones + servers + r.IntN(corporate*officesPool))
}

// zipf picks one of n, the first most often.
func zipf(r *rand.Rand, n int) int {
	sum := 0.0
	for i := range n {
		sum += 1 / float64(i+1)
	}
	x := r.Float64() * sum
	for i := range n {
		if x -= 1 / float64(i+1); x < 0 {
			return i
		}
	}
	return n - 1
}

// pick returns an index by weight.
func pick(r *rand.Rand, weights ...float64) int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	x := r.Float64() * sum
	for i, w := range weights {
		if x -= w; x < 0 {
			return i
		}
	}
	return len(weights) - 1
}

func pickCountry(r *rand.Rand) int {
	var w [len(earth)]float64
	for i := range earth {
		w[i] = earth[i].share
	}
	return pick(r, w[:]...)
}
