package geo

import "net/netip"

// special are the addresses that nothing is ever routed from: private and shared ones, those of one link or one machine,
// of documentation and of measurements, and what is reserved. IANA special-purpose registries, RFC 6890 §2.2.
var special = newRanges([]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/127"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("100:0:0:1::/64"),
	netip.MustParsePrefix("2001:2::/48"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
})

// Special says whether ip is an address that no connection over the internet can come from. Whoever claims one has been
// believed by a proxy that should not have: nothing is to be known of it, and it is no country.
func Special(ip netip.Addr) bool { return special.has(ip.Unmap().WithZone("")) }

// mapped is p of ::ffff:0:0/96 as a prefix of IPv4.
func mapped(p netip.Prefix) netip.Prefix { return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96) }
