package redisdb

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-id/postern/store"
)

// benchmark runs op from 64 callers, as a busy server does; i is a number of its own for every call.
func benchmark(b *testing.B, op func(d *DB, i int64) error) {
	d := open(b, time.Now)
	var serial atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := op(d, serial.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkPut(b *testing.B) {
	v := make([]byte, 512)
	benchmark(b, func(d *DB, i int64) error {
		return d.Put(b.Context(), store.KeyOf("bench", fmt.Sprint(i)), v, time.Now().Add(time.Minute))
	})
}

func BenchmarkPutTake(b *testing.B) {
	v := make([]byte, 512)
	benchmark(b, func(d *DB, i int64) error {
		k := store.KeyOf("bench", fmt.Sprint(i))
		if err := d.Put(b.Context(), k, v, time.Now().Add(time.Minute)); err != nil {
			return err
		}
		_, err := d.Take(b.Context(), k)
		return err
	})
}

func BenchmarkGet(b *testing.B) {
	k := store.KeyOf("bench", "one")
	benchmark(b, func(d *DB, i int64) error {
		if i == 1 {
			return d.Put(b.Context(), k, make([]byte, 512), time.Now().Add(time.Minute))
		}
		_, err := d.Get(b.Context(), k)
		if err == store.ErrNotFound {
			return nil
		}
		return err
	})
}

func BenchmarkAdd(b *testing.B) {
	benchmark(b, func(d *DB, i int64) error {
		_, err := d.Add(b.Context(), fmt.Sprint(i%1000), 1, time.Minute)
		return err
	})
}
