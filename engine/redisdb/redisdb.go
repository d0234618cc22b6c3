// Package redisdb keeps what is short-lived in Redis, for installations of several nodes: single use, replay
// detection, counters, and the fan-out of messages to every node. It is the only importer of go-redis. It never
// keeps what must survive, and never answers from a guess: every failure is an error to the caller.
//
// One method is one script on one key, so that it is atomic and a cluster can run it. Scripts that change something
// are sent once and never again: had the answer to a Take been lost, sending it again would look like a replay.
//
// Expiry is judged by the clock of the node that asks, as the expiry of a token is; Redis itself removes a key
// only skew later. So a node whose clock is behind by less than that cannot be given a token whose trace is gone.
// Redis replicates asynchronously: a failover may forget the last instant, so the truth about grants and sessions
// stays in SQL.
package redisdb

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/postern-id/postern/store"
)

// skew is how far the clocks of two nodes may be apart: Redis keeps a key for so much longer.
const skew = 10 * time.Second

// Options says where Redis is.
type Options struct {
	// URL is redis://, rediss:// (TLS) or unix://, with further nodes of a cluster as addr=host:port in its query.
	URL string
	// Prefix stands before every key and topic, so that installations can share a server; "" means "postern:".
	Prefix string
	// Now tells the time; required.
	Now func() time.Time
}

// DB is a store.Ephemeral and a store.Counters in Redis, for concurrent use.
type DB struct {
	client redis.UniversalClient
	prefix string
	now    func() time.Time
}

var (
	_ store.Ephemeral = (*DB)(nil)
	_ store.Counters  = (*DB)(nil)
)

// silence keeps the driver from writing lines of its own: errors are returned, and the caller decides what to say.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

func init() { redis.SetLogger(silence{}) }

// Open connects to Redis and asks whether it may forget keys before their time: a server that evicts keys when
// its memory is full would forget that a code was used, and is refused.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Now == nil {
		return nil, errors.New("redisdb: no clock")
	}
	client, err := connect(o.URL)
	if err != nil {
		return nil, err
	}
	d := &DB{client: client, prefix: o.Prefix, now: o.Now}
	if d.prefix == "" {
		d.prefix = "postern:"
	}
	if err := d.refuseEviction(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return d, nil
}

// connect makes a client; nothing is sent yet. Errors never show the URL, which holds a password.
func connect(raw string) (redis.UniversalClient, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("redisdb: the URL cannot be parsed")
	}
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if u.Query().Has("addr") {
		o, err := redis.ParseClusterURL(raw)
		if err != nil {
			return nil, fmt.Errorf("redisdb: URL: %w", unquoted(err))
		}
		o.ContextTimeoutEnabled, o.DisableIdentity, o.MaintNotificationsConfig = true, true, quiet
		return redis.NewClusterClient(o), nil
	}
	o, err := redis.ParseURL(raw)
	if err != nil {
		return nil, fmt.Errorf("redisdb: URL: %w", unquoted(err))
	}
	o.ContextTimeoutEnabled, o.DisableIdentity, o.MaintNotificationsConfig = true, true, quiet
	return redis.NewClient(o), nil
}

// unquoted is err without the URL that it may quote.
func unquoted(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}

// refuseEviction asks every node that holds keys.
func (d *DB) refuseEviction(ctx context.Context) error {
	ask := func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx, "memory").Result()
		if err != nil {
			return fmt.Errorf("redisdb: INFO memory: %w", err)
		}
		if policy := field(info, "maxmemory_policy"); field(info, "maxmemory") != "0" && policy != "noeviction" {
			return fmt.Errorf("redisdb: maxmemory-policy is %q: Redis would forget used codes when its memory is full; set it to noeviction", policy)
		}
		return nil
	}
	switch c := d.client.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, ask)
	case *redis.Client:
		return ask(ctx, c)
	}
	return fmt.Errorf("redisdb: unknown client %T", d.client)
}

// field returns the value of a line name:value of INFO.
func field(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// Ping returns nil if Redis answers.
func (d *DB) Ping(ctx context.Context) error { return d.client.Ping(ctx).Err() }

// Close ends all connections.
func (d *DB) Close() error { return d.client.Close() }

// key is where k is kept.
func (d *DB) key(k store.Key) string {
	return d.prefix + "e:" + base64.RawURLEncoding.EncodeToString(k[:])
}

// micros is t as scripts and stored values have it: 16 digits, so that Lua's numbers hold it exactly and it has one width.
func micros(t time.Time) string {
	n := t.UnixMicro()
	if t.Before(time.UnixMicro(0)) {
		n = 0
	} else if t.After(time.UnixMicro(maxMicros)) {
		n = maxMicros
	}
	return fmt.Sprintf("%016d", n)
}

const maxMicros = 1<<53 - 1 // the year 2255

// millis is how long Redis keeps what expires after d, in milliseconds.
func millis(d time.Duration) string {
	const most = 20 * 365 * 24 * time.Hour
	return strconv.FormatInt((max(0, min(d, most)) + skew).Milliseconds(), 10)
}
