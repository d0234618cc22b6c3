package geo

import (
	"cmp"
	"net/netip"
	"slices"
)

// span is a range of addresses of one family, both ends in it.
type span struct{ lo, hi netip.Addr }

// ranges is a set of addresses: sorted spans that neither touch nor overlap, found by bisection. An address of IPv4 is
// 32 bits wide in it, so that a look-up compares one word.
type ranges struct {
	v4 []span4
	v6 []span
}

type span4 struct{ lo, hi uint32 }

func newRanges(list []netip.Prefix) ranges {
	spans := make([]span, 0, len(list))
	for _, p := range list {
		spans = append(spans, span{p.Masked().Addr(), last(p)})
	}
	return joined(spans)
}

// joined sorts and merges spans.
func joined(spans []span) (r ranges) {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(a.lo.Compare(b.lo), a.hi.Compare(b.hi)) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && merged[n-1].lo.BitLen() == s.lo.BitLen() && (s.lo.Compare(merged[n-1].hi) <= 0 || merged[n-1].hi.Next() == s.lo) {
			if s.hi.Compare(merged[n-1].hi) > 0 {
				merged[n-1].hi = s.hi
			}
			continue
		}
		merged = append(merged, s)
	}
	for _, s := range merged {
		if s.lo.Is4() {
			r.v4 = append(r.v4, span4{word(s.lo), word(s.hi)})
		} else {
			r.v6 = append(r.v6, s)
		}
	}
	return r
}

// has says whether ip, unmapped and without a zone, is in the set.
func (r *ranges) has(ip netip.Addr) bool {
	if ip.Is4() {
		w := word(ip)
		i, ok := slices.BinarySearchFunc(r.v4, w, func(s span4, w uint32) int { return cmp.Compare(s.lo, w) })
		return ok || i > 0 && w <= r.v4[i-1].hi
	}
	i, ok := slices.BinarySearchFunc(r.v6, ip, func(s span, ip netip.Addr) int { return s.lo.Compare(ip) })
	return ok || i > 0 && ip.Compare(r.v6[i-1].hi) <= 0
}

func (r *ranges) len() int { return len(r.v4) + len(r.v6) }

// word is an address of IPv4 as a number.
func word(ip netip.Addr) uint32 {
	b := ip.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// last is the highest address of p.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
