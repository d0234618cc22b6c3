package redisdb

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxCounterKey bounds the key of a counter, in bytes.
const MaxCounterKey = 1024

// addScript keeps the end of the window in field e and the total in n. ARGV are now, the end of a window that begins
// now, how long Redis keeps that, the number to add. Adding 0 to what is not there leaves nothing behind.
var addScript = newScript(`
local e = redis.call('HGET', KEYS[1], 'e')
if not e or tonumber(e) <= tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
  if ARGV[4] == '0' then return 0 end
  redis.call('HSET', KEYS[1], 'e', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return redis.call('HINCRBY', KEYS[1], 'n', ARGV[4])`)

// Add implements store.Counters. Totals are exact up to 2^53.
func (d *DB) Add(ctx context.Context, key string, n int64, window time.Duration) (int64, error) {
	switch {
	case len(key) > MaxCounterKey:
		return 0, fmt.Errorf("redisdb: a counter key of %d bytes, over the limit of %d", len(key), MaxCounterKey)
	case window <= 0:
		return 0, errors.New("redisdb: a window must last")
	}
	now := d.now()
	v, err := d.run(ctx, addScript, d.prefix+"c:"+key, micros(now), micros(now.Add(window)), millis(window), n)
	if err != nil {
		return 0, err
	}
	total, ok := v.(int64)
	if !ok {
		return 0, fmt.Errorf("redisdb: Add answered %T", v)
	}
	return total, nil
}
