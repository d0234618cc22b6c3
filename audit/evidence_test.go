package audit

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// Evidence is kept byte for byte beside data that is cut, or refused.
func TestEvidenceIsKeptWhole(t *testing.T) {
	proof := json.RawMessage(`{"statement":"` + strings.Repeat("A", 5<<10) + `","x":"<&>"}`)
	long := map[string]string{}
	for i := range maxData {
		long[strings.Repeat("n", i+1)] = strings.Repeat(`"`, maxValue)
	}
	_, body, err := fit(Event{Type: "approval.approved", Outcome: OK, Evidence: proof, Data: long})
	if err != nil || len(body) > maxBody {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	got, err := (&Entry{Body: body}).Event()
	if err != nil || string(got.Evidence) != string(proof) {
		t.Errorf("%.80s, %v", got.Evidence, err)
	}
	for name, bad := range map[string]string{"too long": `"` + strings.Repeat("A", maxProof) + `"`, "no JSON": "{", "two values": "1 2"} {
		if _, _, err := fit(Event{Type: "x.y", Outcome: OK, Evidence: json.RawMessage(bad)}); !errors.Is(err, ErrEvent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
