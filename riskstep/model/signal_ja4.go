package model

// handshake judges whether the TLS client is the one that this browser has: a program can copy what a browser calls
// itself in a line, its handshake with more work. It identifies nobody.
func (a *assessment) handshake() finding {
	level := lJA4
	if !a.compared(level) {
		level = lJA4New
	}
	if !a.compared(level) {
		return finding{}
	}
	share := max(a.tables.withinFamily(&a.match, a.ja4Value(a.login), kindJA4), .01)
	q := .05 + .5*share // half of attackers drive the same browser
	if a.isNew(level) {
		return finding{all(min(against(q, a.nu(level)*share), 5)), "handshake of another program", 0}
	}
	return finding{all(favour(q, (1-a.nu(level))*a.share(level))), "known handshake", 0}
}
