package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/store"
)

type keysCmd struct {
	List   keysListCmd   `cmd:"" help:"List the keys that sign, and those that clients encrypt to, and where they stand in their life."`
	JWKS   keysJWKSCmd   `cmd:"" name:"jwks" help:"Print the public keys as a JWK set, for example to verify checkpoints elsewhere."`
	Rotate keysRotateCmd `cmd:"" help:"Make the next key sign now; the one before stays published. With --use enc: publish the next key now; the one before still opens."`
	Retire keysRetireCmd `cmd:"" help:"Take a key out of use, but let it verify, or open, until all that was made with it has expired."`
	Revoke keysRevokeCmd `cmd:"" help:"Remove a compromised key at once: nothing that it signed verifies any more, nothing that was encrypted to it opens."`
}

type keysListCmd struct {
	configFlags
	outputFlags
}

func (c keysListCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		list, err := h.db.SigningKeys(ctx)
		if err != nil {
			return err
		}
		out := table{head: []string{"KEY", "USE", "ALG", "STATE", "CREATED", "ACTIVE SINCE", "RETIRED", "REMOVED FROM"}, json: shownKeys(list)}
		for _, k := range list {
			out.add(k.ID, k.Use, k.Alg, string(k.State), date(k.CreatedAt), date(k.ActiveAt), date(k.RetiredAt), date(k.RemoveAt))
		}
		return c.print(t.out, out)
	})
}

// shownKey is a key as commands show it, its public half as JSON instead of bytes.
type shownKey struct {
	keys.Record
	PublicJWK json.RawMessage `json:"public_jwk"`
}

func shownKeys(list []keys.Record) []shownKey {
	out := []shownKey{}
	for _, k := range list {
		out = append(out, shownKey{k, k.PublicJWK})
	}
	return out
}

type keysJWKSCmd struct {
	configFlags
	useFlag
}

func (c keysJWKSCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		ring, err := h.ring(ctx, c.Use)
		if err != nil {
			return err
		}
		set, _ := ring.JWKS()
		_, err = fmt.Fprintf(t.out, "%s\n", set)
		return err
	})
}

// useFlag chooses between the rings.
type useFlag struct {
	Use string `enum:"token,audit" default:"token" help:"token, or audit: the keys that sign checkpoints."`
}

type keysRotateCmd struct {
	configFlags
	Use string `enum:"token,audit,enc" default:"token" help:"token; audit: the keys that sign checkpoints; enc: those that clients encrypt to."`
	Alg string `help:"The algorithm whose key rotates; all of them if not given."`
}

func (c keysRotateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		ring, err := h.ring(ctx, c.Use)
		if err != nil {
			return err
		}
		algs, done := ring.Algs(), "%s now signs %s\n"
		if c.Use == "enc" {
			algs, done = ring.EncKinds(), "%s is now what clients encrypt to with %s\n"
		}
		switch {
		case len(algs) == 0:
			return errors.New("nobody encrypts to this server: see tokens.decryption")
		case c.Alg != "" && !slices.Contains(algs, c.Alg):
			return fmt.Errorf("there is no key for %q: there are those for %s", c.Alg, strings.Join(algs, " "))
		case c.Alg != "":
			algs = []string{c.Alg}
		}
		for _, alg := range algs {
			if err := h.record(ctx, audit.Event{Type: "key.rotated", Data: map[string]string{"alg": alg, "use": c.Use}}); err != nil {
				return err
			}
			if err := ring.Rotate(ctx, alg); err != nil {
				return err
			}
			for _, k := range ring.List() {
				if k.Alg == alg && k.State == keys.Active {
					fmt.Fprintf(t.out, done, k.ID, alg)
				}
			}
		}
		return nil
	})
}

type keysRetireCmd struct {
	configFlags
	KID string `arg:"" name:"kid" help:"The key's ID."`
}

func (c keysRetireCmd) Run(t *terminal) error {
	return c.change(t, c.KID, "key.retired", func(ctx context.Context, r *keys.Ring) error { return r.Retire(ctx, c.KID) })
}

type keysRevokeCmd struct {
	configFlags
	KID string `arg:"" name:"kid" help:"The key's ID."`
}

func (c keysRevokeCmd) Run(t *terminal) error {
	return c.change(t, c.KID, "key.revoked", func(ctx context.Context, r *keys.Ring) error { return r.Remove(ctx, c.KID) })
}

// change does something to one key of whichever ring has it.
func (f configFlags) change(t *terminal, kid, event string, do func(context.Context, *keys.Ring) error) error {
	return f.operate(t, func(ctx context.Context, h *house) error {
		all, err := h.db.SigningKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range all {
			if k.ID != kid {
				continue
			}
			ring, err := h.ring(ctx, k.Use)
			if err != nil {
				return err
			}
			if err := h.record(ctx, audit.Event{Type: event, Data: map[string]string{"kid": kid, "use": k.Use}}); err != nil {
				return err
			}
			err = do(ctx, ring)
			if err == nil {
				fmt.Fprintf(t.out, "%s %s\n", map[string]string{"key.retired": "retired", "key.revoked": "revoked"}[event], kid)
				return nil
			}
			if !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return fmt.Errorf("there is no key %q: see 'postern keys list'", kid)
	})
}

type secretsCmd struct {
	Generate secretsGenerateCmd `cmd:"" help:"Print a new master key."`
	Rotate   secretsRotateCmd   `cmd:"" help:"Seal under the current master key; afterwards secrets.previous can go."`
}

type secretsGenerateCmd struct{}

func (secretsGenerateCmd) Run(t *terminal) error {
	fmt.Fprintln(t.out, keys.NewMasterText(random))
	return nil
}

type secretsRotateCmd struct{ configFlags }

func (c secretsRotateCmd) Run(t *terminal) error {
	return c.operate(t, func(ctx context.Context, h *house) error {
		sealer, err := h.theSealer(ctx)
		if err != nil {
			return err
		}
		masters, err := h.masters()
		if err != nil {
			return err
		}
		data := map[string]string{"master": masters[0].ID()}
		if err := h.record(ctx, audit.Event{Type: "secrets.rotated", Data: data}); err != nil {
			return err
		}
		if err := sealer.Rotate(ctx); err != nil {
			return err
		}
		fmt.Fprintf(t.out, "everything is sealed under master key %s; secrets.previous can be removed\n", masters[0].ID())
		return nil
	})
}
