package model

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// from is an attempt by a user from an address.
func from(at time.Time, user, ip string, failed bool) *Login {
	return &Login{At: at, User: user, IP: netip.MustParseAddr(ip), Net: Net{State: Known, Country: "NO", ASN: 64500}, Failed: failed}
}

// calm is a velocity that has seen an ordinary day: one attempt in twenty fails.
func calm() (*Velocity, time.Time) {
	v := NewVelocity()
	for i := range 1440 {
		v.Observe(from(start.Add(time.Duration(i)*time.Minute), fmt.Sprint("u", i%200), fmt.Sprintf("203.0.%d.7", i%200), i%20 == 0))
	}
	return v, start.Add(24 * time.Hour)
}

func TestPressure(t *testing.T) {
	v, now := calm()
	if p := v.Pressure(from(now, "ann", "203.0.7.7", false)); p.total() > .1 {
		t.Errorf("an ordinary day: %+v", p)
	}
	slips := now
	for range 2 {
		v.Observe(from(slips, "ann", "203.0.7.7", true))
	}
	if p := v.Pressure(from(slips, "ann", "203.0.7.7", false)); p.total() > .1 {
		t.Errorf("two slips: %+v", p)
	}
	for i := range 20 {
		v.Observe(from(now, "ben", fmt.Sprintf("198.51.%d.1", i), true))
	}
	if p := v.Pressure(from(now, "ben", "203.0.9.7", false)); p.Account < 1 {
		t.Errorf("somebody guesses Ben's password: %+v", p)
	}
	if p := v.Pressure(from(now.Add(12*time.Hour), "ben", "203.0.9.7", false)); p.total() > .1 {
		t.Errorf("half a day later: %+v", p)
	}
	v, now = calm()
	for i := range 200 {
		v.Observe(from(now.Add(time.Duration(i)*time.Second), fmt.Sprint("victim", i), "192.0.2.1", true))
	}
	now = now.Add(200 * time.Second)
	wave, beside := v.Pressure(from(now, "cat", "192.0.2.9", false)), v.Pressure(from(now, "cat", "203.0.7.7", false))
	if wave.Prefix < 1 || wave.total() < beside.total() || beside.Tenant <= 0 || beside.Prefix > 0 {
		t.Errorf("in the wave's network %+v, beside it %+v", wave, beside)
	}
	one, now := calm()
	for range 50 {
		one.Observe(from(now, "dan", "192.0.2.1", true))
	}
	if p := one.Pressure(from(now, "eve", "192.0.2.1", false)); p.Prefix > 0 {
		t.Errorf("one person in the office cannot type: %+v", p)
	}
	if p := (Pressure{Prefix: 99, Account: 99}); p.total() != maxPressure {
		t.Errorf("pressure %v", p.total())
	}
}

func TestTotalsOfOtherNodes(t *testing.T) {
	v, now := calm()
	v.Set("account", "ann", 20, 20, now)
	v.Set("tenant", "", 5000, 6000, now)
	v.Set("asn", "no number", 1, 1, now)
	v.Set("prefix", "no prefix", 1, 1, now)
	v.Set("account", "ben", 5, -1, now)
	if p := v.Pressure(from(now, "ann", "203.0.7.7", false)); p.Account < 1 || p.Tenant < 1 {
		t.Errorf("%+v", p)
	}
	for i := range 10 {
		v.Observe(from(now, fmt.Sprint("u", i), "192.0.2.1", true))
	}
	v.Set("prefix", "192.0.2.0/24", 500, 520, now)
	v.Set("asn", "64500", 500, 520, now)
	if p := v.Pressure(from(now, "x", "192.0.2.7", false)); p.Prefix < 1 || p.ASN < .5 {
		t.Errorf("%+v", p)
	}
}

func TestVelocityIsBounded(t *testing.T) {
	v := NewVelocity()
	for i := range 300_000 {
		v.Observe(from(start, fmt.Sprint(i), fmt.Sprintf("10.%d.%d.1", i>>8&255, i&255), false))
	}
	for range 10 {
		v.Observe(from(start, "hot", "203.0.7.7", true))
	}
	for i := range 100_000 {
		v.Observe(from(start, fmt.Sprint("later", i), fmt.Sprintf("10.%d.%d.1", i>>8&255, i&255), false))
	}
	if p := v.Pressure(from(start, "hot", "203.0.7.7", false)); p.Account < 1 {
		t.Errorf("many harmless accounts hid one under attack: %+v", p)
	}
}
