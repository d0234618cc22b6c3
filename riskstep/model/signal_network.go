package model

import "math"

// network follows the chain country, ASN, network, address. At the first level that is new the levels below say
// nothing more: in a new country every network is new.
func (a *assessment) network() finding {
	l := a.login
	if a.ring.damaged {
		return finding{all(a.unplaced()[targeted] + lnUnknown), "history damaged", UnknownNet}
	}
	f := finding{level: "no address"}
	switch {
	case l.Net.State != Known:
		f = a.blankNetwork()
	case !a.compared(lCountry) && !a.compared(lPrefix):
		return a.firstNetwork()
	default:
		f.level = "known address"
	}
	limit := a.blankLimit()
	if a.compared(lCountry) {
		f.step(a.countryStep(limit))
	}
	if a.compared(lASN) {
		f.step(a.asnStep(limit))
	}
	if a.compared(lPrefix) {
		f.step(a.prefixStep(limit))
	}
	if a.compared(lAddress) {
		f.step(a.addressStep(limit))
	}
	return f
}

// step adds what a level of the chain says; the words are those of the last level that says something.
func (f *finding) step(o finding) {
	f.evidence.add(o.evidence)
	f.novel |= o.novel
	if o.level != "" {
		f.level = o.level
	}
}

// firstNetwork judges a place where there is none to compare with: only that it is rare for the tenant speaks.
func (a *assessment) firstNetwork() finding {
	f := finding{level: "first network"}
	if c := countryOf(a.login.Net.Country); c != [2]byte{} {
		f.evidence[naive] = against(elsewhere(alikeCountry, a.tables.countryShare(c), anyCountry), 1)
	}
	if a.login.Net.ASN != 0 {
		f.evidence[vpn] = against(elsewhere(alikeASN, a.tables.asnShare(a.login), anyASN), 1)
		f.evidence[naive] = min(f.evidence[naive]+f.evidence[vpn], lnUnknown)
	}
	return f
}

func (a *assessment) countryStep(limit float64) (f finding) {
	more := elsewhere(alikeCountry, a.tables.countryShare(countryOf(a.login.Net.Country)), anyCountry)
	if a.isNew(lCountry) {
		f.evidence[naive] = min(against(more, a.nu(lCountry)), limit)
		f.novel, f.level = NewCountry|NewASN|NewNetwork|NewAddress, "new country"
		return f
	}
	share := a.tables.countryShare(countryOf(a.login.Net.Country))
	f.evidence[naive] = favour(more*share, (1-a.nu(lCountry))*a.share(lCountry))
	return f
}

func (a *assessment) asnStep(limit float64) (f finding) {
	share := a.tables.asnShare(a.login)
	more := elsewhere(alikeASN, share, anyASN)
	x := 0.
	if a.isNew(lASN) {
		x = min(against(more, a.nu(lASN)), limit)
		f.novel, f.level = NewASN|NewNetwork|NewAddress, "new provider"
	} else {
		x = favour(more*share, (1-a.nu(lASN))*a.share(lASN))
	}
	f.evidence[naive], f.evidence[vpn] = x, x
	return f
}

func (a *assessment) prefixStep(limit float64) finding {
	if a.isNew(lPrefix) {
		return finding{all(min(against(1, a.nu(lPrefix)), limit)), "new network", NewNetwork | NewAddress}
	}
	// Who rents an address near the victim gets the same network more often than chance says.
	q := min(.002+2*a.tables.networkShare(&a.match, a.login), .5)
	return finding{all(favour(q, (1-a.nu(lPrefix))*a.share(lPrefix))), "known network", 0}
}

func (a *assessment) addressStep(limit float64) finding {
	if a.isNew(lAddress) {
		return finding{all(min(against(1, a.nu(lAddress)), limit)), "known network, new address", NewAddress}
	}
	const q = .02
	return finding{all(favour(q, (1-a.nu(lAddress))*a.share(lAddress))), "known address", 0}
}

// lnUnknown is what it says by itself that data is missing: as much as the rarest country.
const lnUnknown = 2.3026 // ln rarest

// blankNetwork judges an address of which nothing is known, or none. A network that the person has used is known by
// its address alone; otherwise it counts as the newest that it could be, less where the person's networks are
// seldom known anyway.
func (a *assessment) blankNetwork() (f finding) {
	seen := a.match.network != 0
	f.level = "no address"
	if a.login.Net.State == Unknown {
		f.level, f.novel = "unknown network", UnknownNet
		f.evidence = all(lnUnknown * (1 - a.blankShare()))
	}
	if a.n == 0 || seen || a.all&^a.blank == 0 {
		return f
	}
	limit := a.blankLimit()
	for t, x := range a.unplaced() {
		f.evidence[t] += min(x, limit)
	}
	f.level += " where there was one"
	f.novel |= UnknownNet
	return f
}

// unplaced is as much as any place could say against the person.
func (a *assessment) unplaced() evidence {
	country := against(rarest, a.leastNu(lCountry))
	asn := against(rarest, a.leastNu(lASN))
	prefix := max(against(1, a.leastNu(lPrefix)), against(1, a.leastNu(lAddress)))
	asn = max(asn, prefix)
	return evidence{max(country, asn), asn, prefix, prefix}
}

// blankShare is how often the person's place is not known; the tenant's share counts where it is most of all.
func (a *assessment) blankShare() float64 {
	const weight = 3
	tenant := max(0, 2*a.tables.share(shareBlank, 0, 20)-1)
	return (a.sum(a.blank) + weight*tenant) / (a.sum(a.all) + weight)
}

// blankLimit bounds what a new place says of somebody whose places are often unknown: it may be one of those.
func (a *assessment) blankLimit() float64 {
	if a.blank == 0 {
		return math.Inf(1)
	}
	return -math.Log(a.blankShare())
}
