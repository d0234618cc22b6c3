package redisdb

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/postern-id/postern/store"
)

// A stored value is one string: "0" or, once taken, "1"; the expiry in 16 digits of microseconds; the value.
const header = 1 + 16

// putScript: ARGV are now, the stored form, how long Redis keeps it ("" where it has expired already).
var putScript = newScript(`
local cur = redis.call('GET', KEYS[1])
if cur and tonumber(string.sub(cur, 2, 17)) > tonumber(ARGV[1]) then return 0 end
if ARGV[3] ~= '' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`)

// swapScript: ARGV are now, the old value, the new value.
var swapScript = newScript(`
local cur = redis.call('GET', KEYS[1])
if not cur or tonumber(string.sub(cur, 2, 17)) <= tonumber(ARGV[1]) then return 0 end
if string.sub(cur, 1, 1) ~= '0' or string.sub(cur, 18) ~= ARGV[2] then return 1 end
redis.call('SET', KEYS[1], string.sub(cur, 1, 17) .. ARGV[3], 'KEEPTTL')
return 2`)

// takeScript: ARGV is now. It returns the stored form from before the taking.
var takeScript = newScript(`
local cur = redis.call('GET', KEYS[1])
if not cur or tonumber(string.sub(cur, 2, 17)) <= tonumber(ARGV[1]) then return false end
if string.sub(cur, 1, 1) == '0' then redis.call('SETRANGE', KEYS[1], 0, '1') end
return cur`)

// Put implements store.Ephemeral.
func (d *DB) Put(ctx context.Context, k store.Key, v []byte, exp time.Time) error {
	if len(v) > store.MaxValue {
		return fmt.Errorf("redisdb: a value of %d bytes, over the limit of %d", len(v), store.MaxValue)
	}
	now, keep := d.now(), ""
	if exp.After(now) {
		keep = millis(exp.Sub(now))
	}
	stored := make([]byte, 0, header+len(v))
	stored = append(append(append(stored, '0'), micros(exp)...), v...)
	switch done, err := d.run(ctx, putScript, d.key(k), micros(now), stored, keep); {
	case err != nil:
		return err
	case done != int64(1):
		return store.ErrExists
	}
	return nil
}

// Get implements store.Ephemeral.
func (d *DB) Get(ctx context.Context, k store.Key) ([]byte, error) {
	stored, err := d.client.Get(ctx, d.key(k)).Result()
	switch {
	case err == redis.Nil:
		return nil, store.ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("redisdb: %w", err)
	}
	return parse(stored, d.now())
}

// Swap implements store.Ephemeral.
func (d *DB) Swap(ctx context.Context, k store.Key, old, v []byte) error {
	if len(v) > store.MaxValue {
		return fmt.Errorf("redisdb: a value of %d bytes, over the limit of %d", len(v), store.MaxValue)
	}
	done, err := d.run(ctx, swapScript, d.key(k), micros(d.now()), nonNil(old), nonNil(v))
	switch {
	case err != nil:
		return err
	case done == int64(0):
		return store.ErrNotFound
	case done != int64(2):
		return store.ErrStale
	}
	return nil
}

// Take implements store.Ephemeral.
func (d *DB) Take(ctx context.Context, k store.Key) ([]byte, error) {
	now := d.now()
	v, err := d.run(ctx, takeScript, d.key(k), micros(now))
	switch {
	case errors.Is(err, redis.Nil):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, err
	}
	stored, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("redisdb: Take answered %T", v)
	}
	return parse(stored, now)
}

// parse returns the value of a stored form as Get and Take answer it. What is not a stored form is an error.
func parse(stored string, now time.Time) ([]byte, error) {
	if len(stored) < header || stored[0] != '0' && stored[0] != '1' {
		return nil, errMalformed
	}
	exp, err := strconv.ParseUint(stored[1:header], 10, 63)
	if err != nil {
		return nil, errMalformed
	}
	if now.UnixMicro() >= int64(exp) {
		return nil, store.ErrNotFound
	}
	if stored[0] == '1' {
		return []byte(stored[header:]), store.ErrTaken
	}
	return []byte(stored[header:]), nil
}

var errMalformed = errors.New("redisdb: a stored value is not ours")

// nonNil is b as the client can send it.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
