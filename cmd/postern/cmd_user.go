package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

type userCmd struct {
	List        userListCmd     `cmd:"" help:"List the users."`
	Show        userShowCmd     `cmd:"" help:"Show one user and what they can sign in with."`
	Create      userCreateCmd   `cmd:"" help:"Create a user; the password is read from standard input or made up."`
	Update      userUpdateCmd   `cmd:"" help:"Change a user's profile, or disable or enable them."`
	SetPassword userPasswordCmd `cmd:"" name:"set-password" help:"Give a user a new password and end their sessions."`
	ResetTOTP   userTOTPCmd     `cmd:"" name:"reset-totp" help:"Remove a user's authenticator app, or give them a new one."`
	Delete      userDeleteCmd   `cmd:"" help:"Delete a user with all that is theirs, except the audit trail."`
}

const pageOfUsers = 500

// shownUser is a user as commands show one: never a hash or a sealed secret.
type shownUser struct {
	authn.User
	Password bool `json:"has_password"`
	TOTP     bool `json:"has_totp"`
}

func shown(u authn.User) shownUser { return shownUser{u, u.PasswordHash != "", len(u.TOTP) > 0} }

func (u shownUser) factors() string {
	var list []string
	if u.Password {
		list = append(list, "password")
	}
	if u.TOTP {
		list = append(list, "totp")
	}
	return dash(strings.Join(list, " "))
}

func (u shownUser) state() string {
	if u.Disabled {
		return "disabled"
	}
	return "enabled"
}

type userListCmd struct {
	configFlags
	outputFlags
	Limit int `default:"1000" help:"The most users to list."`
}

func (c userListCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		out := table{head: []string{"USERNAME", "EMAIL", "FACTORS", "STATE", "CREATED", "ID"}}
		list := []shownUser{}
		for after := ident.UserID(""); len(list) < c.Limit; {
			page, err := h.db.Users(ctx, after, min(pageOfUsers, c.Limit-len(list)))
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			for _, u := range page {
				s := shown(u)
				out.add(u.Username, dash(u.Email), s.factors(), s.state(), date(u.CreatedAt), string(u.ID))
				list = append(list, s)
				after = u.ID
			}
		}
		out.json = list
		return c.print(t.out, out)
	})
}

func userTable(u authn.User) table {
	s := shown(u)
	out := table{json: s}
	out.add("id", string(u.ID))
	out.add("username", u.Username)
	out.add("email", dash(u.Email))
	out.add("email_verified", fmt.Sprint(u.EmailVerified))
	out.add("factors", s.factors())
	out.add("state", s.state())
	out.add("created", date(u.CreatedAt))
	out.add("updated", date(u.UpdatedAt))
	for _, name := range profileClaims {
		if v, ok := u.Claims[name]; ok {
			out.add(name, jsonWords(v))
		}
	}
	return out
}

type userShowCmd struct {
	configFlags
	outputFlags
	User string `arg:"" help:"Username, e-mail address or ID."`
}

func (c userShowCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		u, err := h.findUser(ctx, c.User)
		if err != nil {
			return err
		}
		return c.print(t.out, userTable(u))
	})
}

// profileFlags set what a person is called.
type profileFlags struct {
	Email         string   `help:"E-mail address."`
	EmailVerified bool     `help:"The address is known to be theirs."`
	Claim         []string `sep:"none" placeholder:"NAME=VALUE" help:"A claim of OpenID Connect, for example --claim 'name=Ann Lee'; NAME= removes it. May be repeated."`
}

func (f profileFlags) set(u *authn.User) error {
	if f.Email != "" {
		if a, err := mail.ParseAddress(f.Email); err != nil || a.Address != f.Email {
			return usage("--email %q is not an e-mail address", f.Email)
		}
		u.EmailVerified = u.EmailVerified && u.Email == f.Email
		u.Email = f.Email
	}
	u.EmailVerified = u.EmailVerified || f.EmailVerified
	parsed := seedUser{user: authn.User{Claims: map[string]json.RawMessage{}}}
	for _, set := range f.Claim {
		name, v, ok := strings.Cut(set, "=")
		if !ok {
			return usage("--claim %s: must be NAME=VALUE", set)
		}
		if v == "" {
			delete(u.Claims, name)
			continue
		}
		var value any = v
		if name == "address" || name == "phone_number_verified" {
			_ = json.Unmarshal([]byte(v), &value)
		}
		if err := parsed.setClaim(name, value); err != nil {
			return usage("--claim %s: %v", name, err)
		}
		if u.Claims == nil {
			u.Claims = map[string]json.RawMessage{}
		}
		u.Claims[name] = parsed.user.Claims[name]
	}
	return nil
}

