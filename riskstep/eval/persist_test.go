package eval

import (
	"math"
	"testing"

	"github.com/postern-id/postern/riskstep/model"
)

func TestPersist(t *testing.T) {
	w := tiny()
	always, never := persist(w, 1, model.Default(), Naive, float32(math.Inf(-1)), true), persist(w, 1, model.Default(), Naive, float32(math.Inf(1)), true)
	for i := range tries {
		if always[i] != 1 || never[i] != 0 {
			t.Errorf("visit %d: %v, %v", i, always[i], never[i])
		}
	}
	if kept := persist(w, 1, model.Default(), Naive, -4, false); kept[tries-1] < .9 {
		t.Errorf("an attacker who is not learnt is caught %v", kept)
	}
	got := persist(w, 1, model.Default(), Naive, -4, true)
	t.Log(got)
	if got[0] < .9 || got[tries-1] >= got[0] {
		t.Errorf("an attacker who is learnt is caught %v", got)
	}
}
