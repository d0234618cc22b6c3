package model

// agent judges what the browser calls itself: family and system, then the exact words. On a device that is known,
// another family is all but impossible and a newer version normal; elsewhere both are as common as devices are.
func (a *assessment) agent() finding {
	if a.n == 0 {
		return finding{}
	}
	family, exact := lFamily, lAgent
	if a.isNew(lDevice) {
		family, exact = lFamilyNew, lAgentNew
	}
	f := a.agentChain(family, exact)
	if a.wentBack() {
		f.evidence.add(all(lnWentBack))
		f.level, f.novel = "older version on the same device", f.novel|AgentBack
	}
	return f
}

// strangersAgent is what the agent would say on a device that is not known.
func (a *assessment) strangersAgent() evidence {
	return a.agentChain(lFamilyNew, lAgentNew).evidence
}

func (a *assessment) agentChain(family, exact int) (f finding) {
	if a.parent[family] == 0 {
		return f
	}
	share := a.tables.familyShare(&a.match)
	more := elsewhere(alikeFamily, share, anyFamily)
	if a.same[family] == 0 {
		x := against(more, a.nu(family))
		return finding{evidence{x, x, 0, 0}, "new browser", NewAgent}
	}
	x := favour(more*share, (1-a.nu(family))*a.share(family))
	f = finding{evidence{x, x, 0, 0}, "known browser", 0}
	if a.parent[exact] == 0 {
		return f
	}
	if a.same[exact] == 0 {
		x = against(1, a.nu(exact))
		f.level = "known browser, new version"
	} else {
		q := .15 + .5*a.tables.withinFamily(&a.match, a.agentValue(a.login), kindAgent)
		x = favour(q, (1-a.nu(exact))*a.share(exact))
	}
	f.evidence.add(evidence{x, x, x, 0})
	return f
}

// lnWentBack is ln(q/p) of an older version than the device had: .3 of those who carry a cookie to a browser of their
// own, .01 of people, who restore a backup.
const lnWentBack = 3.4

// wentBack says whether this device has shown a later version of the same browser.
func (a *assessment) wentBack() bool {
	newest := uint32(0)
	for i := range a.n {
		if a.match.device&a.match.family&(1<<i) != 0 {
			newest = max(newest, a.ring.entries[i].version)
		}
	}
	return a.version > 0 && a.version < newest && a.same[lAgent] == 0
}
