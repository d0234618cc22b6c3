package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// A table says, of all networks of the internet, which country and which autonomous system they are of: /24 of IPv4, /48
// of IPv6, as finely as routes are. It is searched as it lies in the binary: nothing is unpacked, nothing is allocated,
// and only the pages that are looked at are in memory. All numbers are little-endian.
//
//	"PSTNGEO1"
//	uint64  when the data was collected, in Unix seconds
//	uint32  number of countries; two letters each; the first is "\0\0", for none
//	uint32  number of values; uint32 autonomous system and uint16 country each; the first is of nothing known
//	then twice, for IPv4 and IPv6:
//	uint32  number of blocks; uint64 first network and uint32 offset of its entries each
//	uint32  size of the entries
//	        blocks of 64 entries: how many networks after the entry before (not in the first of a block), and which
//	        value holds from there on. Both as varints, the values with the frequent ones first.
type table struct {
	built     time.Time
	countries string
	values    string
	v4, v6    family
}

type family struct {
	width  int // bits of a network
	index  string
	blocks string
}

const (
	tableMagic  = "PSTNGEO1"
	perBlock    = 64
	valueSize   = 6
	indexSize   = 12
	v4Width     = 24
	v6Width     = 48
	maxVarint   = 9
	countrySize = 2
)

var errTable = errors.New("geo: the table is damaged")

// parseTable reads the frame of a table; its entries are read when they are looked up.
func parseTable(s string) (*table, error) {
	r := tableReader{s: s}
	if r.take(len(tableMagic)) != tableMagic {
		return nil, fmt.Errorf("%w: it does not begin as one", errTable)
	}
	t := &table{built: time.Unix(int64(u64(r.take(8))), 0).UTC()}
	t.countries = r.take(int(u32(r.take(4))) * countrySize)
	t.values = r.take(int(u32(r.take(4))) * valueSize)
	r.family(&t.v4, v4Width)
	r.family(&t.v6, v6Width)
	if r.short || r.s != "" || t.countries == "" || t.values == "" {
		return nil, errTable
	}
	return t, nil
}

// tableReader takes a string to pieces. After one that is not there, short is set and pieces are empty.
type tableReader struct {
	s     string
	short bool
}

func (r *tableReader) take(n int) (piece string) {
	if n < 0 || n > len(r.s) {
		r.s, r.short = "", true
		return ""
	}
	piece, r.s = r.s[:n], r.s[n:]
	return piece
}

func (r *tableReader) family(f *family, width int) {
	f.width = width
	f.index = r.take(int(u32(r.take(4))) * indexSize)
	f.blocks = r.take(int(u32(r.take(4))))
}

// entry is what a table says of the networks from lo to hi.
type entry struct {
	asn     uint32
	country string // "" if unknown
	lo, hi  uint64
}

// find returns the entry of the network with the number key.
func (t *table) find(f *family, key uint64) (e entry, err error) {
	n := len(f.index) / indexSize
	lo, hi := 0, n // the last block that begins at or before key
	for lo < hi {
		if mid := (lo + hi) / 2; u64(f.index[mid*indexSize:]) <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	end := uint64(1)<<f.width - 1
	if lo == 0 {
		if n > 0 {
			end = u64(f.index) - 1
		}
		return entry{hi: end}, nil
	}
	if lo < n {
		end = u64(f.index[lo*indexSize:]) - 1
	}
	at := f.index[(lo-1)*indexSize:]
	start, from := u64(at), int(u32(at[8:]))
	if from > len(f.blocks) {
		return entry{}, errTable
	}
	rest := f.blocks[from:]
	value, size := uvarint(rest)
	for i := 1; i < perBlock && size > 0 && size < len(rest); i++ {
		rest = rest[size:]
		step, m := uvarint(rest)
		if m == 0 || start+step > key {
			if m > 0 && start+step-1 < end {
				end = start + step - 1
			}
			break
		}
		v, k := uvarint(rest[m:])
		if k == 0 || step == 0 {
			return entry{}, errTable
		}
		start, value, size = start+step, v, m+k
	}
	if size == 0 || start > key || end < key {
		return entry{}, errTable
	}
	return t.entry(value, start, end)
}

func (t *table) entry(value, lo, hi uint64) (entry, error) {
	if value >= uint64(len(t.values)/valueSize) {
		return entry{}, errTable
	}
	v := t.values[value*valueSize:]
	c := (int(v[4]) | int(v[5])<<8) * countrySize
	if c >= len(t.countries) {
		return entry{}, errTable
	}
	e := entry{asn: u32(v), lo: lo, hi: hi}
	if code := t.countries[c : c+countrySize]; isCountry(code) {
		e.country = code
	}
	return e, nil
}

// of returns the entry of ip, unmapped and without a zone, and the widest prefix around ip that it holds for.
func (t *table) of(ip netip.Addr) (entry, netip.Prefix, error) {
	f, key := &t.v6, uint64(0)
	if ip.Is4() {
		f, key = &t.v4, uint64(word(ip)>>8)
	} else if ip.Is6() {
		b := ip.As16()
		for _, c := range b[:6] {
			key = key<<8 | uint64(c)
		}
	} else {
		return entry{}, netip.Prefix{}, errors.New("geo: no address")
	}
	e, err := t.find(f, key)
	if err != nil {
		return entry{}, netip.Prefix{}, err
	}
	bits := f.width
	for ; bits > 0; bits-- {
		size := uint64(1) << (f.width - bits + 1)
		if from := key &^ (size - 1); from < e.lo || from+size-1 > e.hi {
			break
		}
	}
	return e, netip.PrefixFrom(ip, bits).Masked(), nil
}

// uvarint is the varint at the front of s and its size; 0 for a size if there is none.
func uvarint(s string) (v uint64, size int) {
	for i := 0; i < len(s) && i < maxVarint; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// u32 and u64 are the numbers at the front of s; 0 where it is too short.
func u32(s string) uint32 {
	if len(s) < 4 {
		return 0
	}
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func u64(s string) uint64 {
	if len(s) < 8 {
		return 0
	}
	return uint64(u32(s)) | uint64(u32(s[4:]))<<32
}
