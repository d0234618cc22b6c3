package policy

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/ident"
)

// signIn is somebody at home with a second factor who used the first one.
func signIn() Facts {
	return Facts{
		Moment: "sign_in", Risk: Risk{P: 0.001, Level: "low", Bits: map[string]float64{"network": -1.5, "device": -3}}, Limits: DefaultThresholds(),
		Net: Net{Country: "NO", ASN: 2119, Known: true}, Device: Device{Known: true}, User: User{Logins: 12, Best: 3},
		Client: Client{ID: "shop", Profile: "oidc"}, Request: Request{Scopes: []string{"openid", "payments"}}, Session: Session{AAL: 1},
	}
}

func compileOne(when, then string) (*Set, error) {
	return Compile([]Rule{{Name: "r", When: when, Then: then}}, "payments", "admin")
}

func TestExpressions(t *testing.T) {
	for _, tt := range []struct {
		when string
		want bool
	}{
		{`true`, true},
		{`moment == "sign_in"`, true},
		{`risk.level in ["medium", "high"]`, false},
		{`risk.p > 0.0005 && risk.p < 1`, true},
		{`risk.bits.network < 0 && risk.bits.device <= -3 && risk.bits.ja4 == 0.0`, true},
		{`risk.novel.country`, true},
		{`risk.novel.device || risk.doubt.denied`, false},
		{`risk.doubt.breached`, true},
		{fmt.Sprintf("limits.step_up == %g && limits.deny >= 1", DefaultThresholds().StepUp), true},
		{`net.country in ["NO", "SE"] && net.asn == 2119 && net.known`, true},
		{`net.hosting || net.anonymous || net.mobile`, false},
		{`device.known && !device.bound && !device.hardware`, true},
		{`user.logins >= 5 && user.best == 3 && !user.alerted`, true},
		{`client.id.startsWith("sh") && client.profile == "oidc"`, true},
		{`"payments" in request.scopes && !("admin" in request.scopes)`, true},
		{`request.scopes.exists(s, s.startsWith("pay"))`, true},
		{`request.scopes.size() == 2 && request.scopes[0] == "openid"`, true},
		{`client.id.matches("^s.op$")`, true},
		{`session.aal == 1 && session.auth_age == 0 && !session.moved && !session.abroad && !session.bound`, true},
		{`request.sensitive`, false},
	} {
		t.Run(tt.when, func(t *testing.T) {
			s, err := compileOne(tt.when, "deny")
			if err != nil {
				t.Fatal(err)
			}
			f := signIn()
			f.Risk.Novel, f.Risk.Doubt = []string{"country"}, []string{"breached"}
			o, err := s.Decide(&f)
			if err != nil || (o.Action == Deny) != tt.want {
				t.Fatalf("got %v, %v, want %v", o, err, tt.want)
			}
		})
	}
}

// A field of Facts that rules could not see would be one that nobody can try anything on.
func TestVariablesAreFacts(t *testing.T) {
	v, err := see(&Facts{})
	if err != nil {
		t.Fatal(err)
	}
	for name := range variables {
		if got, ok := v.ResolveName(name); !ok || got == nil {
			t.Errorf("%s has no value", name)
		}
	}
	fields := 0
	var count func(reflect.Type)
	count = func(ty reflect.Type) {
		for i := range ty.NumField() {
			if f := ty.Field(i).Type; f.Kind() == reflect.Struct {
				count(f)
			} else {
				fields++
			}
		}
	}
	count(reflect.TypeFor[Facts]())
	if want := fields - 3 + len(Signals) + len(Novelties) + len(Doubts); len(variables) != want { // three are lists of words
		t.Errorf("%d variables, want %d", len(variables), want)
	}
}

