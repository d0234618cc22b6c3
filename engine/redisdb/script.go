package redisdb

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// script is a Lua script, known to Redis by its SHA-1.
type script struct{ source, sum string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source)) // the name that EVALSHA wants, no secret
	return script{source, hex.EncodeToString(sum[:])}
}

// once is a command that the client must not send again after a failure.
type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }

// run runs s on one key. Redis answers NOSCRIPT before it has done anything, so sending the source then is safe.
func (d *DB) run(ctx context.Context, s script, key string, args ...any) (any, error) {
	send := func(name, what string) (any, error) {
		cmd := redis.NewCmd(ctx, append([]any{name, what, 1, key}, args...)...)
		_ = d.client.Process(ctx, once{cmd})
		return cmd.Result()
	}
	v, err := send("evalsha", s.sum)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		v, err = send("eval", s.source)
	}
	if err != nil && err != redis.Nil {
		return nil, fmt.Errorf("redisdb: %w", err)
	}
	return v, err
}
