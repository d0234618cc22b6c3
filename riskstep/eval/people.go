package eval

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/postern-id/postern/ident"
)

const (
	minute = int64(60)
	hour   = 60 * minute
	day    = 24 * hour
	month  = 365 * day / 12
)

// device is a browser of one person.
type device struct {
	fam    *family
	weight float64
	lag    int
	frozen int   // the month that its version stays at, where it never updates
	late   int64 // when in a month it updates
	key    ident.KeyProof
	cookie string
	shown  string // the cookie with which it last signed in; "" if it never did
	keyID  string // of the key it holds now; "" for none
	used   int64
	dies   int64
}

// person is one user; all that is remembered of a world's past.
type person struct {
	id            string
	class         int
	rate          float64 // logins a second
	country, city int
	isp, carrier  int
	favourite     float64 // local hour about which half of the logins are
	home          net
	host          byte
	v6            bool
	leaseEnds     int64
	lease         float64
	hasOffice     bool
	office        net
	officeHost    byte
	vpn           bool
	exit          int // the VPN's country and operator
	exitOperator  int
	tripStarts    int64
	tripEnds      int64
	abroad        bool
	roams         bool // the phone's own network carries it home
	there         int  // country
	thereCity     int
	devices       []device
	strong        bool
	logins        int
	last          int64
}

func exp(r *rand.Rand, mean float64) int64 { return int64(r.ExpFloat64() * mean) }

func (s *Stream) newPerson(i int) person {
	r, w := s.rng, &s.world
	var shares [len(Classes)]float64
	for c := range Classes {
		shares[c] = Classes[c].Share
	}
	p := person{id: "u" + strconv.Itoa(i), class: pick(r, shares[:]...), country: pickCountry(r), city: zipf(r, 3)}
	p.rate = Classes[p.class].Rate / float64(365*day)
	p.isp, p.carrier = zipf(r, residential), zipf(r, mobile)
	p.favourite = 7 + 15*r.Float64()
	p.lease = w.LeaseDays * float64(day)
	p.v6 = r.Float64() < w.IPv6
	p.hasOffice = r.Float64() < w.Office
	p.office, p.officeHost = officeNet(r, p.country), byte(1+r.IntN(250))
	p.vpn = r.Float64() < w.VPN
	p.exit, p.exitOperator = p.country, r.IntN(hosting)
	if r.Float64() < .4 {
		p.exit = pickCountry(r)
	}
	p.strong = r.Float64() < w.Passkeys
	for n := 1 + pick(r, .35, .4, .18, .07); len(p.devices) < n; {
		p.devices = append(p.devices, s.newDevice(len(p.devices), r.Float64() < w.Mobile, 0))
	}
	if r.Float64() < w.Joining {
		p.last = int64(r.Float64() * float64(w.Days) * float64(day))
	}
	p.plan(r, w, p.last)
	return p
}

// newDevice is the n-th of somebody; a second one is of the other kind.
func (s *Stream) newDevice(n int, phone bool, now int64) device {
	r, w := s.rng, &s.world
	d := device{fam: pickFamily(r, phone != (n%2 == 1)), weight: math.Pow(.4, float64(n)), late: int64(r.Float64() * float64(month)), cookie: s.name("d")}
	months, frozen := lag(r)
	d.lag, d.frozen = months, math.MaxInt
	if frozen {
		d.frozen = int(now/month) - months
	}
	if r.Float64() < w.Keys {
		d.key = ident.KeyInApp
		if d.fam.windows && d.fam.browser != "Firefox" && r.Float64() < w.Chips {
			d.key = ident.KeyInChip
		}
	}
	d.dies = now + exp(r, w.DeviceAge*float64(day))
	return d
}

// plan decides on the next trip.
func (p *person) plan(r *rand.Rand, w *World, now int64) {
	p.tripStarts = now + exp(r, 365/w.Trips*float64(day))
	p.tripEnds = p.tripStarts + (2+r.Int64N(13))*day
	p.abroad, p.roams = r.Float64() < .3, r.Float64() < .5
	p.there, p.thereCity = p.country, (p.city+1+r.IntN(2))%3
	if p.abroad {
		p.there, p.thereCity = pickCountry(r), r.IntN(3)
	}
}

// next is the time of the following login: a Poisson process whose rate follows the hours of the world and of the
// person, by thinning.
func (p *person) next(r *rand.Rand) int64 {
	const most = 2.6 // above the density at any hour
	for t := p.last; ; {
		t += 1 + exp(r, 1/(p.rate*most))
		local := math.Mod(float64(t)/float64(hour)+earth[p.country].cities[p.city].utc+24, 24)
		gap := math.Abs(local - p.favourite)
		gap = min(gap, 24-gap)
		density := .5*hours[int(local)%24]/meanHour + .5*24/(2.5*math.Sqrt(2*math.Pi))*math.Exp(-gap*gap/(2*2.5*2.5))
		if r.Float64()*most < density {
			return t
		}
	}
}

var meanHour = func() float64 {
	sum := 0.0
	for _, h := range hours {
		sum += h / 24
	}
	return sum
}()
