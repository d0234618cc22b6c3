package redisdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Publish sends payload, which must not be empty, to everyone subscribed to topic on any node.
func (d *DB) Publish(ctx context.Context, topic string, payload []byte) error {
	if len(payload) == 0 {
		return errors.New("redisdb: an empty message")
	}
	if err := d.client.Publish(ctx, d.prefix+topic, payload).Err(); err != nil {
		return fmt.Errorf("redisdb: %w", err)
	}
	return nil
}

// Subscribe calls receive with every message of topic, one after the other, until ctx ends; it returns as soon as
// the subscription stands. A lost connection is made again by itself; messages sent meanwhile are lost, so receive
// is then called with nil: whoever keeps a copy of something must read it anew.
func (d *DB) Subscribe(ctx context.Context, topic string, receive func(payload []byte)) error {
	sub := d.client.Subscribe(ctx, d.prefix+topic)
	if _, err := sub.Receive(ctx); err != nil {
		sub.Close()
		return fmt.Errorf("redisdb: %w", err)
	}
	messages := sub.ChannelWithSubscriptions()
	go func() {
		defer sub.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case m, ok := <-messages:
				if !ok {
					return
				}
				switch m := m.(type) {
				case *redis.Message:
					receive([]byte(m.Payload))
				case *redis.Subscription:
					receive(nil)
				}
			}
		}
	}()
	return nil
}
