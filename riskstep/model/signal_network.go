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

// How well each type of attacker imitates the victim's country, and the provider within it. Not all try: what was
// stolen is used from anywhere.
var (
	imitatesCountry = evidence{0, .9, .95, .7}
	imitatesASN     = evidence{0, 0, .95, .7}
)

// imitated is the evidence of a level that some attackers imitate, where x is what it says of one who does not.
func imitated(how *evidence, x float64) (e evidence) {
	for t, share := range how {
		e[t] = x
		if share > 0 {
			e[t] = math.Log(share + (1-share)*math.Exp(x))
		}
	}
	return e
}

func (a *assessment) countryStep(limit float64) (f finding) {
	share := a.tables.countryShare(countryOf(a.login.Net.Country))
	more := elsewhere(alikeCountry, share, anyCountry)
	if a.isNew(lCountry) {
		x := min(against(more, a.nu(lCountry)), limit)
		return finding{imitated(&imitatesCountry, x), "new country", NewCountry | NewASN | NewNetwork | NewAddress}
	}
	f.evidence = imitated(&imitatesCountry, favour(more*share, (1-a.nu(lCountry))*a.share(lCountry)))
	return f
}

func (a *assessment) asnStep(limit float64) (f finding) {
	share := a.tables.asnShare(a.login)
	more := elsewhere(alikeASN, share, anyASN)
	if a.isNew(lASN) {
		x := min(against(more, a.nu(lASN)), limit)
		return finding{imitated(&imitatesASN, x), "new provider", NewASN | NewNetwork | NewAddress}
	}
	f.evidence = imitated(&imitatesASN, favour(more*share, (1-a.nu(lASN))*a.share(lASN)))
	return f
}

// sameNetwork and sameAddress are how often an attacker near the victim happens to come from one of the victim's
// networks, and there from one of their addresses. Who has many, as on a mobile carrier, is met in many.
const (
	sameNetwork = .02
	sameAddress = .02
)

func (a *assessment) prefixStep(limit float64) finding {
	if a.isNew(lPrefix) {
		return finding{all(min(against(1, a.nu(lPrefix)), limit)), "new network", NewNetwork | NewAddress}
	}
	n := a.ring.distinct(a.all, func(e *entry) hash { return e.prefix })
	return finding{all(favour(min(sameNetwork*float64(n), .5), 1-a.nu(lPrefix))), "known network", 0}
}

func (a *assessment) addressStep(limit float64) finding {
	if a.isNew(lAddress) {
		return finding{all(min(against(1, a.nu(lAddress)), limit)), "known network, new address", NewAddress}
	}
	n := a.ring.distinct(a.parent[lAddress], func(e *entry) hash { return e.address })
	return finding{all(favour(min(sameAddress*float64(n), .5), 1-a.nu(lAddress))), "known address", 0}
}

// lnUnknown is what it says by itself that data is missing: as much as the rarest country.
const lnUnknown = 2.3026 // ln rarest

// blankNetwork judges an address of which nothing is known, or none. A network that the person has used is known by
// its address alone; otherwise it counts as the newest that it could be, and where data is missing as one of hosting,
// less where the person's networks are seldom known anyway.
func (a *assessment) blankNetwork() (f finding) {
	f.level = "no address"
	if a.login.Net.State == Unknown {
		f.level, f.novel = "unknown network", UnknownNet
		if a.match.network == 0 {
			known := 1 - a.blankShare()
			for t, q := range fromHosting {
				f.evidence[t] = known * (lnUnknown + against(q, a.relays(shareHosting)))
			}
		}
	}
	if a.match.network != 0 || a.all&^a.blank == 0 {
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
	country := imitated(&imitatesCountry, against(rarest, a.leastNu(lCountry)))
	asn := imitated(&imitatesASN, against(rarest, a.leastNu(lASN)))
	network := max(against(1, a.leastNu(lPrefix)), against(1, a.leastNu(lAddress)))
	for t := range types {
		country[t] = max(country[t], asn[t], network)
	}
	return country
}

// blankShare is how often the person's place is not known; the tenant's share counts where it is most of all.
func (a *assessment) blankShare() float64 {
	const weight = 3
	tenant := max(0, 2*a.tables.share(shareBlank, 0, 5)-1)
	return (a.sum(a.blank) + weight*tenant) / (a.sum(a.all) + weight)
}

// blankLimit bounds what a new place says of somebody whose places are often unknown: it may be one of those.
func (a *assessment) blankLimit() float64 {
	if a.blank == 0 {
		return math.Inf(1)
	}
	return -math.Log(a.blankShare())
}
