package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/postern-id/postern/e2e/harness"
)

// The limits are what the product promises; a test machine that also does other things gets twice as much.
const (
	firstStart = 300 * time.Millisecond
	laterStart = 100 * time.Millisecond
	idleMiB    = 50
	slack      = 2
)

// TestStart measures how soon the server is ready and how little it takes when idle: the best of a few.
func TestStart(t *testing.T) {
	if harness.Race() {
		return // the race detector costs many times as much
	}
	best := func(start func() time.Duration) time.Duration {
		low := start()
		for range 4 {
			low = min(low, start())
		}
		return low
	}
	first := best(func() time.Duration {
		s := harness.Start(t, harness.Options{Engine: harness.SQLite, Dev: true})
		defer s.Kill()
		return s.Took
	})
	dev := harness.Start(t, harness.Options{Engine: harness.SQLite, Dev: true})
	later := best(func() time.Duration {
		dev.Restart()
		return dev.Took
	})
	serve := harness.Start(t, harness.Options{Engine: harness.SQLite})
	served := best(func() time.Duration {
		serve.Restart()
		return serve.Took
	})
	time.Sleep(time.Second) // periodic work has run
	devMiB, serveMiB := resident(t, dev.PID()), resident(t, serve.PID())
	t.Logf("ready: first %v, later %v, serve %v; idle: dev %.1f MiB, serve %.1f MiB", first, later, served, devMiB, serveMiB)
	for what, over := range map[string]bool{
		"the first start of dev": first > slack*firstStart, "a later start of dev": later > slack*laterStart,
		"a start of serve": served > slack*laterStart, "idle memory": max(devMiB, serveMiB) > slack*idleMiB,
	} {
		if over {
			t.Errorf("%s is more than %d times over the limit", what, slack)
		}
	}
}

var vmRSS = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

// resident is the memory of a process in MiB; 0 where the system does not tell.
func resident(t *testing.T, pid int) float64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	m := vmRSS.FindSubmatch(raw)
	if m == nil {
		t.Fatalf("no VmRSS in %s", raw)
	}
	kb, _ := strconv.ParseFloat(string(m[1]), 64)
	return kb / 1024
}
