package conformance

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"testing"
)

// document is what a whole run compares, or writes anew where writeAnew is set.
const (
	document  = "../../docs/conformance.md"
	writeAnew = "POSTERN_CONFORMANCE_WRITE"
)

// TestMain lets all modules wait at once; how many work at once is the world's to say.
func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "2000")
	os.Exit(m.Run())
}

// TestPlans runs all plans, and holds docs/conformance.md against what it found.
func TestPlans(t *testing.T) {
	w := newWorld(t)
	all := 0
	t.Run("plan", func(t *testing.T) {
		for _, p := range plans {
			all += p.size()
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				for _, column := range p.columns() {
					t.Run(column, func(t *testing.T) {
						t.Parallel()
						for _, s := range p.series {
							if s.String() != column {
								continue
							}
							for _, name := range s.modules {
								t.Run(name, func(t *testing.T) {
									t.Parallel()
									w.run(t, p, s.variant, name)
								})
							}
						}
					})
				}
			})
		}
	})
	if w.report.finished() == all { // -run may have chosen fewer
		compare(t, w.report.markdown(plans))
	}
}

// run is one module.
func (w *world) run(t *testing.T, p plan, v variant, name string) {
	slot := w.slots
	if slices.Contains(patient, name) {
		slot = w.early
	}
	slot <- struct{}{}
	defer func() { <-slot }()
	m := &run{variant: v, t: t, w: w, slot: slot, result: w.report.result(p.name, v.String(), name)}
	m.module(name)
	m.result.finish()
}

// module runs a module to its end, which may be an early one.
func (m *run) module(name string) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(ended); !ok {
				panic(r)
			}
		}
	}()
	m.prepare()
	modules[name](m)
}

func compare(t *testing.T, got []byte) {
	if os.Getenv(writeAnew) != "" {
		if err := os.WriteFile(document, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what this run found; %s=1 writes it anew:\n%s", document, writeAnew, difference(want, got))
	}
}

// difference is the lines of got that want does not have.
func difference(want, got []byte) []byte {
	old := bytes.Split(want, []byte("\n"))
	var out [][]byte
	for _, line := range bytes.Split(got, []byte("\n")) {
		if !slices.ContainsFunc(old, func(o []byte) bool { return bytes.Equal(o, line) }) {
			out = append(out, line)
		}
	}
	return bytes.Join(out, []byte("\n"))
}
