package model

import (
	"encoding/binary"
	"errors"
)

// The blob of tables: a version, then for each cell that is not zero how many zeros stand before it, and its count, both
// as unsigned varints. At most 5 bytes a cell: 380 KiB.
const tablesVersion = 1

// maxTables is the size of the largest blob that is read.
const maxTables = 512 << 10

var errTables = errors.New("risk model: tables cannot be read")

// ParseTables reads what Append wrote; an empty blob is NewTables.
func ParseTables(blob []byte) (*Tables, error) {
	t := NewTables()
	if len(blob) == 0 {
		return t, nil
	}
	return t, t.Merge(blob)
}

// Append appends the counts to b; less than 512 KiB.
func (t *Tables) Append(b []byte) []byte {
	return appendCells(b, func(i int) uint32 { return t.counts[i].Load() })
}

// Delta returns what this node learnt since the last Delta, nil where that is nothing, and forgets that it is to be told:
// whoever takes it sees that it arrives.
func (t *Tables) Delta() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.own == ([len(t.own)]uint32{}) {
		return nil
	}
	b := appendCells(nil, func(i int) uint32 { return t.own[i] })
	clear(t.own[:])
	return b
}

// Merge adds what Delta or Append of other tables wrote. In whichever order they are merged, the sum is the same. A
// blob that cannot be read changes nothing.
func (t *Tables) Merge(blob []byte) error {
	if blob == nil { // nothing was learnt
		return nil
	}
	return t.read(blob, func(i int, n uint32) uint32 { return min(t.counts[i].Load()+n, cellMax) })
}

// Adopt takes what all nodes know in place of what this one did, and adds to it what this one has learnt since its
// last Delta.
func (t *Tables) Adopt(blob []byte) error {
	return t.read(blob, func(i int, n uint32) uint32 { return min(t.own[i]+n, cellMax) })
}

// Age halves every count: what was so long ago matters less. Once a month, on what all nodes share.
func (t *Tables) Age() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.counts {
		t.counts[i].Store(t.counts[i].Load() / 2)
	}
	t.derive()
}

func (t *Tables) read(blob []byte, into func(i int, n uint32) uint32) error {
	read, err := parseCells(blob)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, n := range read {
		t.counts[i].Store(into(i, n))
	}
	t.derive()
	return nil
}

func appendCells(b []byte, cell func(i int) uint32) []byte {
	b = append(b, tablesVersion)
	zeros := uint64(0)
	for i := range cells {
		n := cell(i)
		if n == 0 {
			zeros++
			continue
		}
		b = binary.AppendUvarint(b, zeros)
		b = binary.AppendUvarint(b, uint64(n))
		zeros = 0
	}
	return b
}

func parseCells(blob []byte) ([]uint32, error) {
	if len(blob) == 0 || len(blob) > maxTables || blob[0] != tablesVersion {
		return nil, errTables
	}
	out := make([]uint32, cells)
	at, rest := uint64(0), blob[1:]
	for len(rest) > 0 {
		zeros, n := binary.Uvarint(rest)
		if n <= 0 || zeros >= cells {
			return nil, errTables
		}
		rest = rest[n:]
		count, n := binary.Uvarint(rest)
		if at += zeros; n <= 0 || at >= cells || count == 0 || count > cellMax {
			return nil, errTables
		}
		rest = rest[n:]
		out[at] = uint32(count)
		at++
	}
	return out, nil
}
