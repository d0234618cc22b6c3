package model

import "github.com/postern-id/postern/ident"

// How often each type of attacker proves the key of the victim's device: one in a chip stays there; one of the browser's
// own goes where the browser's profile goes, which thieves of cookies take whole.
var (
	showsChip = evidence{1e-5, 1e-5, 1e-5, 1e-3}
	showsApp  = evidence{1e-5, 1e-5, 1e-4, .1}
)

// key judges the device's own key. One that the person never showed says nothing: anybody can make one.
func (a *assessment) key() (f finding) {
	l := a.login
	had := a.ring.having(a.all, func(e *entry) bool { return e.proof() != ident.NoKey })
	known := a.match.shown(a.ring, l)
	switch {
	case l.Key != ident.NoKey && known != 0:
		return a.keyShown(known)
	case a.compared(lKey):
		f.level, f.novel = "key of the device not shown", KeyMissing
		f.evidence = all(against(1, a.nu(lKey)))
	case had != 0:
		f.level = "no key"
	}
	if l.Key != ident.NoKey && had != 0 {
		f.level, f.novel = "another key", f.novel|NewKey
	}
	return f
}

// keyShown judges a key that was shown before, by the weaker of then and now.
func (a *assessment) keyShown(known mask) finding {
	q, level := showsChip, "known key in hardware"
	chip := a.ring.having(known, func(e *entry) bool { return e.proof() == ident.KeyInChip })
	if a.login.Key != ident.KeyInChip || chip == 0 {
		q, level = showsApp, "known key"
		if a.distrusted() {
			return finding{level: "known key, under alert"}
		}
	}
	var f finding
	f.level = level
	for t := range q {
		f.evidence[t] = favour(q[t], 1) * a.trust(known)
	}
	return f
}
