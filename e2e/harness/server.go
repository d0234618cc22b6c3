package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options of a server under test.
type Options struct {
	Engine string            // Memory (the default), SQLite, Postgres or PostgresRedis
	Seed   string            // a seed file, in YAML or JSON; see Cast
	Config map[string]string // settings by path, as `--set` takes them; not with Dev
	TLS    bool              // https with a certificate of its own, which Server.Transport trusts; not with Dev
	Dev    bool              // `postern dev` instead of `postern serve`; Memory and SQLite only, and Memory implies it
	Dir    string            // where its files are; default: t.TempDir()
	Env    []string          // further environment of its process, such as SSL_CERT_FILE=path
}

// The engines.
const (
	Memory        = "sqlite-memory"
	SQLite        = "sqlite"
	Postgres      = "postgres"
	PostgresRedis = "postgres+redis"
)

// Engines lists all of them.
var Engines = []string{Memory, SQLite, Postgres, PostgresRedis}

// Server is a running server. Its process ends with the test.
type Server struct {
	Issuer     string
	Management string
	Wallet     string          // Dev only
	Demo       Demo            // Dev only
	Took       time.Duration   // from exec to ready, at the last start
	Transport  *http.Transport // trusts the server's certificate; safe for concurrent use

	t     testing.TB
	opt   Options
	dir   string
	args  []string // of the process
	conf  []string // the environment that chooses the configuration; nil where no command can reach the data
	log   *logBuffer
	cmd   *exec.Cmd
	ended chan error
}

// Demo is whom `postern dev` announces.
type Demo struct {
	Username, Email, Password, TOTPSecret string
	ClientID, RedirectURI                 string // the wallet
	APIClientID, APISecret, Resource      string
}

// readyWithin bounds a start; machines that also do other things are slow.
const readyWithin = 30 * time.Second

// Start starts a server and waits until it is ready. At the end of t it is killed, and t fails if its log tells of a
// panic or a data race.
func Start(t testing.TB, opt Options) *Server {
	t.Helper()
	if opt.Engine == "" {
		opt.Engine = Memory
	}
	opt.Dev = opt.Dev || opt.Engine == Memory
	s := &Server{t: t, opt: opt, dir: opt.Dir, log: &logBuffer{}, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	bin := Binary(t)
	var err error
	for range 3 { // a free port may be gone before the server listens on it
		if opt.Dev {
			err = s.prepareDev()
		} else {
			err = s.prepareServe()
		}
		if err != nil {
			t.Fatal(err)
		}
		if err = s.launch(bin); err == nil || !strings.Contains(err.Error(), "in use") {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.finish)
	return s
}

func (s *Server) finish() {
	s.Transport.CloseIdleConnections()
	if Race() && s.cmd != nil {
		s.Stop()
	}
	s.Kill()
	for _, word := range []string{"DATA RACE", "panic"} {
		if strings.Contains(s.Log(), word) {
			s.t.Errorf("the server's log holds %q:\n%s", word, s.Log())
		}
	}
}

// Restart starts the server again on the same data and, unless it is Dev, on the same ports.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.launch(Binary(s.t)); err != nil {
		s.t.Fatal(err)
	}
}

// Kill ends the process at once, as a power cut would (SIGKILL). It may have ended before.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// Stop asks the process to end (SIGTERM) and returns what it ended with.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.ended:
		s.cmd = nil
		return err
	case <-time.After(20 * time.Second):
		s.Kill()
		return errors.New("the server does not end")
	}
}

// PID is the process of the server.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Log is what the server wrote so far, over all its starts: its log lines and whatever else came out.
func (s *Server) Log() string { return s.log.String() }

// Command runs a command of the operator on the same data, such as ("keys", "rotate"), and returns what it printed to
// standard output; the error carries its exit code and what it complained of. There is none for Memory.
func (s *Server) Command(args ...string) (string, error) { return s.CommandWith("", args...) }

// CommandWith is Command with something on standard input.
func (s *Server) CommandWith(stdin string, args ...string) (string, error) {
	if s.conf == nil {
		return "", errors.New("no command can reach the data of this server")
	}
	cmd := exec.Command(Binary(s.t), args...)
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir = strings.NewReader(stdin), &out, &complaint, s.dir
	cmd.Env = append(environ(), s.conf...)
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("postern %s: %w\n%s", strings.Join(args, " "), err, complaint.String())
	}
	return out.String(), nil
}

// Client returns a client for programs: no cookies, no redirection followed, ip as the address that it comes from (only a
// server of `serve` believes it; "" for the peer's).
func (s *Server) Client(ip string) *http.Client {
	return &http.Client{Transport: from{s.Transport, ip}, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// from puts the address that a reverse proxy would report into every request.
type from struct {
	base http.RoundTripper
	ip   string
}

func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.ip != "" {
		r = r.Clone(r.Context())
		r.Header.Set("X-Forwarded-For", f.ip)
	}
	return f.base.RoundTrip(r)
}

// write puts a file into the server's directory.
func (s *Server) write(name, content string) (string, error) {
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}

// Metrics is the body of /metrics.
func (s *Server) Metrics() (string, error) {
	resp, err := s.Client("").Get(s.Management + "/metrics")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// URL is an address below the issuer.
func (s *Server) URL(path string, query url.Values) string {
	u := s.Issuer + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}