func TestCompileRefuses(t *testing.T) {
	ok := Rule{Name: "r", When: "true", Then: "deny"}
	with := func(change func(*Rule)) []Rule {
		r := ok
		change(&r)
		return []Rule{r}
	}
	many := make([]Rule, maxRules+1)
	for i := range many {
		many[i] = Rule{Name: fmt.Sprint("r", i), When: "true", Then: "deny"}
	}
	for _, tt := range []struct {
		name  string
		rules []Rule
		want  string // in the error
	}{
		{"no name", with(func(r *Rule) { r.Name = "" }), "rule 1"},
		{"bad name", with(func(r *Rule) { r.Name = "No way" }), "No way"},
		{"twice", []Rule{ok, ok}, "two of that name"},
		{"too many", many, "65 rules"},
		{"empty", with(func(r *Rule) { r.When = "" }), "rule r"},
		{"syntax", with(func(r *Rule) { r.When = "risk.p >" }), "rule r"},
		{"no such name", with(func(r *Rule) { r.When = "risk.probability > 0.5" }), "risk"},
		{"no such signal", with(func(r *Rule) { r.When = "risk.bits.netwrk > 0.5" }), "rule r"},
		{"no such novelty", with(func(r *Rule) { r.When = "risk.novel.contry" }), "rule r"},
		{"not bool", with(func(r *Rule) { r.When = "risk.p" }), "bool"},
		{"wrong type", with(func(r *Rule) { r.When = `net.country > 3` }), "overload"},
		{"a word that is none", with(func(r *Rule) { r.When = `moment == "signin"` }), "signin"},
		{"a word in a list that is none", with(func(r *Rule) { r.When = `risk.level in ["medium", "hgih"]` }), "hgih"},
		{"no time", with(func(r *Rule) { r.When = `now() > timestamp(0)` }), "now"},
		{"too long", with(func(r *Rule) { r.When = strings.Repeat("true && ", 200) + "true" }), "longer"},
		{"too deep", with(func(r *Rule) { r.When = strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100) }), "rule r"},
		{"too dear", with(func(r *Rule) {
			r.When = `request.scopes.all(a, request.scopes.all(b, request.scopes.exists(c, a == b + c)))`
		}), "cost"},
		{"quietly dear", with(func(r *Rule) { r.When = `request.scopes.exists(a, a.matches("(a+)+$"))` }), "cost"},
		{"moment", with(func(r *Rule) { r.Moments = []string{"login"} }), "login"},
		{"then", with(func(r *Rule) { r.Then = "stepup" }), "stepup"},
		{"a test that fails", with(func(r *Rule) { r.Tests = []Test{{Name: "x", Want: "allow"}} }), "test 1 (x): is deny, and should be allow"},
		{"a test of nothing", with(func(r *Rule) { r.Tests = []Test{{Name: "x", Want: ""}} }), "test 1"},
		{"a test with a fact that is none", with(func(r *Rule) {
			r.Tests = []Test{{Name: "x", Facts: facts{"risk": facts{"probability": 1}}, Want: "deny"}}
		}), "probability"},
		{"a test with a word that is none", with(func(r *Rule) {
			r.Tests = []Test{{Name: "x", Facts: facts{"risk": facts{"novel": words{"contry"}}}, Want: "deny"}}
		}), "contry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Compile(tt.rules)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestDecideFailsClosed(t *testing.T) {
	if o, err := (&Set{}).Decide(&Facts{}); err == nil || o.Action != Deny {
		t.Errorf("a zero set: %v, %v", o, err)
	}
	s, err := compileOne(`request.scopes[5] == "x"`, "deny") // there is no sixth one
	if err != nil {
		t.Fatal(err)
	}
	f := signIn()
	if o, err := s.Decide(&f); err == nil || o.Action != Deny || !strings.Contains(err.Error(), "rule r") {
		t.Errorf("an evaluation that fails: %v, %v", o, err)
	}
	always, _ := compileOne("false", "deny")
	for name, change := range map[string]func(*Facts){
		"P is no number":    func(f *Facts) { f.Risk.P = math.NaN() },
		"P above 1":         func(f *Facts) { f.Risk.P = 1.01 },
		"bits no number":    func(f *Facts) { f.Risk.Bits = map[string]float64{"network": math.NaN()} },
		"limit no number":   func(f *Facts) { f.Limits.StepUp = math.NaN() },
		"too many scopes":   func(f *Facts) { f.Request.Scopes = make([]string, maxList+1) },
		"a scope too long":  func(f *Facts) { f.Request.Scopes = []string{strings.Repeat("x", maxText+1)} },
		"a client too long": func(f *Facts) { f.Client.ID = strings.Repeat("x", maxText+1) },
	} {
		f := signIn()
		change(&f)
		if o, err := always.Decide(&f); err == nil || o.Action != Deny {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
}

func TestStrictestWins(t *testing.T) {
	rule := func(name, then string) Rule { return Rule{Name: name, When: "true", Then: then} }
	shadowed := rule("s", "revoke")
	shadowed.Shadow = true
	broken := Rule{Name: "b", When: `request.scopes[9] == ""`, Then: "allow", Shadow: true}
	for _, tt := range []struct {
		name  string
		rules []Rule
		want  Outcome
	}{
		{"nothing", nil, Outcome{Action: Allow}},
		{"allow allows nothing", []Rule{rule("a", "allow"), rule("b", "deny")}, Outcome{Action: Deny, Rule: "b"}},
		{"revoke", []Rule{rule("a", "deny"), rule("b", "revoke"), rule("c", `narrow("x")`)}, Outcome{Action: Revoke, Rule: "b"}},
		{"deny", []Rule{rule("a", "deny"), rule("b", `stepup(acr="phr")`)}, Outcome{Action: Deny, Rule: "a"}},
		{"the higher rung and the shorter age", []Rule{rule("a", `stepup(acr="aal2", max_age="5m")`), rule("b", `stepup(acr="phr", max_age="1h")`)},
			Outcome{Action: StepUp, Required: ident.PhishingResistant, MaxAge: 5 * time.Minute, Rule: "b"}},
		{"anew is shorter than any age", []Rule{rule("a", `stepup(acr="aal2", max_age="1s")`), rule("b", `stepup(max_age="0s")`)},
			Outcome{Action: StepUp, Required: ident.AAL2, Fresh: true, Rule: "a"}},
		{"narrow adds up", []Rule{rule("a", `narrow("x", "z")`), rule("b", `narrow("z", "y")`)}, Outcome{Action: Narrow, Narrow: words{"x", "y", "z"}, Rule: "a"}},
		{"and stays until the step-up is done", []Rule{rule("a", `narrow("x")`), rule("b", `stepup(acr="phr")`)},
			Outcome{Action: StepUp, Required: ident.PhishingResistant, Narrow: words{"x"}, Rule: "b"}},
		{"what is held already asks nothing", []Rule{rule("a", `stepup(acr="aal1")`), rule("b", `narrow("x")`)}, Outcome{Action: Narrow, Narrow: words{"x"}, Rule: "b"}},
		{"equals are named by name", []Rule{rule("b", "deny"), rule("a", "deny")}, Outcome{Action: Deny, Rule: "a"}},
		{"shadow is said, not done", []Rule{shadowed, rule("a", `narrow(sensitive)`)},
			Outcome{Action: Narrow, Narrow: words{"admin", "payments"}, Rule: "a", Shadow: []Outcome{{Action: Revoke, Rule: "s"}}}},
		{"a rule in shadow that fails stops nobody", []Rule{broken}, Outcome{Action: Allow, Shadow: []Outcome{{Action: Deny, Rule: "b"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Compile(tt.rules, "payments", "admin")
			if err != nil {
				t.Fatal(err)
			}
			f := signIn()
			f.Moment, f.Session.AuthAge = "use", 10
			got, err := s.Decide(&f)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

func TestRulesAreForWhatTheyName(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule Rule
		want Action
	}{
		{"client", Rule{Clients: words{"other", "shop"}}, Deny},
		{"other client", Rule{Clients: words{"other"}}, Allow},
		{"scope", Rule{Scopes: words{"payments"}}, Deny},
		{"other scope", Rule{Scopes: words{"admin"}}, Allow},
		{"moment", Rule{Moments: words{"use", "sign_in"}}, Deny},
		{"other moment", Rule{Moments: words{"use"}}, Allow},
		{"all of them", Rule{Clients: words{"shop"}, Scopes: words{"payments"}, Moments: words{"refresh"}}, Allow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.rule.Name, tt.rule.When, tt.rule.Then = "r", "true", "deny"
			s, err := Compile([]Rule{tt.rule})
			if err != nil {
				t.Fatal(err)
			}
			f := signIn()
			if got, err := s.Decide(&f); err != nil || got.Action != tt.want {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func anyFacts(t *rapid.T) Facts {
	some := func(label string, words []string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(words), 0, 3, rapid.ID).Draw(t, label)
	}
	yes := func(label string) bool { return rapid.Bool().Draw(t, label) }
	f := Facts{
		Moment: rapid.SampledFrom(Moments).Draw(t, "moment"), Limits: Thresholds{rapid.Float64Range(0, 1).Draw(t, "stepup"), rapid.Float64Range(0.5, 1).Draw(t, "deny")},
		Risk:    Risk{P: rapid.Float64Range(0, 1).Draw(t, "p"), Novel: some("novel", Novelties), Doubt: some("doubt", Doubts)},
		Net:     Net{Country: "NO", Hosting: yes("hosting"), Anonymous: yes("anonymous"), Known: yes("known")},
		Device:  Device{Known: yes("known device"), Bound: yes("bound device")},
		User:    User{Logins: rapid.IntRange(0, 16).Draw(t, "logins"), Best: rapid.IntRange(1, 4).Draw(t, "best"), Alerted: yes("alerted")},
		Request: Request{Scopes: some("scopes", words{"openid", "payments", "admin"})},
		Session: Session{AAL: rapid.IntRange(0, 4).Draw(t, "aal"), AuthAge: rapid.IntRange(0, 1000).Draw(t, "age"), Moved: yes("moved"), Abroad: yes("abroad"), Bound: yes("bound")},
	}
	f.Risk.Level = LevelOf(f.Risk.P)
	return f
}

// worse is f with more evidence of an attack, and nothing that speaks against one.
func worse(t *rapid.T, f Facts) Facts {
	g := f
	g.Risk.P = rapid.Float64Range(f.Risk.P, 1).Draw(t, "worse p")
	g.Risk.Level = LevelOf(g.Risk.P)
	g.Risk.Novel = append(rapid.SliceOfN(rapid.SampledFrom(Novelties), 0, 3).Draw(t, "more novel"), f.Risk.Novel...)
	g.Risk.Doubt = append(rapid.SliceOfN(rapid.SampledFrom(Doubts), 0, 2).Draw(t, "more doubt"), f.Risk.Doubt...)
	worst := func(label string, at *bool, bad bool) {
		if rapid.Bool().Draw(t, label) {
			*at = bad
		}
	}
	worst("w hosting", &g.Net.Hosting, true)
	worst("w anonymous", &g.Net.Anonymous, true)
	worst("w known", &g.Net.Known, false)
	worst("w device", &g.Device.Known, false)
	worst("w device bound", &g.Device.Bound, false)
	worst("w alerted", &g.User.Alerted, true)
	worst("w moved", &g.Session.Moved, true)
	worst("w abroad", &g.Session.Abroad, true)
	worst("w bound", &g.Session.Bound, false)
	g.Session.AAL = rapid.IntRange(0, f.Session.AAL).Draw(t, "worse aal")
	return g
}

// atLeast says whether a asks for everything that b asks for.
func atLeast(a, b Outcome) bool {
	if a.Action.weight() != b.Action.weight() || a.Action == Deny || a.Action == Revoke {
		return a.Action.weight() >= b.Action.weight()
	}
	for _, s := range b.Narrow {
		if !strings.Contains(" "+strings.Join(a.Narrow, " ")+" ", " "+s+" ") {
			return false
		}
	}
	return a.Required >= b.Required && (a.Fresh || !b.Fresh && shorter(a.MaxAge, b.MaxAge) == a.MaxAge)
}

func TestMoreEvidenceIsNeverLessStrict(t *testing.T) {
	s, err := Compile(DefaultRules(), "payments")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := anyFacts(t)
		g := worse(t, f)
		a, err := s.Decide(&f)
		b, err2 := s.Decide(&g)
		if err != nil || err2 != nil || !atLeast(b, a) {
			t.Fatalf("%+v → %v, %v\n%+v → %v, %v", f, a, err, g, b, err2)
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	thens := words{"allow", "deny", "revoke", `narrow("a")`, `narrow("b", "c")`, `stepup(acr="aal2")`, `stepup(acr="phr", max_age="1h")`, `stepup(max_age="0s")`, `stepup(acr="aal1", max_age="30s")`}
	whens := words{"true", "risk.p > 0.5", "user.best >= 2", "session.moved", `moment == "use"`}
	rapid.Check(t, func(t *rapid.T) {
		rules := DefaultRules()[:2]
		for i := range rapid.IntRange(0, 5).Draw(t, "rules") {
			rules = append(rules, Rule{
				Name: fmt.Sprint("r", i), When: rapid.SampledFrom(whens).Draw(t, "when"), Then: rapid.SampledFrom(thens).Draw(t, "then"), Shadow: rapid.Bool().Draw(t, "shadow"),
			})
		}
		one, err := Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		other, err := Compile(rapid.Permutation(rules).Draw(t, "order"))
		if err != nil {
			t.Fatal(err)
		}
		f := anyFacts(t)
		a, _ := one.Decide(&f)
		b, _ := other.Decide(&f)
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v\n%+v", a, b)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	f := signIn()
	for _, n := range []int{6, 9} {
		rules := DefaultRules()[:n]
		for i := range rules {
			rules[i].Moments, rules[i].Tests = nil, nil // all of them are evaluated
		}
		s, err := Compile(rules, "payments")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Decide(&f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("as shipped", func(b *testing.B) {
		s, err := Compile(DefaultRules(), "payments")
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Decide(&f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			if _, err := Compile(DefaultRules()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
