package ident

// ACR is the value of a rung; "" for None.
func (a Assurance) ACR() string {
	if a == None || int(a) > len(ACRs) {
		return ""
	}
	return ACRs[a-1]
}

// AssuranceOf is the rung that acr names, or None if it names none.
func AssuranceOf(acr string) Assurance {
	for i, v := range ACRs {
		if v == acr {
			return Assurance(i + 1)
		}
	}
	return None
}
