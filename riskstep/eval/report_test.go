//go:build unix

package eval

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/postern-id/postern/riskstep/model"
)

var reportDir = flag.String("report", "", "write the report into this directory; it takes minutes")

var reportPeople = flag.Int("people", 4000, "of the main world of the report")

// cpu is the processor time of this process so far, in seconds.
func cpu(t testing.TB) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// costs measures by the clock of the processor, which others on the machine do not slow.
func costs(t *testing.T, lines int) (c Cost) {
	w := Base()
	w.Users = 2000
	s, o := NewStream(w, 1), newOurs(model.Default(), nil, "")
	var events []Event
	for e, ok := s.Next(); ok && len(events) < lines; e, ok = s.Next() {
		o.Learn(&e)
		events = append(events, e)
	}
	began := cpu(t)
	for i := range events {
		o.result(&events[i])
	}
	c.Score = (cpu(t) - began) / float64(len(events)) * 1e6
	c.Allocs = int64(testing.AllocsPerRun(100, func() { o.result(&events[len(events)-1]) }))
	began = cpu(t)
	for i := range events {
		o.Learn(&events[i])
	}
	c.Learn = (cpu(t) - began) / float64(len(events)) * 1e6
	in := recorded(lines)
	began = cpu(t)
	n, err := Replay(context.Background(), bytes.NewReader(in), io.Discard, options())
	if err != nil {
		t.Fatal(err)
	}
	c.Replay = float64(n) / (cpu(t) - began)
	return c
}

// Without -report it writes a report of a world too small for its figures, to see that it can.
func TestReport(t *testing.T) {
	dir, scale, lines := *reportDir, Scale{Users: *reportPeople, Variants: true}, 200_000
	if dir == "" {
		dir, scale, lines = t.TempDir(), Scale{Users: 60}, 2000
	}
	if err := WriteReport(dir, scale, costs(t, lines)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "RISK-REPORT.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"%!", "NaN", "Inf"} {
		if strings.Contains(string(text), bad) {
			t.Errorf("the report has %s", bad)
		}
	}
	for _, must := range []string{"## Goals", "## Limits", "EXTEND", "stolen cookie", "risk-roc.svg"} {
		if !strings.Contains(string(text), must) {
			t.Errorf("the report lacks %q", must)
		}
	}
	for _, name := range []string{"risk-roc.svg", "risk-calibration.svg"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(f); err == nil; {
			_, err = d.Token()
		}
		if f.Close(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