type userCreateCmd struct {
	configFlags
	outputFlags
	profileFlags
	passwordFlags
	Username   string `arg:"" help:"What they sign in with."`
	NoPassword bool   `xor:"password" help:"Without a password."`
}

func (c userCreateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		if authn.NormalizeIdentifier(c.Username) == "" {
			return usage("%q cannot be a username", c.Username)
		}
		if _, err := h.db.UserByIdentifier(ctx, authn.NormalizeIdentifier(c.Username)); err == nil {
			return fmt.Errorf("there is a user %q already", c.Username)
		}
		id, err := randomText(16)
		if err != nil {
			return err
		}
		u := authn.User{ID: ident.UserID(id), Username: c.Username, CreatedAt: clock().UTC()}
		if err := c.profileFlags.set(&u); err != nil {
			return err
		}
		var password string
		made := false
		if !c.NoPassword {
			if password, made, err = c.passwordFlags.get(t); err != nil {
				return err
			}
		}
		if u, err = h.createUser(ctx, u, password); err != nil {
			return err
		}
		out := userTable(u)
		if made {
			out.add("password", password)
			out.json = struct {
				shownUser
				Made string `json:"password"`
			}{shown(u), password}
		}
		return c.print(t.out, out)
	})
}

// createUser stores a new person, with a password unless it is "".
func (h *house) createUser(ctx context.Context, u authn.User, password string) (authn.User, error) {
	people, err := h.thePeople(ctx)
	if err != nil {
		return u, err
	}
	if err := h.record(ctx, audit.Event{Type: "user.created", User: u.ID}); err != nil {
		return u, err
	}
	if password != "" {
		u, err = people.SetPassword(ctx, u, password)
	} else {
		u.UpdatedAt = u.CreatedAt
		err = h.db.PutUser(ctx, u)
	}
	return u, plainUserError(err)
}

func plainUserError(err error) error {
	var weak authn.WeakPassword
	switch {
	case errors.As(err, &weak):
		return fmt.Errorf("the password is refused: %s", weakWords(weak))
	case errors.Is(err, store.ErrExists):
		return errors.New("another user has this username or e-mail address")
	}
	return err
}

type userUpdateCmd struct {
	configFlags
	outputFlags
	profileFlags
	User     string `arg:"" help:"Username, e-mail address or ID."`
	Username string `help:"A new username."`
	Disable  bool   `xor:"state" help:"Let them sign in no more, and end all their sessions."`
	Enable   bool   `xor:"state" help:"Let them sign in again."`
}

func (c userUpdateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		u, err := h.findUser(ctx, c.User)
		if err != nil {
			return err
		}
		if err := c.profileFlags.set(&u); err != nil {
			return err
		}
		if c.Username != "" {
			if authn.NormalizeIdentifier(c.Username) == "" {
				return usage("%q cannot be a username", c.Username)
			}
			u.Username = c.Username
		}
		typ := "user.updated"
		if c.Disable {
			u.Disabled, typ = true, "user.disabled"
		} else if c.Enable {
			u.Disabled, typ = false, "user.enabled"
		}
		if err := h.record(ctx, audit.Event{Type: typ, User: u.ID}); err != nil {
			return err
		}
		u.UpdatedAt = clock().UTC()
		if err := h.db.PutUser(ctx, u); err != nil {
			return plainUserError(err)
		}
		if c.Disable {
			if err := h.endSessions(ctx, u.ID, "user_disabled"); err != nil {
				return err
			}
		}
		return c.print(t.out, userTable(u))
	})
}

type userDeleteCmd struct {
	configFlags
	User string `arg:"" help:"Username, e-mail address or ID."`
}

func (c userDeleteCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		u, err := h.findUser(ctx, c.User)
		if err != nil {
			return err
		}
		if err := h.endSessions(ctx, u.ID, "user_deleted"); err != nil {
			return err
		}
		if err := h.record(ctx, audit.Event{Type: "user.deleted", User: u.ID}); err != nil {
			return err
		}
		if err := h.db.DeleteUser(ctx, u.ID); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "deleted user", u.Username)
		return nil
	})
}
