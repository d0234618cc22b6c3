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
	worse := func(q evidence, p float64, level string, novel Novelty) {
		f.level, f.novel = level, f.novel|novel
		for t := range types {
			f.evidence[t] = max(f.evidence[t], against(q[t], p))
		}
	}
	if n.Hosting {
		worse(fromHosting, a.relays(shareHosting), "hosting", Hosting)
	}
	if n.Anonymous {
		worse(fromAnonymous, a.relays(shareAnonymous), "anonymiser", Anonymous)
	}
	if n.Tor {
		worse(fromTor, a.relays(shareTor), "Tor", Anonymous)
	}
	switch {
	case f.novel != 0 && a.match.network != 0:
		f.evidence, f.level = evidence{}, f.level+", used before"
	case f.novel == 0 && n.State == Known:
		for t, q := range fromHosting {
			f.evidence[t] = favour(1-q, 1-min(a.relays(shareHosting), mostNew))
		}
	}
	return f
}

// relays is how often the person comes through a relay of some kind, starting at how often the tenant's public does.
func (a *assessment) relays(share int) float64 {
	const weight = 4
	habit := a.sum(a.ring.having(a.all, func(e *entry) bool { return e.flags&hosted != 0 }))
	return (habit + weight*a.tables.share(share, relayed[share-shareHosting], 50)) / (a.sum(a.all) + weight)
}

// relayed is where the shares of hosting, anonymisers and Tor start.
var relayed = [...]float64{.03, .01, .001}

// overlap takes from travel what hosting says already: the place of a relay is not that of its user.
func (a *assessment) overlap() {
	travel, hosting := &a.found[fTravel], &a.found[fHosting]
	for t := range types {
		travel.evidence[t] = max(0, travel.evidence[t]-max(0, hosting.evidence[t]))
	}
}
