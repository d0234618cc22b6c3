// Package harness runs the real server for tests of whole journeys: it builds the binary, starts it on loopback with a
// private engine, and brings a browser that runs no scripts and a relying party. It never reaches into the server: all
// that it knows comes over HTTP, from the command line, or from the log.
package harness

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Race says whether the server under test is built with the race detector: POSTERN_E2E_RACE=1.
func Race() bool { return os.Getenv("POSTERN_E2E_RACE") == "1" }

// Binary returns the path of cmd/postern, built once for this test process. POSTERN_E2E_BINARY names another one to test,
// such as that of a release.
func Binary(t testing.TB) string {
	t.Helper()
	if given := os.Getenv("POSTERN_E2E_BINARY"); given != "" {
		return given
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir, err := buildDir(root)
	if err != nil {
		return "", err
	}
	name, args, cgo := "postern", []string{"build", "-trimpath"}, "CGO_ENABLED=0"
	if Race() {
		name, args, cgo = "postern-race", append(args, "-race"), "CGO_ENABLED=1"
	}
	// Other test processes may build or run the same file at this moment: it is replaced, never written over.
	fresh := filepath.Join(dir, fmt.Sprintf("%s.%d", name, os.Getpid()))
	cmd := exec.Command("go", append(args, "-o", fresh, "./cmd/postern")...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building cmd/postern: %w\n%s", err, out)
	}
	path := filepath.Join(dir, name)
	return path, os.Rename(fresh, path)
})

// buildDir is a directory of this user and this checkout.
func buildDir(root string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	sum := sha256.Sum256([]byte(root))
	dir := filepath.Join(base, "postern-e2e", hex.EncodeToString(sum[:6]))
	return dir, os.MkdirAll(dir, 0o700)
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// environ is our environment without what the server would take for a setting.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "POSTERN_") })
}
