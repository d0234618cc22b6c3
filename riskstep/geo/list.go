package geo

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxList    = 64 << 20 // bytes
	maxEntries = 4 << 20
	maxLine    = 1024
)

// List is a text file of addresses (192.0.2.1), of networks (192.0.2.0/24), of ranges (192.0.2.1-192.0.2.9) and of
// autonomous systems (AS64500), one a line. What stands behind a # or a ; is a comment, and so is what stands behind an
// entry and a blank. It is read anew when it changes; one with a line that is none of these is refused as a whole.
type List struct{ file *watched[*entries] }

// entries are what a list holds.
type entries struct {
	nets ranges
	asns []uint32 // sorted
}

// OpenList reads the file at path. An error for one over 64 MiB, with more than four million entries, with a line that
// is none, or with no entry at all: that is how a download fails.
func OpenList(path string, now func() time.Time) (*List, error) {
	w, err := watch(path, maxList, now, parseList)
	if err != nil {
		return nil, err
	}
	return &List{w}, nil
}

// Has says whether the list names ip or the autonomous system asn, where that is not 0.
func (l *List) Has(ip netip.Addr, asn uint32) bool {
	return l.file.get().data.has(ip.Unmap().WithZone(""), asn)
}

// Status tells operators how many networks (merged where they touch) and systems are in use, when the file was last
// written, and why a newer one could not be read.
func (l *List) Status() (nets, systems int, written time.Time, err error) {
	r := l.file.cur.Load()
	return r.data.nets.len(), len(r.data.asns), r.mtime, r.failed
}

func (e *entries) has(ip netip.Addr, asn uint32) bool {
	if asn != 0 {
		if _, ok := slices.BinarySearch(e.asns, asn); ok {
			return true
		}
	}
	return ip.IsValid() && e.nets.has(ip)
}

func parseList(b []byte) (*entries, error) {
	e := &entries{}
	var spans []span
	for n := 1; len(b) > 0; n++ {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		if len(line) > maxLine {
			return nil, fmt.Errorf("line %d is longer than %d bytes", n, maxLine)
		}
		if i := bytes.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		fields := bytes.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(spans)+len(e.asns) == maxEntries {
			return nil, fmt.Errorf("more than %d entries", maxEntries)
		}
		word := string(fields[0])
		if asn, ok := parseASN(word); ok {
			e.asns = append(e.asns, asn)
			continue
		}
		s, err := parseSpan(word)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		spans = append(spans, s)
	}
	if len(spans)+len(e.asns) == 0 {
		return nil, errors.New("there is no entry")
	}
	e.nets = joined(spans)
	slices.Sort(e.asns)
	e.asns = slices.Clip(slices.Compact(e.asns))
	return e, nil
}

// parseASN reads AS64500.
func parseASN(s string) (uint32, bool) {
	if len(s) < 3 || !strings.EqualFold(s[:2], "AS") || s[2] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:], 10, 32)
	return uint32(n), err == nil && n != 0
}

var errEntry = errors.New("no address, network, range or autonomous system such as 192.0.2.1, 192.0.2.0/24, 192.0.2.1-192.0.2.9 or AS64500")

// A network may be wide, but not so wide that it is a slip of the pen: a list that flags everybody flags nobody.
const (
	widest4 = 6
	widest6 = 12
)

func parseSpan(s string) (span, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		switch a := p.Addr(); {
		case a.Is4In6() && p.Bits() >= 96:
			p = mapped(p)
		case a.Is4In6():
			return span{}, errEntry
		}
		if p.Addr().Is4() && p.Bits() < widest4 || p.Addr().Is6() && p.Bits() < widest6 {
			return span{}, errors.New("a network wider than /6, or /12 of IPv6")
		}
		return span{p.Masked().Addr(), last(p)}, nil
	}
	from, to, isRange := strings.Cut(s, "-")
	lo, err := netip.ParseAddr(from)
	if err != nil || lo.Zone() != "" {
		return span{}, errEntry
	}
	lo = lo.Unmap()
	if !isRange {
		return span{lo, lo}, nil
	}
	hi, err := netip.ParseAddr(to)
	if hi = hi.Unmap(); err != nil || hi.Zone() != "" || hi.BitLen() != lo.BitLen() || hi.Less(lo) {
		return span{}, errEntry
	}
	return span{lo, hi}, nil
}
