package model

// maxPressure bounds what attempts of late add to the log-odds.
const maxPressure = 4

// total is what p adds to the log-odds. Network, provider and tenant see the same wave, so that the strongest counts.
func (p Pressure) total() float64 {
	sane := func(x float64) float64 { return min(max(x, 0), maxPressure) } // NaN: 0
	return min(max(sane(p.Prefix), sane(p.ASN), sane(p.Tenant))+sane(p.Account), maxPressure)
}

func (p Pressure) level() string {
	switch {
	case p.total() == 0:
		return ""
	case p.Account >= max(p.Prefix, p.ASN, p.Tenant):
		return "failures at this account"
	case p.Prefix >= max(p.ASN, p.Tenant):
		return "failures from this network"
	case p.ASN >= p.Tenant:
		return "failures from this provider"
	}
	return "failures everywhere"
}
