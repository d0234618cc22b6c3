package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/postern-id/postern/verify"
)

// beside starts another node on the same data, with ports of its own, and returns its address.
func (s *server) beside(ctx context.Context, o options) (string, error) {
	public, err := freePort()
	if err != nil {
		return "", err
	}
	private, err := freePort()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(o.bin, append(append([]string{"serve"}, s.sets...), "--set", "listen.address="+public, "--set", "management.address="+private)...)
	cmd.Env = s.env
	if err := cmd.Start(); err != nil {
		return "", err
	}
	s.others = append(s.others, cmd)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		if res, err := http.Get("http://" + public + "/healthz"); err == nil {
			res.Body.Close()
			return public, nil
		}
	}
	return "", errors.New("the second node did not answer")
}

// stopOthers ends the other nodes.
func (s *server) stopOthers() {
	for _, cmd := range s.others {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}

// revoked measures how long it takes from the answer to a revocation at one node until a resource server that follows
// another node refuses the token. One at a time: what is measured is the way, not the load.
func (w *world) revoked(ctx context.Context, o options, n int) (string, error) {
	second, err := w.s.beside(ctx, o)
	if err != nil {
		return "", err
	}
	var d net.Dialer
	there := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, second)
	}}
	defer there.CloseIdleConnections()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rs, err := verify.NewResourceServer(ctx, w.s.issuer, verify.Audience("https://api.example"), verify.HTTPClient(&http.Client{Transport: there}),
		verify.FollowRevocations(ctx, "jwt", "bench-secret"))
	if err != nil {
		return "", err
	}
	for deadline := time.Now().Add(5 * time.Second); !rs.Following(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return "", errors.New("the resource server never knew all revocations")
		}
	}
	var took []time.Duration
	for range n {
		t, err := w.post(ctx, "jwt", "/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"api:read"}})
		if err != nil {
			return "", err
		}
		if _, err := rs.Verify(ctx, t.Access); err != nil {
			return "", err
		}
		if err := w.revoke(ctx, "jwt", t.Access); err != nil {
			return "", err
		}
		begun := time.Now()
		for {
			_, err := rs.Verify(ctx, t.Access)
			if errors.Is(err, verify.ErrInvalid) {
				break
			}
			if err != nil || time.Since(begun) > 10*time.Second {
				return "", fmt.Errorf("let in after %v: %w", time.Since(begun), err)
			}
			time.Sleep(200 * time.Microsecond)
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	at := func(q float64) time.Duration {
		return took[min(len(took)-1, int(q*float64(len(took))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("revoked at one node, refused by a follower of the other: p50 %v, p95 %v, p99 %v, worst %v of %d", at(.5), at(.95), at(.99), took[len(took)-1].Round(10*time.Microsecond), n), nil
}

// revoke gives a token of client back.
func (w *world) revoke(ctx context.Context, client, token string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.s.issuer+"/revoke", strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(client, "bench-secret")
	res, err := w.client.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("revocation: status %d", res.StatusCode)
	}
	return nil
}
