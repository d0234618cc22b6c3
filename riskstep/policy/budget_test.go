package policy

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The threshold is where the share of sign-ins lies above, whatever their distribution.
func TestBudgetIsKept(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() float64{
		"a tail":    func() float64 { return -9 + 1.1*r.ExpFloat64() },
		"two kinds": func() float64 { return map[bool]float64{true: -8, false: -3}[r.Float64() < 0.9] + r.NormFloat64() },
		"a bell":    func() float64 { return -6 + 1.5*r.NormFloat64() },
	} {
		for _, share := range []float64{0.01, 0.02, 0.05} {
			b := NewBudget(share)
			scores := make([]float64, 50_000)
			for i := range scores {
				scores[i] = draw()
				b.Observe(noon.Add(time.Duration(i)*time.Minute/2), scores[i])
			}
			limit := b.Threshold(0.9)
			over := 0
			for _, s := range scores {
				if 1/(1+math.Exp(-s)) >= limit {
					over++
				}
			}
			if got := float64(over) / float64(len(scores)); math.Abs(got-share) > 0.1*share {
				t.Errorf("%s: %.4f are challenged, and %.4f should be", name, got, share)
			}
		}
	}
}

func TestBudgetHasBounds(t *testing.T) {
	many := func(score float64, n int) *Budget {
		b := NewBudget(0.02)
		for range n {
			b.Observe(noon, score)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		b    *Budget
		want float64
	}{
		{"nothing is known", NewBudget(0.02), 0.05},
		{"too little is known", many(-5, minSeen-1), 0.05},
		{"all are at home", many(-20, 10_000), leastP},
		{"somebody shifted the share", many(9, 10_000), mostP},
	} {
		if got := tt.b.Threshold(0.05); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestBudgetForgetsAfterThirtyDays(t *testing.T) {
	b := NewBudget(0.02)
	for range 5000 {
		b.Observe(noon, 5)
	}
	for range 5000 {
		b.Observe(noon.AddDate(0, 0, 30), -6)
	}
	if got := b.Threshold(0.9); got > 0.01 {
		t.Errorf("%v: what is thirty days old still counts", got)
	}
}

func drawDays(t *rapid.T, label string) []byte {
	b := NewBudget(0.02)
	for range rapid.IntRange(0, 60).Draw(t, label) {
		b.Observe(noon.AddDate(0, 0, rapid.IntRange(0, 45).Draw(t, "day")), rapid.Float64Range(-12, 9).Draw(t, "score"))
	}
	return b.Delta()
}

func TestBudgetsMergeInAnyOrder(t *testing.T) {
	merge := func(t *rapid.T, a, b []byte) []byte {
		out, err := MergeBudgets(a, b)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawDays(t, "a"), drawDays(t, "b"), drawDays(t, "c")
		if one, other := merge(t, merge(t, a, b), c), merge(t, c, merge(t, b, a)); !bytes.Equal(one, other) {
			t.Fatalf("%x\n%x", one, other)
		}
	})
}

// Two nodes that share a blob know what both of them saw, and nothing twice.
func TestBudgetOfTwoNodes(t *testing.T) {
	one, two, both := NewBudget(0.02), NewBudget(0.02), NewBudget(0.02)
	var shared []byte
	for i := range 9000 {
		score := -9 + 3*math.Abs(math.Sin(float64(i)))
		node := []*Budget{one, two}[i%2]
		node.Observe(noon, score)
		both.Observe(noon, score)
		if i%500 != 0 {
			continue
		}
		var err error
		if shared, err = MergeBudgets(shared, node.Delta()); err != nil {
			t.Fatal(err)
		}
		if err := node.Replace(shared); err != nil {
			t.Fatal(err)
		}
	}
	shared, _ = MergeBudgets(shared, one.Delta())
	shared, _ = MergeBudgets(shared, two.Delta())
	if !bytes.Equal(shared, both.Delta()) {
		t.Error("what two nodes saw is not what there was")
	}
	if one.Replace(shared) != nil || one.Delta() != nil {
		t.Error("a delta is given twice")
	}
}

// What others share replaces what was known, but not what this node saw since.
func TestReplaceKeepsWhatIsNotGivenYet(t *testing.T) {
	b := NewBudget(0.02)
	for range minSeen {
		b.Observe(noon, -5)
	}
	if err := b.Replace(nil); err != nil || b.Threshold(0.9) == 0.9 {
		t.Errorf("what was not given yet is forgotten: %v", err)
	}
	b.Delta()
	if err := b.Replace(nil); err != nil || b.Threshold(0.9) != 0.9 {
		t.Errorf("what was given still counts although nobody has it: %v", err)
	}
	if err := b.Replace([]byte{9}); err == nil {
		t.Error("what is no budget is taken")
	}
}

func TestBudgetIsSmall(t *testing.T) {
	full := days{}
	for day := range uint32(keptDays) {
		for bin := range bins {
			full.add(math.MaxUint32-day, bin, math.MaxUint32)
		}
	}
	blob := full.blob()
	if len(blob) > maxBudget {
		t.Errorf("%d bytes", len(blob))
	}
	twice, err := MergeBudgets(blob, blob)
	if err != nil || !bytes.Equal(twice, blob) {
		t.Errorf("what is full overflows: %v", err)
	}
}

func FuzzBudget(f *testing.F) {
	b := NewBudget(0.02)
	for i := range 40 {
		b.Observe(noon.AddDate(0, 0, i), float64(i-20))
	}
	f.Add(b.Delta())
	f.Add([]byte{1, 0})
	f.Fuzz(func(t *testing.T, blob []byte) {
		d, err := parseDays(blob)
		if err != nil {
			return
		}
		if again, err := parseDays(d.blob()); err != nil || !bytes.Equal(again.blob(), d.blob()) {
			t.Fatalf("%x: %v", blob, err)
		}
		if q := d.quantile(0.02); q < 0 || q > mostP || math.IsNaN(q) {
			t.Fatal(q)
		}
	})
}
