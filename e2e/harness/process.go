package harness

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// launch runs the process and waits until it is ready.
func (s *Server) launch(bin string) error {
	cmd := exec.Command(bin, s.args...)
	cmd.Dir, cmd.Stderr, cmd.Env = s.dir, s.log, slices.Concat(environ(), s.conf, s.opt.Env)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.ended = cmd, make(chan error, 1)
	first := make(chan []byte, 1)
	go func() {
		r := bufio.NewReader(stdout)
		line, _ := r.ReadBytes('\n')
		first <- line
		_, _ = io.Copy(s.log, r)
		s.ended <- cmd.Wait()
	}()
	if err := s.ready(first); err != nil {
		s.Kill()
		return err
	}
	s.Took = time.Since(begun)
	return nil
}

func (s *Server) ready(first <-chan []byte) error {
	limit := time.Now().Add(readyWithin)
	if s.opt.Dev {
		select {
		case line := <-first:
			return s.announced(line)
		case <-time.After(readyWithin):
			return fmt.Errorf("the server did not announce itself:\n%s", s.Log())
		}
	}
	c := s.Client("")
	for {
		select {
		case line := <-first: // standard output closes when it ends
			return fmt.Errorf("the server ended: %s\n%s", line, s.Log())
		default:
		}
		resp, err := c.Get(s.Management + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		if time.Now().After(limit) {
			return fmt.Errorf("the server is not ready: %v\n%s", err, s.Log())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (s *Server) announced(line []byte) error {
	var a struct {
		Ready                      bool
		Issuer, Wallet, Management string
		Resource                   string
		User                       struct {
			Username, Email, Password string
			Secret                    string `json:"totp_secret"`
		}
		Client struct {
			ID       string `json:"client_id"`
			Redirect string `json:"redirect_uri"`
		}
		API struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
	}
	if err := json.Unmarshal(line, &a); err != nil || !a.Ready {
		return fmt.Errorf("the server did not announce itself: %q\n%s", line, s.Log())
	}
	s.Issuer, s.Management, s.Wallet = a.Issuer, a.Management, a.Wallet
	s.Demo = Demo{Username: a.User.Username, Email: a.User.Email, Password: a.User.Password, TOTPSecret: a.User.Secret,
		ClientID: a.Client.ID, RedirectURI: a.Client.Redirect, APIClientID: a.API.ID, APISecret: a.API.Secret, Resource: a.Resource}
	return nil
}

// freePorts returns n ports that are free at this moment.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at the end, so that they differ
		_, port, _ := net.SplitHostPort(l.Addr().String())
		out = append(out, port)
	}
	return out, nil
}

// logBuffer is a buffer that two goroutines may use.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
