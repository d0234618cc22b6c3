// Command bench loads a Postern of its own on loopback and prints, for each operation of the protocol, operations per
// second, latencies, and what it cost: CPU of the server process (and of PostgreSQL) an operation. It starts the server,
// declares its own clients and people, and stops by itself.
//
//	go run ./bench -bin bin/postern -engine sqlite -n 20000 -c 32
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

type options struct {
	bin, engine, dsn, only string
	redis                  string
	n, c, revoked          int
	rounds                 int
}

func main() {
	var o options
	flag.StringVar(&o.bin, "bin", "bin/postern", "the server's binary")
	flag.StringVar(&o.engine, "engine", "memory", "memory, sqlite (a file, durable) or postgres")
	flag.StringVar(&o.dsn, "dsn", "", "of a PostgreSQL on loopback, for -engine postgres")
	flag.StringVar(&o.redis, "redis", "", "URL of a Redis on loopback")
	flag.IntVar(&o.revoked, "revoked", 0, "instead of all else: so many revocations at one node, and how soon a resource server that follows another refuses (-engine postgres)")
	flag.StringVar(&o.only, "only", "", "operations to run, separated by commas; default all")
	flag.IntVar(&o.n, "n", 10_000, "operations a row")
	flag.IntVar(&o.c, "c", 32, "in flight at once")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds; the median of each figure is printed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "postern-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := startServer(ctx, o, dir)
	if err != nil {
		return err
	}
	defer s.stop()
	w := newWorld(s, o.c)
	if err := w.signIn(ctx); err != nil {
		return err
	}
	if o.revoked > 0 {
		line, err := w.revoked(ctx, o, o.revoked)
		if err == nil {
			fmt.Println(line)
		}
		return err
	}
	fmt.Printf("engine %s, %d in flight, %d operations a row, median of %d rounds; ready in %s, resident %d MB when idle\n\n",
		o.engine, o.c, o.n, o.rounds, s.ready.Round(time.Millisecond), s.idleMB)
	fmt.Println("| operation | op/s | p50 ms | p95 ms | p99 ms | CPU ms/op server | database | failed |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, op := range w.operations() {
		if o.only != "" && !contains(strings.Split(o.only, ","), op.name) {
			continue
		}
		var rows []figures
		for range o.rounds {
			f, err := measure(ctx, s, op, o.n, o.c)
			if err != nil {
				return fmt.Errorf("%s: %w", op.name, err)
			}
			rows = append(rows, f)
		}
		fmt.Println(median(rows).row(op.name))
	}
	fmt.Printf("\nresident %d MB after the load\n", s.residentMB())
	return nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
