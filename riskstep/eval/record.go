package eval

import (
	"math"
	"net/netip"
	"strings"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/model"
)

// Limits of a record, in bytes. Longer values of agent are cut, as the server cuts them; longer names are refused.
const (
	maxLine  = 64 << 10
	maxName  = 256
	maxAgent = 512
)

// record is one recorded login.
type record struct {
	model.Login
	hasNet bool // net was given; without it the address is looked up
	learn  bool // false: scored and forgotten
}

// reader turns lines of JSON into records. It keeps what few values have in common, within bounds.
type reader struct {
	scan   scanner
	agents map[string]model.Agent
	words  map[string]string
}

func newReader() *reader {
	return &reader{agents: map[string]model.Agent{}, words: map[string]string{}}
}

// read reads one line into r. A field that is absent or null is not known; success and learn are true then, strong is
// false. Fields of other names are passed over, and of two with one name the later counts, as encoding/json has it.
func (rd *reader) read(line []byte, r *record) error {
	*r = record{learn: true}
	s := &rd.scan
	s.reset(line)
	seen := 0
	err := s.object(func(key string) error {
		var err error
		switch key {
		case "t":
			var b []byte
			if b, err = s.text(); err == nil && b != nil {
				seen |= 1
				err = r.At.UnmarshalText(b)
			}
		case "user":
			var b []byte
			if b, err = s.name(); err == nil && len(b) > 0 {
				seen |= 2
				r.User = string(b)
			}
		case "ip":
			var b []byte
			if b, err = s.text(); err == nil && len(b) > 0 {
				if r.IP, err = netip.ParseAddr(string(b)); err != nil {
					err = fault("%.64q is no address", b)
				}
			}
		case "net":
			err = rd.net(r)
		case "ua":
			var b []byte
			if b, err = s.text(); err == nil {
				rd.agent(r, b)
			}
		case "device":
			var b []byte
			if b, err = s.name(); err == nil {
				r.Device = string(b)
			}
		case "key":
			r.Key, err = s.key()
		case "success":
			var ok bool
			ok, err = s.bool(true)
			r.Failed = !ok
		case "strong":
			r.Strong, err = s.bool(false)
		case "learn":
			r.learn, err = s.bool(true)
		default:
			return s.skip(0)
		}
		return at(key, err)
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && seen&1 == 0 {
		err = fault("t is missing")
	}
	if err == nil && seen&2 == 0 {
		err = fault("user is missing")
	}
	return err
}

// net reads the object that stands for a look-up.
func (rd *reader) net(r *record) error {
	s, n := &rd.scan, &r.Net
	*n, r.hasNet = model.Net{}, false
	if s.null() {
		return nil
	}
	r.hasNet = true
	radius, lat, lon := math.NaN(), math.NaN(), math.NaN()
	err := s.object(func(key string) error {
		var err error
		switch key {
		case "country":
			var b []byte
			if b, err = s.name(); err == nil && len(b) > 0 {
				if n.Country = rd.word(b); !isCountry(n.Country) {
					err = fault("%.16q is no code of ISO 3166-1", b)
				}
			}
		case "city":
			var b []byte
			if b, err = s.name(); err == nil {
				n.City = rd.word(b)
			}
		case "lat":
			lat, err = s.number(-90, 90)
		case "lon":
			lon, err = s.number(-180, 180)
		case "radius_km":
			radius, err = s.number(0, 25_000)
		case "asn":
			var v float64
			if v, err = s.number(0, math.MaxUint32); err == nil && v == v {
				if n.ASN = uint32(v); float64(n.ASN) != v {
					err = fault("is no whole number")
				}
			}
		case "prefix":
			var b []byte
			if b, err = s.text(); err == nil && len(b) > 0 {
				if n.Prefix, err = netip.ParsePrefix(string(b)); err != nil {
					err = fault("%.64q is no prefix", b)
				}
				n.Prefix = n.Prefix.Masked()
			}
		case "hosting":
			n.Hosting, err = s.bool(false)
		case "mobile":
			n.Mobile, err = s.bool(false)
		case "anonymous":
			n.Anonymous, err = s.bool(false)
		case "tor":
			n.Tor, err = s.bool(false)
		default:
			return s.skip(0)
		}
		return at(key, err)
	})
	if err != nil {
		return err
	}
	if lat == lat && lon == lon {
		n.Lat, n.Lon, n.Km = lat, lon, 50 // where the data does not say how exact it is, as in riskstep/geo
		if radius == radius {
			n.Km = max(1, int(math.Ceil(radius)))
		}
	}
	n.State = model.Known
	if n.Country == "" && n.ASN == 0 {
		n.State = model.Unknown // somebody looked, and found nothing
	}
	return nil
}

// agent parses what the browser says of itself, once for each of the commonest.
func (rd *reader) agent(r *record, b []byte) {
	b = b[:min(len(b), maxAgent)]
	a, ok := rd.agents[string(b)]
	if !ok {
		ua := strings.ToValidUTF8(string(b), "") // where a character was cut
		a = model.ParseAgent(ua, "")
		if len(rd.agents) < 1<<14 {
			rd.agents[ua] = a
		}
	}
	r.Agent = a
}

// word is b as a string, shared where it is a common one.
func (rd *reader) word(b []byte) string {
	w, ok := rd.words[string(b)]
	if !ok {
		w = string(b)
		if len(rd.words) < 1<<14 {
			rd.words[w] = w
		}
	}
	return w
}

func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

// key reads none, software or hardware.
func (s *scanner) key() (ident.KeyProof, error) {
	b, err := s.text()
	if err != nil {
		return 0, err
	}
	switch string(b) {
	case "", "none":
		return ident.NoKey, nil
	case "software":
		return ident.KeyInApp, nil
	case "hardware":
		return ident.KeyInChip, nil
	}
	return 0, fault("%.16q is none of none, software and hardware", b)
}
