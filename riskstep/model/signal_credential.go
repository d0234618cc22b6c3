package model

// doubts are what each doubt adds to the log-odds: how much more often an attacker's login has it than a person's.
var doubts = [...]struct {
	doubt Doubt
	ln    float64
	level string
}{
	{Breached, 2, "password known from a leak"},
	{CounterBack, 3, "passkey may have been copied"},
	{Disputed, 2, "account under alert"},
	{Denied, 3, "denied before"},
}

// credential judges what was shown, whoever showed it.
func (a *assessment) credential() (ln float64, level string) {
	d := a.login.Doubt
	if a.distrusted() {
		d |= Disputed
	}
	for i := range doubts {
		if x := &doubts[i]; d&x.doubt != 0 {
			ln, level = ln+x.ln, x.level
		}
	}
	return min(ln, 5), level
}
