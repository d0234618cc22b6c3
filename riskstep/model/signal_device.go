package model

// How often each type of attacker shows the device cookie of the victim.
var showsCookie = evidence{2e-4, 2e-4, 2e-3, .5}

// device judges whether the browser was seen with this person. One that shows no cookie and one that shows a new one
// are alike: whoever has neither can choose.
func (a *assessment) device() finding {
	f := finding{level: "first device"}
	switch {
	case a.ring.damaged:
		return finding{all(against(1, shippedRate(lDevice, countBuckets-1, 2))), "history damaged", NewDevice}
	case a.n == 0:
		return f
	case a.isNew(lDevice):
		f.level, f.novel = "no device cookie", NoDevice
		if a.login.Device != "" {
			f.level, f.novel = "new device", NewDevice
		}
		f.evidence = a.unrecognised()
	case a.distrusted():
		f.level = "known device, under alert"
	default:
		f.level = "known device"
		for t, q := range showsCookie {
			f.evidence[t] = favour(q, 1-a.nu(lDevice)) * a.trust(a.match.device)
		}
	}
	return f
}

// unrecognised is what it says that no known cookie is shown: nothing, where this person or the tenant's browsers never
// show one.
func (a *assessment) unrecognised() evidence {
	with := a.tables.count(shareCell(shareDevice) + 1)
	of := a.tables.count(shareCell(shareDevice))
	tenant := 1 - (with+2*strongUnits)/(of+2*strongUnits)
	person := a.sum(a.ring.having(a.all, func(e *entry) bool { return e.device == hash{} })) / a.sum(a.all)
	return all(against(1, min(max(a.nu(lDevice), tenant, person), 1)))
}

// distrusted says whether the person disowned a login of late: nothing that can be copied speaks for them then.
func (a *assessment) distrusted() bool { return int64(a.ring.alert) > int64(a.now) }

// trust is how far entries may speak for the person: half, where none was strongly proven nor is undisputed for long
// enough.
func (a *assessment) trust(entries mask) float64 {
	if entries&a.ripe != 0 {
		return 1
	}
	return .5
}

// bind holds device, key and agent together. A device that does not prove the key it had, or whose browser became
// another, counts as far as one that was never seen, and no further: otherwise a thief would do better to leave the
// cookie away.
func (a *assessment) bind() {
	if a.n == 0 || a.ring.damaged || a.isNew(lDevice) {
		return
	}
	device, key, agent := &a.found[fDevice], &a.found[fKey], &a.found[fAgent]
	stranger, other := a.unrecognised(), a.strangersAgent()
	for t := range types {
		limit := stranger[t] + other[t]
		missing := max(0, key.evidence[t]) // a key that is shown is shown with or without the cookie
		if over := device.evidence[t] + missing + agent.evidence[t] - limit; over > 0 {
			missing = min(missing, max(0, over-max(0, agent.evidence[t])))
			key.evidence[t] -= missing
			agent.evidence[t] -= over - missing
		}
	}
}
