package riskstep

import (
	"net/netip"
	"time"
)

// Network is what is known of the network that an address belongs to. A false flag means that no list names it, which
// is no evidence of safety.
type Network struct {
	ASN       uint32       // of the autonomous system that announces it; 0 if unknown
	Org       string       // who runs it, as the data names them, at most 64 bytes; "" if unknown
	Prefix    netip.Prefix // the widest network around the address that the data says the same of; the zero Prefix if unknown
	Hosting   bool         // of a data centre: programs live there, people seldom do
	Anonymous bool         // a VPN, a proxy or a relay: the address says nothing of where the person is
	Tor       bool         // an exit of Tor
	Mobile    bool         // of a mobile carrier: addresses are shared, and their place is rough
	Known     bool         // the data has the address: ASN and Prefix are there
}

// Networks finds networks; riskstep/geo is one. Nil where none is configured.
type Networks interface {
	// Network returns the network of ip; one that is not Known where the data does not have it, with the flags of the
	// lists all the same; an error where the data cannot be relied on.
	Network(ip netip.Addr) (Network, error)
	// Age is how old the data is.
	Age() time.Duration
}
