package geo

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Fact is what a source says of the addresses from First to Last, both of one family. A zero ASN or Country is not said.
type Fact struct {
	First, Last netip.Addr
	ASN         uint32
	Country     string
}

// WriteTable writes the table of facts, in which those of countries and those of autonomous systems each do not overlap.
// Where the facts within a /24 or /48 differ, the one that covers most of it holds for all of it.
func WriteTable(w io.Writer, built time.Time, countries, systems []Fact) error {
	v4, err := merge(countries, systems, true)
	if err != nil {
		return err
	}
	v6, err := merge(countries, systems, false)
	if err != nil {
		return err
	}
	count := map[value]int{}
	for _, r := range slices.Concat(v4, v6) {
		count[r.value]++
	}
	delete(count, value{})
	ranked := slices.SortedFunc(maps.Keys(count), func(a, b value) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.asn, b.asn), cmp.Compare(a.country, b.country))
	})
	ranked = slices.Insert(ranked, 0, value{})
	codes := []string{""}
	for _, v := range ranked {
		codes = append(codes, v.country)
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)

	b := []byte(tableMagic)
	b = binary.LittleEndian.AppendUint64(b, uint64(built.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(codes)))
	for _, c := range codes {
		b = append(b, (c + "\x00\x00")[:countrySize]...)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ranked)))
	rank := map[value]int{}
	for i, v := range ranked {
		rank[v] = i
		c, _ := slices.BinarySearch(codes, v.country)
		b = binary.LittleEndian.AppendUint32(b, v.asn)
		b = binary.LittleEndian.AppendUint16(b, uint16(c))
	}
	b = appendFamily(b, v4, rank)
	b = appendFamily(b, v6, rank)
	_, err = w.Write(b)
	return err
}

type value struct {
	asn     uint32
	country string
}

// run says that value holds from a network on.
type run struct {
	from  uint64
	value value
}

func appendFamily(b []byte, runs []run, rank map[value]int) []byte {
	var index, blocks []byte
	for i, r := range runs {
		if i%perBlock == 0 {
			index = binary.LittleEndian.AppendUint64(index, r.from)
			index = binary.LittleEndian.AppendUint32(index, uint32(len(blocks)))
		} else {
			blocks = binary.AppendUvarint(blocks, r.from-runs[i-1].from)
		}
		blocks = binary.AppendUvarint(blocks, uint64(rank[r.value]))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(index)/indexSize))
	b = append(b, index...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(blocks)))
	return append(b, blocks...)
}

// merge lays countries and autonomous systems over each other.
func merge(countries, systems []Fact, v4 bool) ([]run, error) {
	a, err := coarsen(countries, v4)
	if err != nil {
		return nil, err
	}
	b, err := coarsen(systems, v4)
	if err != nil {
		return nil, err
	}
	var out []run
	var now value
	for len(a) > 0 || len(b) > 0 {
		at := ^uint64(0)
		for _, l := range [][]run{a, b} {
			if len(l) > 0 {
				at = min(at, l[0].from)
			}
		}
		if len(a) > 0 && a[0].from == at {
			now.country, a = a[0].value.country, a[1:]
		}
		if len(b) > 0 && b[0].from == at {
			now.asn, b = b[0].value.asn, b[1:]
		}
		if len(out) == 0 || out[len(out)-1].value != now {
			out = append(out, run{at, now})
		}
	}
	return out, nil
}

// coarsen makes runs of networks out of facts about addresses. Of IPv6 it sees the upper half.
func coarsen(facts []Fact, v4 bool) ([]run, error) {
	bits, width := 16, v6Width // a /48 has 2¹⁶ /64
	if v4 {
		bits, width = 8, v4Width
	}
	number := func(a netip.Addr) uint64 {
		if v4 {
			return uint64(word(a))
		}
		b := a.As16()
		return binary.BigEndian.Uint64(b[:8])
	}
	facts = slices.DeleteFunc(slices.Clone(facts), func(f Fact) bool { return f.First.Is4() != v4 })
	slices.SortFunc(facts, func(a, b Fact) int { return a.First.Compare(b.First) })
	c := cells{}
	next := uint64(0) // the first number that nothing was said of yet
	for _, f := range facts {
		if f.Last.BitLen() != f.First.BitLen() || f.Last.Less(f.First) {
			return nil, fmt.Errorf("geo: no range: %s to %s", f.First, f.Last)
		}
		lo, hi := max(number(f.First), next), number(f.Last)
		if hi < lo || hi == ^uint64(0) {
			continue // within a /64 that was spoken for, or the very end, where nobody lives
		}
		for at := lo; at <= hi; {
			cell := at >> bits
			end := (cell+1)<<bits - 1
			if at == cell<<bits && hi >= end { // whole networks
				many := (hi + 1 - at) >> bits
				c.add(cell, many, 1<<bits, value{f.ASN, f.Country})
				at += many << bits
			} else {
				c.add(cell, 1, min(hi, end)+1-at, value{f.ASN, f.Country})
				at = min(hi, end) + 1
			}
		}
		next = hi + 1
	}
	return c.runs(uint64(1) << width), nil
}

// cells collects, in order, how much of which network is of which value.
type cells struct {
	done    []piece
	cell    uint64 // the one that is being filled
	parts   map[value]uint64
	started bool
}

type piece struct {
	from, many uint64
	value      value
}

func (c *cells) add(cell, many, size uint64, v value) {
	if !c.started || cell != c.cell {
		c.flush()
		c.cell, c.started, c.parts = cell, true, map[value]uint64{}
	}
	c.parts[v] += size
	if many > 1 {
		c.flush()
		c.done = append(c.done, piece{cell + 1, many - 1, v})
	}
}

func (c *cells) flush() {
	if !c.started {
		return
	}
	var most value
	for v, n := range c.parts {
		if m := c.parts[most]; n > m || n == m && cmp.Or(cmp.Compare(v.asn, most.asn), cmp.Compare(v.country, most.country)) < 0 {
			most = v
		}
	}
	c.done = append(c.done, piece{c.cell, 1, most})
	c.started = false
}

// runs are the cells as one sequence, with nothing known in the gaps.
func (c *cells) runs(end uint64) (out []run) {
	c.flush()
	put := func(from uint64, v value) {
		if len(out) == 0 && v == (value{}) || len(out) > 0 && out[len(out)-1].value == v {
			return
		}
		out = append(out, run{from, v})
	}
	at := uint64(0)
	for _, p := range c.done {
		if p.from > at {
			put(at, value{})
		}
		put(p.from, p.value)
		at = p.from + p.many
	}
	if at < end {
		put(at, value{})
	}
	return out
}
