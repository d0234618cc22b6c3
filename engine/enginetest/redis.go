//go:build unix

package enginetest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var redisDatabases atomic.Int64

var startRedis = thrice(func() (*server, error) {
	return newRedis(func(s *server) error { return s.redis("PING", "+PONG") }, "--databases", "4096")
})

// startCluster starts a cluster of one node, which has all slots.
var startCluster = thrice(func() (*server, error) {
	bus, err := freePort()
	if err != nil {
		return nil, err
	}
	s, err := newRedis(func(s *server) error { return s.redis("PING", "+PONG") }, "--cluster-enabled", "yes", "--cluster-port", bus)
	if err != nil {
		return nil, err
	}
	if err := s.redis("CLUSTER ADDSLOTSRANGE 0 16383", "+OK"); err != nil {
		return nil, err
	}
	for range 200 { // the state follows the slots with a delay
		if err = s.redis("SET ready yes", "+OK"); err == nil {
			return s, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, err
})

func newRedis(probe func(*server) error, more ...string) (*server, error) {
	redis, err := find("redis-server")
	if err != nil {
		return nil, err
	}
	s, err := newServer("redis")
	if err != nil {
		return nil, err
	}
	err = s.start("TERM", func(port string) []string {
		return append([]string{redis, "--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no"}, more...)
	}, func() error { return probe(s) })
	return s, err
}

// redis sends one command and demands the answer.
func (s *server) redis(command, answer string) error {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+s.port)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := c.Write([]byte(command + "\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != answer {
		return fmt.Errorf("redis answers %s with %q, %v", command, line, err)
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

// RedisCluster returns the URL of a private Redis cluster of one node. A cluster has one database only: all callers
// share it.
func RedisCluster(t testing.TB) string {
	t.Helper()
	s, err := startCluster()
	if err != nil {
		t.Fatalf("Redis cluster: %v", err)
	}
	return fmt.Sprintf("redis://127.0.0.1:%s?addr=127.0.0.1:%s", s.port, s.port)
}
