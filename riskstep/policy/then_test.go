package policy

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
)

func TestParseThen(t *testing.T) {
	sensitive := words{"payments", "admin"}
	for _, tt := range []struct {
		text string
		want Outcome
	}{
		{"allow", Outcome{Action: Allow}},
		{" deny ", Outcome{Action: Deny}},
		{"revoke", Outcome{Action: Revoke}},
		{`stepup(acr="phr", max_age="5m")`, Outcome{Action: StepUp, Required: ident.PhishingResistant, MaxAge: 5 * time.Minute}},
		{`stepup( max_age = "1h" , acr = "urn:postern:acr:aal2" )`, Outcome{Action: StepUp, Required: ident.AAL2, MaxAge: time.Hour}},
		{`stepup(max_age="0s")`, Outcome{Action: StepUp, Required: ident.AAL1, Fresh: true}},
		{`narrow("payments")`, Outcome{Action: Narrow, Narrow: words{"payments"}}},
		{`narrow("b", "a","b")`, Outcome{Action: Narrow, Narrow: words{"a", "b"}}},
		{`narrow(sensitive)`, Outcome{Action: Narrow, Narrow: words{"admin", "payments"}}},
	} {
		got, err := parseThen(tt.text, sensitive)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v", tt.text, got, err)
		}
	}
	if got, err := parseThen("narrow(sensitive)", nil); err != nil || got.Action != Allow {
		t.Errorf("nothing is sensitive: got %+v, %v", got, err)
	}
}

func TestParseThenRefuses(t *testing.T) {
	for _, text := range []string{
		"", "Allow", "allow()", "deny()", "allow; deny", "stepup", "stepup()", `stepup("phr")`, `stepup(acr=phr)`, `stepup(acr="phr"`, `stepup(acr="phr))`,
		`stepup(acr="aal9")`, `stepup(acr="")`, `stepup(acr="phr", acr="aal1")`, `stepup(acr="phr",)`, `stepup(acr="phr" max_age="5m")`, `stepup(age="5m")`,
		`stepup(max_age="5")`, `stepup(max_age="-5m")`, `stepup(max_age="48h")`, `stepup(max_age="1500ms")`, `narrow`, `narrow()`, `narrow(sensible)`, `narrow("")`,
		`narrow("a b")`, `narrow(x="a")`, `narrow(="a")`, `narrow("a",)`, `narrow("a") deny`, `deny("a")`, "narrow(\"\xff\")", strings.Repeat(" ", maxThen) + "allow",
		`narrow(` + strings.Repeat(`"a",`, maxScopes) + `"a")`,
	} {
		if got, err := parseThen(text, words{"x"}); err == nil || got.Action != Deny {
			t.Errorf("%.60s: got %v, %v", text, got, err)
		}
	}
}

func FuzzParseThen(f *testing.F) {
	for _, s := range []string{"allow", `stepup(acr="phr", max_age="5m")`, `stepup(max_age="0s")`, `narrow("a", "b")`, "narrow(sensitive)", "revoke"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseThen(text, words{"s"})
		if err != nil {
			return
		}
		again, err := parseThen(o.String(), nil)
		if err != nil || !reflect.DeepEqual(again, o) {
			t.Fatalf("%q is %+v, and %q is %+v, %v", text, o, o.String(), again, err)
		}
	})
}
