package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is the process under load.
type server struct {
	issuer string
	cmd    *exec.Cmd
	ready  time.Duration
	idleMB int
	dbPort string // of PostgreSQL, to find its processes
	sets   []string
	env    []string
	others []*exec.Cmd // further nodes
}

const seed = `
clients:
  - {client_id: jwt, client_secret: bench-secret, grant_types: [client_credentials, authorization_code, refresh_token], redirect_uris: ["https://rp.example/cb"], scope: "openid api:read", skip_consent: true}
  - {client_id: opaque, client_secret: bench-secret, grant_types: [client_credentials, authorization_code, refresh_token], redirect_uris: ["https://rp.example/cb"], scope: "openid api:read", skip_consent: true, access_token_format: opaque}
resources:
  - {resource: "https://api.example", scopes: ["api:read"]}
users:
`

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startServer migrates, declares clients and people, and starts the binary; it returns once it answers.
func startServer(ctx context.Context, o options, dir string) (*server, error) {
	public, err := freePort()
	if err != nil {
		return nil, err
	}
	private, err := freePort()
	if err != nil {
		return nil, err
	}
	master := make([]byte, 32)
	if _, err := rand.Read(master); err != nil {
		return nil, err
	}
	s := &server{issuer: "http://" + public}
	dsn, driver := filepath.Join(dir, "bench.db"), "sqlite"
	switch o.engine {
	case "postgres":
		driver, dsn = "postgres", o.dsn
		_, rest, _ := strings.Cut(dsn, "@")
		host, _, _ := strings.Cut(rest, "/")
		if _, s.dbPort, err = net.SplitHostPort(host); err != nil {
			return nil, fmt.Errorf("-dsn: %w", err)
		}
	case "memory":
		dsn = "/dev/shm/" + filepath.Base(dir) + ".db" // a file, so that the seed can be applied by another process
		defer os.Remove(dsn)
	}
	env := append(os.Environ(), "POSTERN_SECRETS_MASTER="+base64.StdEncoding.EncodeToString(master))
	sets := []string{"--set", "issuer=" + s.issuer, "--set", "database.driver=" + driver, "--set", "database.dsn=" + dsn,
		"--set", "database.migrate=true", "--set", "listen.address=" + public, "--set", "management.address=" + private}
	if o.redis != "" {
		sets = append(sets, "--set", "redis.url="+o.redis)
	}
	s.sets, s.env = sets, env
	file := filepath.Join(dir, "seed.yaml")
	text := seed
	for i := range o.c {
		text += fmt.Sprintf("  - {username: user%d, email: user%d@bench.test, password: a long enough bench passphrase}\n", i, i)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	for _, args := range [][]string{{"migrate", "up"}, {"apply", "-f", file}} {
		cmd := exec.CommandContext(ctx, o.bin, append(args, sets...)...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
	}
	s.cmd = exec.Command(o.bin, append([]string{"serve"}, sets...)...)
	s.cmd.Env = env
	if log, err := os.Create(filepath.Join(os.TempDir(), "postern-bench.log")); err == nil { // written as in service, and there to look at
		s.cmd.Stdout, s.cmd.Stderr = log, log
		defer log.Close()
	}
	begun := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := begun.Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		res, err := http.Get(s.issuer + "/healthz")
		if err == nil {
			res.Body.Close()
			s.ready = time.Since(begun)
			time.Sleep(200 * time.Millisecond)
			s.idleMB = s.residentMB()
			return s, nil
		}
		if time.Now().After(deadline) {
			s.stop()
			return nil, fmt.Errorf("the server did not answer: %w", err)
		}
	}
}

func (s *server) stop() {
	s.stopOthers()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// cpu is what the server's process used so far, user and system.
func (s *server) cpu() time.Duration { return cpuOf(s.cmd.Process.Pid) }

// databaseCPU is what all processes of the PostgreSQL used so far.
func (s *server) databaseCPU() time.Duration {
	if s.dbPort == "" {
		return 0
	}
	var sum time.Duration
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	masters := map[int]bool{}
	for _, d := range dirs { // the postmaster is the one started for that port
		line, _ := os.ReadFile(d + "/cmdline")
		args := strings.ReplaceAll(string(line), "\x00", " ")
		if strings.Contains(args, "postgres") && (strings.Contains(args, "-p "+s.dbPort) || strings.Contains(args, "port="+s.dbPort)) {
			pid, _ := strconv.Atoi(filepath.Base(d))
			masters[pid] = true
		}
	}
	for _, d := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(d))
		if masters[pid] || masters[parentOf(pid)] {
			sum += cpuOf(pid)
		}
	}
	return sum
}

// stat returns the fields of /proc/<pid>/stat after the command's name; proc(5).
func stat(pid int) []string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.Fields(rest)
}

func parentOf(pid int) int {
	f := stat(pid)
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

func cpuOf(pid int) time.Duration {
	f := stat(pid)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100) // clock ticks: USER_HZ is 100
}

func (s *server) residentMB() int {
	f, err := os.Open("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if v, ok := strings.CutPrefix(sc.Text(), "VmRSS:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(v)[0])
			return kb / 1024
		}
	}
	return 0
}
