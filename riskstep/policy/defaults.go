package policy

// The names of the default rules that an operator can switch off.
const (
	ruleNewCountry = "new_country"
	ruleNewDevice  = "new_device"
	ruleAbroad     = "abroad"
)

// DefaultRules are the rules of DefaultConfig. Who has no second factor is asked for none: they get in, and the session is
// short and its owner told.
func DefaultRules() []Rule {
	proofs := []string{"sign_in", "step_up"}
	held := []string{"refresh", "introspect"}
	inUse := []string{"use", "authorize"}
	return []Rule{
		{
			Name: ruleNewCountry, Moments: proofs, When: `risk.novel.country && user.best >= 2`, Then: `stepup(acr="aal2")`,
			Tests: []Test{
				{"asks for a second factor", facts{"risk": facts{"novel": words{"country"}}, "user": facts{"best": 2}}, `stepup(acr="aal2")`},
				{"which was given", facts{"risk": facts{"novel": words{"country"}}, "user": facts{"best": 2}, "session": facts{"aal": 2}}, `allow`},
				{"which there is not", facts{"risk": facts{"novel": words{"country"}}, "user": facts{"best": 1}, "session": facts{"aal": 1}}, `allow`},
			},
		},
		{
			Name: ruleNewDevice, Moments: proofs, When: `risk.novel.device && user.best >= 2`, Then: `stepup(acr="aal2")`,
			Tests: []Test{
				{"asks for a second factor", facts{"risk": facts{"novel": words{"device"}}, "user": facts{"best": 3}, "session": facts{"aal": 1}}, `stepup(acr="aal2")`},
				{"not at a refresh", facts{"moment": "refresh", "risk": facts{"novel": words{"device"}}, "user": facts{"best": 2}}, `allow`},
			},
		},
		{
			Name: "doubt", Moments: proofs, Then: `stepup(acr="aal2")`,
			When: `(risk.doubt.breached || risk.doubt.denied || risk.doubt.counter_back || risk.doubt.disputed) && user.best >= 2`,
			Tests: []Test{
				{"a password that leaked", facts{"risk": facts{"doubt": words{"breached"}}, "user": facts{"best": 2}, "session": facts{"aal": 1}}, `stepup(acr="aal2")`},
				{"nothing", facts{"user": facts{"best": 2}}, `allow`},
			},
		},
		{
			Name: "risk", Moments: proofs, When: `risk.p >= limits.step_up && user.best == 2`, Then: `stepup(acr="aal2")`,
			Tests: []Test{
				{"at the threshold", facts{"risk": facts{"p": DefaultThresholds().StepUp}, "user": facts{"best": 2}}, `stepup(acr="aal2")`},
				{"below it", facts{"risk": facts{"p": 0.99 * DefaultThresholds().StepUp}, "user": facts{"best": 2}}, `allow`},
			},
		},
		{
			Name: "risk_phr", Moments: proofs, When: `risk.p >= limits.step_up && user.best >= 3`, Then: `stepup(acr="phr")`,
			Tests: []Test{
				{"two factors are not enough for who has a passkey", facts{"risk": facts{"p": 0.3}, "user": facts{"best": 3}, "session": facts{"aal": 2}}, `stepup(acr="phr")`},
				{"the passkey is", facts{"risk": facts{"p": 0.99}, "user": facts{"best": 4}, "session": facts{"aal": 3}}, `allow`},
			},
		},
		{
			Name: "risk_deny", Moments: []string{"sign_in", "step_up", "authorize"}, When: `risk.p >= limits.deny && limits.deny < 1.0`, Then: `deny`,
			Tests: []Test{
				{"never, as shipped", facts{"risk": facts{"p": 1}}, `allow`},
				{"where it is wanted", facts{"risk": facts{"p": 0.97}, "limits": facts{"deny": 0.95}}, `deny`},
			},
		},
		{
			Name: ruleAbroad, Moments: held, When: `session.abroad && !session.bound`, Then: `stepup(max_age="0s")`,
			Tests: []Test{
				{"a bearer token that travels", facts{"session": facts{"abroad": true, "aal": 2}}, `stepup(max_age="0s")`},
				{"a bound one may", facts{"session": facts{"abroad": true, "bound": true, "aal": 2}}, `allow`},
			},
		},
		{
			Name: "moved_narrow", Moments: inUse, Then: `narrow(sensitive)`,
			When: `session.moved && risk.level != "low" || session.abroad && !session.bound`,
			Tests: []Test{
				{"at medium risk", facts{"risk": facts{"p": MediumFrom}, "session": facts{"moved": true}}, `narrow(sensitive)`},
				{"not at low", facts{"risk": facts{"p": 0.99 * MediumFrom}, "session": facts{"moved": true}}, `allow`},
				{"but in another country", facts{"session": facts{"moved": true, "abroad": true}}, `narrow(sensitive)`},
				{"without the key that it is bound to", facts{"session": facts{"moved": true, "abroad": true, "bound": true}}, `allow`},
				{"not at home", facts{"risk": facts{"p": 0.3}}, `allow`},
			},
		},
		{
			// However short ago the proof was, it was given elsewhere.
			Name: "moved", Moments: inUse, Then: `stepup(acr="aal1", max_age="0s")`,
			When: `session.moved && !session.bound && (risk.p >= limits.step_up || session.abroad && risk.novel.country)`,
			Tests: []Test{
				{"a cookie that is used elsewhere", facts{"risk": facts{"p": 0.4}, "session": facts{"moved": true, "aal": 2, "auth_age": 3600}}, `stepup(acr="aal1", max_age="0s")`},
				{"however fresh it is", facts{"risk": facts{"p": 0.4}, "session": facts{"moved": true, "aal": 2, "auth_age": 1}}, `stepup(acr="aal1", max_age="0s")`},
				{"in a country that is new", facts{"risk": facts{"novel": words{"country"}}, "session": facts{"moved": true, "abroad": true, "aal": 2}}, `stepup(acr="aal1", max_age="0s")`},
				{"in one that is not", facts{"session": facts{"moved": true, "abroad": true, "aal": 2}}, `allow`},
				{"with the key that it is bound to", facts{"risk": facts{"p": 0.4}, "session": facts{"moved": true, "bound": true, "aal": 2, "auth_age": 3600}}, `allow`},
			},
		},
	}
}

type (
	facts = map[string]any
	words = []string
)
