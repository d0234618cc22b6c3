package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseJourney(t *testing.T) {
	lines, err := parseJourney("# a comment\n\nauthorize app1 scope=\"openid  profile\" claims='{\"a\":\"#\"}' → page=client \"two words\" # why\nlogin ann\n")
	if err != nil || len(lines) != 2 {
		t.Fatal(lines, err)
	}
	l := lines[0]
	if got := said(l.words); got != `authorize app1 scope=openid  profile claims={"a":"#"}` || l.number != 3 || l.bare {
		t.Errorf("read as %d %q", l.number, got)
	}
	if len(l.expect) != 2 || l.expect[0].quoted || !l.expect[1].quoted || l.expect[1].text != "two words" {
		t.Errorf("expects %v", l.expect)
	}
	if !lines[1].bare {
		t.Error("a line without an arrow expects nothing in particular")
	}
	for _, bad := range []string{`login "ann`, "→ 200", "login ann →"} {
		if _, err := parseJourney(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestExpectations holds that what is expected can be missed: a journey that cannot fail shows nothing.
func TestExpectations(t *testing.T) {
	o := &outcome{status: 400, text: "some words of a page", fields: map[string]any{"error": "invalid_grant", "active": false,
		"exp": json.Number("1790000000"), "scope": "openid profile", "aud": []any{"a", "b"}, "keys": []any{map[string]any{"kid": "k1"}}}}
	st := &stage{vars: map[string]string{"known": "k1", "before": "1789999999"}}
	for want, meets := range map[string]bool{
		"400": true, "200": false, "invalid_grant": true, "invalid_request": false,
		"active=false": true, "active=true": false, "active=present": true, "active=absent": false, "sub=absent": true, "sub=present": false, "sub=": false,
		"scope~openid": true, "scope~open": false, "scope!~email": true, "scope!~openid": false, "aud=a": false, "aud~b": true,
		"exp>$before": true, "exp<$before": false, "scope>1": false, "error!=x": true, "error!=invalid_grant": false,
		"keys.count=1": true, "keys.0.kid=$known": true, "keys.1.kid=present": false, "keys.0.kid=other": false,
	} {
		if err := st.meets(o, word{text: want}); (err == nil) != meets {
			t.Errorf("%s: %v", want, err)
		}
	}
	if st.meets(o, word{"words of", true}) != nil || st.meets(o, word{"no such words", true}) == nil {
		t.Error("texts are not looked for")
	}
	if err := st.meets(o, word{text: "$kept=keys.0.kid"}); err != nil || st.vars["kept"] != "k1" {
		t.Error("nothing is kept", err)
	}
	if err := st.meets(o, word{text: "$kept=nothing"}); err == nil {
		t.Error("what is absent is kept")
	}
	for line, says := range map[string]string{"fly away": "no such command", "token": "name the client"} {
		lines, err := parseJourney(line)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.perform(lines[0]); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
