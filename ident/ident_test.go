package ident

import (
	"net/netip"
	"testing"
)

func TestACR(t *testing.T) {
	for a := AAL1; a <= HardwareBound; a++ {
		if got := AssuranceOf(a.ACR()); got != a {
			t.Errorf("rung %d reads back as %d", a, got)
		}
	}
	if None.ACR() != "" || (HardwareBound+1).ACR() != "" || AssuranceOf("") != None || AssuranceOf("phrx") != None {
		t.Error("what is no rung has no name")
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24", "2001:db8:1:2::3": "2001:db8:1::/48",
		"fe80::1%eth0": "fe80::/48"} {
		if got := Network(netip.MustParseAddr(in)); got != want {
			t.Errorf("Network(%s) = %s, want %s", in, got, want)
		}
	}
	if got := Network(netip.Addr{}); got != "unknown" {
		t.Errorf("Network of nothing = %s", got)
	}
}
