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
	"syscall"
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
	var err error
	if s.port, err = freePort(); err != nil {
		return err
	}
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

// freePort returns a port of the loopback that nobody listens on at this moment.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
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
