package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
	"unicode"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	file := os.Getenv("APPROVER_KEY")
	if file == "" {
		file = "approver.key"
	}
	if err := run(ctx, os.Stdout, file, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "approver:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: approver enrol URL [CODE] [NAME] | watch [SECONDS] | approve HANDLE NUMBER | deny HANDLE [not_me|cancel] | push ENDPOINT P256DH AUTH | remove")

func run(ctx context.Context, out io.Writer, file string, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	if args[0] == "enrol" {
		return enrol(ctx, out, file, args[1:])
	}
	c, err := load(file)
	if err != nil {
		return err
	}
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch {
	case args[0] == "watch":
		return watch(ctx, out, c, arg(1))
	case args[0] == "approve" && len(args) >= 2:
		err = c.approve(ctx, args[1], arg(2))
	case args[0] == "deny" && len(args) >= 2:
		err = c.deny(ctx, args[1], arg(2))
	case args[0] == "push":
		err = c.push(ctx, arg(1), arg(2), arg(3))
	case args[0] == "remove":
		if err = c.remove(ctx); err == nil {
			err = os.Remove(file)
		}
	default:
		return errUsage
	}
	if err == nil {
		fmt.Fprintln(out, "done")
	}
	return err
}

// enrol takes the address and the code apart, or the link of the QR code, which is both.
func enrol(ctx context.Context, out io.Writer, file string, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	issuer, code, linked := strings.Cut(args[0], "#")
	rest := args[1:]
	if linked {
		issuer = strings.TrimSuffix(issuer, "/approver")
	} else if len(rest) > 0 {
		code, rest = rest[0], rest[1:]
	}
	if code == "" {
		return errUsage
	}
	if _, err := os.Stat(file); err == nil {
		return fmt.Errorf("%s is there already: run 'approver remove' first", file)
	}
	c, err := fresh(issuer)
	if err != nil {
		return err
	}
	name, err := os.Hostname()
	if len(rest) > 0 || err != nil {
		name = strings.Join(rest, " ")
	}
	if err := c.enrol(ctx, code, name); err != nil {
		return err
	}
	fmt.Fprintln(out, "enrolled as", c.ID)
	return c.save(file)
}

// watch shows what waits until it is interrupted, each request once.
func watch(ctx context.Context, out io.Writer, c *client, seconds string) error {
	every := 2 * time.Second
	if n, err := strconv.Atoi(seconds); err == nil && n > 0 {
		every = time.Duration(n) * time.Second
	}
	seen := map[string]bool{}
	for {
		list, err := c.waiting(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, q := range list {
			if h := q.text("handle"); !seen[h] {
				seen[h] = true
				show(out, q)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

// show prints all that is signed, as a person reads it: what strangers wrote cannot move the cursor.
func show(out io.Writer, q question) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "  %-9s %s\n", name, strings.Map(func(r rune) rune {
				if unicode.IsPrint(r) {
					return r
				}
				return '·'
			}, value))
		}
	}
	fmt.Fprintln(out, "Is this you?")
	line("app", strings.TrimSpace(q.text("app")+"  "+q.text("host")))
	line("message", q.text("text"))
	line("amount", strings.TrimSpace(q.text("amount")+" "+q.text("currency")))
	line("to", q.text("payee"))
	line("allows", q.text("scope"))
	line("at", q.text("resource"))
	line("device", q.text("agent"))
	place := q.text("country")
	if q.NewPlace {
		place += " (new)"
	}
	line("where", place)
	line("asked", q.text("asked"))
	line("until", q.Expires.Format(time.RFC3339))
	if q.Compare {
		line("compare", q.text("number"))
		fmt.Fprintf(out, "  approve %s   or   deny %s\n", q.text("handle"), q.text("handle"))
		return
	}
	fmt.Fprintf(out, "  approve %s NUMBER (%d digits, from the other screen)   or   deny %s\n", q.text("handle"), q.Digits, q.text("handle"))
}
