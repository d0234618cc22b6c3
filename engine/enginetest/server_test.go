package enginetest

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestServersAreFreshAndEndWithTheirProcess(t *testing.T) {
	if os.Getenv("ENGINETEST_CHILD") != "" {
		a, b := Postgres(t), Postgres(t)
		c, d := Redis(t), Redis(t)
		if a == b || c == d {
			t.Fatalf("the same database twice: %s %s %s %s", a, b, c, d)
		}
		pg, _ := startPostgres()
		if err := pg.psql("CREATE TABLE t (x int)"); err != nil {
			t.Fatal(err)
		}
		redis, _ := startRedis()
		os.Stdout.WriteString(strings.Join([]string{"", a, pg.dir, c, redis.dir, ""}, "\n"))
		os.Exit(9) // no clean-up runs
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "ENGINETEST_CHILD=1")
	out, _ := cmd.CombinedOutput()
	lines := bytes.Split(out, []byte("\n"))
	if cmd.ProcessState.ExitCode() != 9 || len(lines) < 5 {
		t.Fatalf("the child failed:\n%s", out)
	}
	for i, kind := range []string{"PostgreSQL", "Redis"} {
		u, err := url.Parse(string(lines[1+2*i]))
		if err != nil {
			t.Fatal(err)
		}
		dir := string(lines[2+2*i])
		deadline := time.Now().Add(20 * time.Second)
		for {
			c, dialErr := net.DialTimeout("tcp", u.Host, time.Second)
			if dialErr == nil {
				c.Close()
			}
			_, statErr := os.Stat(dir)
			if dialErr != nil && os.IsNotExist(statErr) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s outlives its process: listens %t, files %v", kind, dialErr == nil, statErr == nil)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func TestMissingServerIsNamed(t *testing.T) {
	_, err := find("no-such-server", "/nowhere/*/bin")
	if err == nil || !strings.Contains(err.Error(), "no-such-server is not installed") || !strings.Contains(err.Error(), "make setup") {
		t.Fatalf("error %v, want the program's name and make setup", err)
	}
}
