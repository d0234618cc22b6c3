package model

// How often each type of attacker comes from hosting, from an anonymiser, from Tor.
var (
	fromHosting   = evidence{.5, .5, .05, .05}
	fromAnonymous = evidence{.2, .3, .1, .1}
	fromTor       = evidence{.05, .03, .02, .02}
)

// hosting judges networks in which people seldom live. Who always comes through one is left alone.
func (a *assessment) hosting() (f finding) {
	n := &a.login.Net
	if n.State == Known {
		f.level = "ordinary network"
	}
	const weight = 4
	habit := a.sum(a.ring.having(a.all, func(e *entry) bool { return e.flags&hosted != 0 }))
	total := a.sum(a.all) + weight
	p := func(share int, prior float64) float64 {
		return (habit + weight*a.tables.share(share, prior, 50)) / total
	}
	worse := func(q evidence, p float64, level string, novel Novelty) {
		f.level, f.novel = level, f.novel|novel
		for t := range types {
			f.evidence[t] = max(f.evidence[t], against(q[t], p))
		}
	}
	if n.Hosting {
		worse(fromHosting, p(shareHosting, .03), "hosting", Hosting)
	}
	if n.Anonymous {
		worse(fromAnonymous, p(shareAnonymous, .01), "anonymiser", Anonymous)
	}
	if n.Tor {
		worse(fromTor, p(shareTor, .001), "Tor", Anonymous)
	}
	if n.State == Known && f.novel == 0 {
		for t, q := range fromHosting {
			f.evidence[t] = favour(1-q, 1-p(shareHosting, .03))
		}
	}
	return f
}

// relayed takes from travel what hosting says already: the place of a relay is not that of its user.
func (a *assessment) relayed() {
	travel, hosting := &a.found[fTravel], &a.found[fHosting]
	for t := range types {
		travel.evidence[t] = max(0, travel.evidence[t]-max(0, hosting.evidence[t]))
	}
}
