package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
)

// passwordFlags say where a password comes from.
type passwordFlags struct {
	Generate bool `xor:"password" help:"Make up a password and print it this once."`
	Stdin    bool `name:"password-stdin" xor:"password" help:"Read the password from standard input."`
}

// get returns a password, and whether it was made up and so has to be printed.
func (f passwordFlags) get(t *terminal) (password string, made bool, err error) {
	if !f.Stdin {
		password, err = madePassword()
		return password, true, err
	}
	raw, err := readAllLimited(t.in, 8<<10)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", false, fmt.Errorf("password: %w", err)
	}
	password, _, _ = strings.Cut(string(raw), "\n")
	if password = strings.TrimSuffix(password, "\r"); password == "" {
		return "", false, usage("no password on standard input")
	}
	return password, false, nil
}

const passwordAlphabet = "abcdefghjkmnpqrstvwxyz23456789" // none that look alike

// madePassword returns a password of 20 characters and 97 bits, in groups that can be read out.
func madePassword() (string, error) {
	var b strings.Builder
	one := make([]byte, 1)
	for n := 0; n < 20; {
		if _, err := io.ReadFull(random, one); err != nil {
			return "", fmt.Errorf("no randomness: %w", err)
		}
		if int(one[0]) >= 256-256%len(passwordAlphabet) {
			continue // no character is likelier than another
		}
		if n > 0 && n%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(passwordAlphabet[int(one[0])%len(passwordAlphabet)])
		n++
	}
	return b.String(), nil
}

type userPasswordCmd struct {
	configFlags
	outputFlags
	passwordFlags
	User string `arg:"" help:"Username, e-mail address or ID."`
}

func (c userPasswordCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		u, err := h.findUser(ctx, c.User)
		if err != nil {
			return err
		}
		password, made, err := c.get(t)
		if err != nil {
			return err
		}
		people, err := h.thePeople(ctx)
		if err != nil {
			return err
		}
		if u, err = people.SetPassword(ctx, u, password); err != nil {
			return plainUserError(err)
		}
		if err := h.endSessions(ctx, u.ID, "password_changed"); err != nil {
			return err
		}
		m := map[string]string{"username": u.Username}
		out := table{rows: [][]string{{"username", u.Username}}, json: m}
		if made {
			m["password"] = password
			out.add("password", password)
		}
		return c.print(t.out, out)
	})
}

type userTOTPCmd struct {
	configFlags
	outputFlags
	User string `arg:"" help:"Username, e-mail address or ID."`
	New  bool   `help:"Give them a new secret and print it this once."`
}

func (c userTOTPCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		u, err := h.findUser(ctx, c.User)
		if err != nil {
			return err
		}
		people, err := h.thePeople(ctx)
		if err != nil {
			return err
		}
		m := map[string]string{"username": u.Username}
		out := table{rows: [][]string{{"username", u.Username}}, json: m}
		if c.New {
			secret := make([]byte, authn.MinTOTPSecret)
			if _, err := io.ReadFull(random, secret); err != nil {
				return fmt.Errorf("no randomness: %w", err)
			}
			if _, err := people.EnrolTOTP(ctx, u, secret); err != nil {
				return err
			}
			m["totp_secret"] = encodeTOTP(secret)
			out.add("totp_secret", m["totp_secret"])
		} else {
			if err := h.record(ctx, audit.Event{Type: "otp.removed", User: u.ID}); err != nil {
				return err
			}
			u.TOTP, u.UpdatedAt = nil, clock().UTC()
			if err := h.db.PutUser(ctx, u); err != nil {
				return err
			}
		}
		if err := h.endSessions(ctx, u.ID, "factor_changed"); err != nil {
			return err
		}
		return c.print(t.out, out)
	})
}
