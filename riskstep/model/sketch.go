package model

import "encoding/binary"

// mix spreads v over 64 bits (the finaliser of SplitMix64).
func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// What the sketch of values counts.
const (
	kindASN = iota + 1
	kindFamily
	kindAgent
	kindJA4
	kindAll
)

// asnValue is a provider in a country; 0 for all of them.
func asnValue(country [2]byte, asn uint32) uint64 {
	return mix(kindASN<<56 | uint64(binary.BigEndian.Uint16(country[:]))<<32 | uint64(asn))
}

func (m *match) familyValue() uint64 {
	return mix(kindFamily<<56 | uint64(m.os)<<16 | uint64(m.browser))
}

func (m *match) agentValue(l *Login) uint64 {
	return mix(kindAgent<<56 ^ text(l.Agent.Raw))
}

// ja4Value is of the handshake and the browser together: it is their agreement that is counted.
func (m *match) ja4Value(l *Login) uint64 {
	return mix(kindJA4<<56 ^ uint64(m.os)<<16 ^ uint64(m.browser) ^ text(l.JA4))
}

// allOf is all values of a kind with the browser and system of m.
func (m *match) allOf(kind uint64) uint64 {
	return mix(kindAll<<56 | kind<<48 | uint64(m.os)<<16 | uint64(m.browser))
}

// text is FNV-1a of what at most maxText bytes of s say.
func text(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range min(len(s), maxText) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// sketch counts v in one cell of each row. The caller holds mu.
func (t *Tables) sketch(v uint64, units uint32) {
	for row := range rows {
		t.add(sketchCell(row, v), units)
	}
}

func sketchCell(row int, v uint64) int {
	return atValues + row*valueWidth + int(v>>(16*row))&(valueWidth-1)
}

// estimate is how many units v was counted: the least of its cells, each without what chance put there.
func (t *Tables) estimate(v uint64) float64 {
	total := t.count(shareCell(shareFamily)) + 2*t.count(shareCell(shareASN)) + 2*t.count(shareCell(shareWithin))
	least := -1.
	for row := range rows {
		c := t.count(sketchCell(row, v))
		c = max(c-(total-c)/(valueWidth-1), 0)
		if least < 0 || c < least {
			least = c
		}
	}
	return least
}
