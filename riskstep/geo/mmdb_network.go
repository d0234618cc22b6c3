package geo

import (
	"strconv"
	"strings"

	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/postern-id/postern/riskstep"
)

const probeASNs = 1 << 14 // how many networks are looked at before a file counts as one without autonomous systems

func probeNetworks(raw *maxminddb.Reader) bool {
	left := probeASNs
	for res := range raw.Networks(maxminddb.IncludeNetworksWithoutData(), maxminddb.IncludeAliasedNetworks()) {
		if n, err := readNetwork(res); err == nil && n.Known {
			return true
		}
		if left--; left == 0 {
			break
		}
	}
	return false
}

// readNetwork reads the autonomous system of a record: of GeoLite2-ASN and GeoIP2-ISP, of GeoIP2-Enterprise, or of the
// flat ones of other makers. Private numbers (RFC 6996 §5) and zero are none.
func readNetwork(res maxminddb.Result) (riskstep.Network, error) {
	var r struct {
		Number uint64 `maxminddb:"autonomous_system_number"`
		Org    string `maxminddb:"autonomous_system_organization,maxsize:1024"`
		ASN    any    `maxminddb:"asn"`
		Name   string `maxminddb:"as_name,maxsize:1024"`
		Traits struct {
			Number uint64 `maxminddb:"autonomous_system_number"`
			Org    string `maxminddb:"autonomous_system_organization,maxsize:1024"`
		} `maxminddb:"traits"`
	}
	if err := res.Decode(&r); err != nil {
		return riskstep.Network{}, err
	}
	if r.Number == 0 {
		r.Number, r.Org = r.Traits.Number, r.Traits.Org
	}
	if r.Number == 0 {
		r.Number, r.Org = asNumber(r.ASN), r.Name
	}
	if r.Number == 0 || r.Number >= 4_200_000_000 || !res.Found() {
		return riskstep.Network{}, nil
	}
	p := res.Prefix()
	if p.Addr().Is4In6() && p.Bits() >= 96 { // of an IPv6 tree that has IPv4 in it
		p = mapped(p)
	}
	return riskstep.Network{ASN: uint32(r.Number), Prefix: p, Org: short(r.Org), Known: true}, nil
}

// asNumber is v, 64500 or "AS64500", as a number; 0 where it is none.
func asNumber(v any) uint64 {
	switch n := v.(type) {
	case uint64:
		return n
	case uint32:
		return uint64(n)
	case uint16:
		return uint64(n)
	case string:
		if len(n) > 2 && strings.EqualFold(n[:2], "AS") {
			n = n[2:]
		}
		u, _ := strconv.ParseUint(n, 10, 32)
		return u
	}
	return 0
}

const maxOrg = 64

// short is the name of an organisation as it is kept: printable, and not without end.
func short(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxOrg)], "")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
