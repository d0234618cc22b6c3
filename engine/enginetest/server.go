//go:build unix

package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// server is a private server of this test process, on a loopback port and with files of its own.
type server struct {
	dir, port string
	cred      *syscall.Credential // whom it runs as; nil: as we do
	life      io.Closer           // the pipe to its guard; closing it, or being collected, ends the server
}

// guard runs a server until the pipe on its standard input closes, which the kernel does when the test process
// ends, however it ends. Then it stops the server and removes its files.
const guard = `dir=$1 stop=$2; shift 2
"$@" </dev/null & pid=$!
cat >/dev/null
kill -s "$stop" $pid; wait $pid
rm -rf "$dir"`

// newServer makes the directory of a server. What refuses to run as root runs as one of users.
func newServer(kind string, users ...string) (*server, error) {
	dir, err := os.MkdirTemp("", "postern-"+kind+"-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	if os.Geteuid() != 0 || len(users) == 0 {
		return s, nil
	}
	for _, name := range users {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		s.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return s, os.Chown(dir, int(uid), int(gid))
	}
	return nil, fmt.Errorf("%s does not run as root, and there is no user %s to run it as", kind, strings.Join(users, " or "))
}

// command prepares a program that runs in the server's directory, as the server's user.
func (s *server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setpgid: true}
	return cmd
}

// start runs the server of args (made for a port) until the test process ends, and waits until probe succeeds.
func (s *server) start(stop string, args func(port string) []string, probe func() error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	l.Close()
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command("/bin/sh", append([]string{"-c", guard, "guard", s.dir, stop}, args(s.port)...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.life, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for ; ; time.Sleep(20 * time.Millisecond) {
		if err = probe(); err == nil {
			return nil
		}
		out, _ := os.ReadFile(log.Name())
		if ctx.Err() != nil || strings.Contains(string(out), "in use") {
			s.life.Close()
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
}

// thrice tries to start a server three times: the free port that it was given may be gone before it listens.
func thrice(start func() (*server, error)) func() (*server, error) {
	return sync.OnceValues(func() (s *server, err error) {
		for range 3 {
			if s, err = start(); err == nil || errors.Is(err, errMissing) {
				break
			}
		}
		return s, err
	})
}

var errMissing = errors.New("is not installed: run `make setup`, or install it and put it into PATH")

// find returns the path of a program in PATH or in one of the places that match patterns.
func find(name string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, p := range patterns {
		if found, _ := filepath.Glob(filepath.Join(p, name)); len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s %w", name, errMissing)
}

const pgPlaces = "/usr/lib/postgresql/*/bin"

var startPostgres = thrice(func() (*server, error) {
	initdb, err := find("initdb", pgPlaces)
	if err != nil {
		return nil, err
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return nil, err
	}
	s, err := newServer("postgres", "postgres", "nobody")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	out, err := s.command(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	err = s.start("INT", func(port string) []string {
		return []string{filepath.Join(filepath.Dir(initdb), "postgres"), "-D", data, "-p", port, "-k", s.dir, "-h", "127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off",
			"-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "timezone=Asia/Kathmandu"}
	}, func() error { return s.psql("SELECT 1") })
	return s, err
})

// psql runs one statement as the superuser.
func (s *server) psql(statement string) error {
	psql, err := find("psql", pgPlaces)
	if err != nil {
		return err
	}
	out, err := s.command(psql, "-X", "-q", "-h", "127.0.0.1", "-p", s.port, "-U", "postgres", "-d", "postgres", "-c", statement).CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, out)
	}
	return nil
}

var databases, redisDatabases atomic.Int64

// Postgres returns the URL of a fresh database on a private PostgreSQL server, started once for this process and
// gone with it. It commits in order but without fsync: it survives the death of a client, not of the machine. Its
// time zone is odd on purpose. The database is dropped when t ends.
func Postgres(t testing.TB) string {
	t.Helper()
	s, err := startPostgres()
	if err != nil {
		t.Fatalf("PostgreSQL: %v", err)
	}
	db := fmt.Sprintf("exam%d", databases.Add(1))
	if err := s.psql("CREATE DATABASE " + db); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.psql("DROP DATABASE " + db + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%s/%s?sslmode=disable", s.port, db)
}

var startRedis = thrice(func() (*server, error) {
	redis, err := find("redis-server")
	if err != nil {
		return nil, err
	}
	s, err := newServer("redis")
	if err != nil {
		return nil, err
	}
	err = s.start("TERM", func(port string) []string {
		return []string{redis, "--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no", "--databases", "4096"}
	}, func() error { return ping(s.port) })
	return s, err
})

// ping asks a Redis server whether it is there.
func ping(port string) error {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	b := make([]byte, 7)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "+PONG\r\n" {
		return fmt.Errorf("redis answers %q, %v", b[:n], err)
	}
	return nil
}

// Redis returns the URL of an empty database of a private Redis server without persistence, started once for this
// process and gone with it.
func Redis(t testing.TB) string {
	t.Helper()
	s, err := startRedis()
	if err != nil {
		t.Fatalf("Redis: %v", err)
	}
	return fmt.Sprintf("redis://127.0.0.1:%s/%d", s.port, redisDatabases.Add(1)%4096)
}
