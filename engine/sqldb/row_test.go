package sqldb

import (
	"database/sql/driver"
	"encoding/json"
	"reflect"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestList(t *testing.T) {
	tests := []struct {
		name string
		list []string
		text string
	}{
		{"none", nil, ""},
		{"empty", []string{}, `[]`},
		{"an empty string", []string{""}, `[""]`},
		{"two empty strings", []string{"", ""}, `["",""]`},
		{"scope", []string{"openid", "profile"}, `["openid","profile"]`},
		{"a comma", []string{",", ","}, `[",",","]`},
		{"a quote", []string{`a","b`}, `["a\",\"b"]`},
		{"a backslash", []string{`\`, `\"`}, `["\\","\\\""]`},
		{"a letter", []string{"é"}, `["é"]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := listed(tt.list); got != tt.text {
				t.Errorf("written %s, want %s", got, tt.text)
			}
			for _, r := range []*row{{lite: []driver.Value{tt.text}}, {pg: [][]byte{[]byte(tt.text)}}} {
				if got := list[string](r); !reflect.DeepEqual(got, tt.list) || r.err != nil {
					t.Errorf("read %q, %v, want %q", got, r.err, tt.list)
				}
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "list")
		if got := list[string](&row{lite: []driver.Value{listed(want)}}); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q came back as %q", want, got)
		}
	})
}

// FuzzList: whatever stands in the column, list reads it as JSON does, or reports it.
func FuzzList(f *testing.F) {
	for _, s := range []string{"", "[]", `["a"]`, `["a","b"]`, `["`, `"]`, `["]`, `[1]`, `["a\"]`, `["a",1,"b"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // no column holds it
		}
		r := &row{lite: []driver.Value{s}}
		got := list[string](r)
		var want []string
		if json.Unmarshal([]byte(s), &want) == nil && s != "" && r.err == nil && len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, JSON says %q", s, got, want)
		}
	})
}
