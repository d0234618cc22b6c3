package enginetest

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/oauth"
)

// faultEnv names the fault that the candidate of TestExam has; unset: none.
const faultEnv = "ENGINETEST_FAULT"

func TestExam(t *testing.T) {
	Run(t, func(_ *testing.T, now func() time.Time) Engine { return newReference(now, os.Getenv(faultEnv)) })
}

// TestExamCatches sits the exam once more for every fault that the reference can have, each in a process of its
// own, since a failed subtest cannot be taken back: every one must fail.
func TestExamCatches(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{}, 2)
	for _, fault := range faults(t) {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			gate <- struct{}{}
			defer func() { <-gate }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, self, "-test.run=^TestExam$", "-test.failfast", "-rapid.nofailfile", "-rapid.shrinktime=1ms", "-rapid.checks=40")
			cmd.Env = append(os.Environ(), faultEnv+"="+fault)
			out, err := cmd.CombinedOutput()
			if ctx.Err() != nil {
				t.Fatalf("the exam did not end:\n%s", out)
			}
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestExam/") {
				t.Fatalf("the exam passed an engine of which is true: %s\n%s", fault, out)
			}
		})
	}
}

// faults lists what the reference can do wrong: every name that its sources ask for.
func faults(t *testing.T) []string {
	var names []string
	for _, file := range []string{"reference_test.go", "reference_people_test.go", "reference_factors_test.go", "reference_approvers_test.go", "reference_devicekeys_test.go", "reference_mail_test.go", "reference_oauth_test.go", "reference_logout_test.go", "reference_delivery_test.go", "reference_revocations_test.go"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`m\.(?:has|gap)\("([^"]+)"\)`).FindAllStringSubmatch(string(src), -1) {
			names = append(names, m[1])
		}
	}
	for _, kind := range []string{oauth.EndedSession, oauth.RevokedGrant, oauth.DeletedClient, oauth.LimitedSession} {
		names = append(names, "the log has no "+kind)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) < 60 {
		t.Fatalf("only %d faults found: the pattern no longer matches the sources", len(names))
	}
	return names
}
