package oauth

import (
	"encoding/json"
	"testing"
	"time"
)

// A policy may let a request live long and yet want it young.
func TestObjectRule(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	rd := NewReader(ReaderOptions{Now: func() time.Time { return now }})
	for _, tt := range []struct {
		name      string
		rule      ObjectRule
		from, to  time.Duration
		wantFault bool
	}{
		{"fresh", hourly, 0, time.Hour, false},
		{"too long", hourly, 0, time.Hour + time.Second, true},
		{"old", ObjectRule{Life: 3 * time.Hour, Age: time.Hour}, -2 * time.Hour, time.Minute, true},
		{"young enough", ObjectRule{Life: 3 * time.Hour, Age: time.Hour}, -time.Hour, time.Minute, false},
	} {
		payload, err := json.Marshal(map[string]any{"aud": "x", "iss": "x", "iat": 1, "jti": "j", "nbf": now.Add(tt.from).Unix(), "exp": now.Add(tt.to).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		a := &CIBAAsked{}
		if fault := rd.ruled(tt.rule, payload, a); (fault != nil) != tt.wantFault {
			t.Errorf("%s: %v", tt.name, fault)
		}
	}
}
