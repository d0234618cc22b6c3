package ident

import "net/netip"

// Network names the part of the internet that one household or attacker holds at least: the /24 or /48 of ip; "unknown"
// for what is no address.
func Network(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	p, err := ip.Prefix(bits)
	if err != nil || !p.IsValid() {
		return "unknown"
	}
	return p.String()
}
