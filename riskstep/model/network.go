package model

import (
	"math"
	"net/netip"
)

// octets is a network in its shortest form: family, length of the prefix, address.
type octets struct {
	b [18]byte
	n int
}

func octetsOf(p netip.Prefix) (o octets) {
	if !p.IsValid() {
		return o
	}
	a := p.Masked().Addr()
	o.b[0], o.b[1] = byte(a.BitLen()/8), byte(p.Bits())
	if a.Is4() {
		v := a.As4()
		o.n = 2 + copy(o.b[2:], v[:])
	} else {
		v := a.As16()
		o.n = 2 + copy(o.b[2:], v[:])
	}
	return o
}

// The lengths of what counts as one network and as one address: an IPv6 host picks the lower half of its address anew
// every day (RFC 8981), so that its /64 is what stays.
const (
	bits4, bits6     = 24, 48
	single4, single6 = 32, 64
)

// networks returns the network of l and its address; zero where unknown. A prefix that came with the login counts where
// it is no coarser than the one that the address would give: half a provider is not one network.
func (l *Login) networks() (network, address octets) {
	ip := l.IP.Unmap().WithZone("")
	coarse, fine := bits6, single6
	if ip.Is4() {
		coarse, fine = bits4, single4
	}
	if p, err := ip.Prefix(fine); err == nil {
		address = octetsOf(p)
	}
	p := l.Net.Prefix
	if own, err := ip.Prefix(coarse); err == nil && (!p.IsValid() || p.Bits() < coarse) {
		p = own
	}
	if !p.IsValid() || p.Bits() == 0 {
		return network, address
	}
	return octetsOf(p), address
}

// spot is where l is, as entries write it; radius 0 where that is not known.
func spot(l *Login) (lat, lon int16, radius uint8) {
	n := &l.Net
	if !(n.Km > 0 && math.Abs(n.Lat) <= 90 && math.Abs(n.Lon) <= 180) {
		return 0, 0, 0
	}
	steps := min(max((n.Km+radiusStep-1)/radiusStep, 1), 255)
	return int16(math.Round(n.Lat * 10)), int16(math.Round(n.Lon * 10)), uint8(steps)
}

// radiusStep is the unit of an entry's radius, in km.
const radiusStep = 10
