package riskstep

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-id/postern/riskstep/model"
	"github.com/postern-id/postern/riskstep/policy"
	"github.com/postern-id/postern/store"
)

// What the nodes learn together.
const (
	tableModel  = "model"
	tableBudget = "budget"
)

// unsent is what this node learnt and has not shared yet. Only Sync touches it.
type unsent struct {
	tables [][]byte // deltas, few: while they cannot be sent, what is new stays in the tables
	budget []byte
}

const maxUnsent = 4

// Sync shares what this node learnt with the others, and takes over what they learnt. Call it about once a minute. What
// cannot be shared now is shared the next time.
func (e *Engine) Sync(ctx context.Context) error {
	e.syncing.Lock()
	defer e.syncing.Unlock()
	if err := e.shareTables(ctx); err != nil {
		return fmt.Errorf("riskstep: sync: %w", err)
	}
	if err := e.shareBudget(ctx); err != nil {
		return fmt.Errorf("riskstep: sync: %w", err)
	}
	return nil
}

func (e *Engine) shareTables(ctx context.Context) error {
	if len(e.unsent.tables) < maxUnsent {
		if d := e.tables.Delta(); len(d) > 0 {
			e.unsent.tables = append(e.unsent.tables, d)
		}
	}
	var all []byte
	err := e.share(ctx, tableModel, len(e.unsent.tables) > 0, func(blob []byte) ([]byte, error) {
		t, err := model.NewTables(), error(nil)
		if len(blob) > 0 {
			if t, err = model.ParseTables(blob); err != nil {
				return nil, err
			}
		}
		for _, d := range e.unsent.tables {
			if err := t.Merge(d); err != nil {
				return nil, err
			}
		}
		all = t.Append(nil)
		return all, nil
	})
	if err != nil {
		return err
	}
	e.unsent.tables = nil
	return e.tables.Adopt(all)
}

func (e *Engine) shareBudget(ctx context.Context) (err error) {
	b := e.o.Policy.Budget()
	if news := b.Delta(); len(news) > 0 {
		if e.unsent.budget, err = policy.MergeBudgets(e.unsent.budget, news); err != nil {
			return err
		}
	}
	var all []byte
	err = e.share(ctx, tableBudget, len(e.unsent.budget) > 0, func(blob []byte) (_ []byte, err error) {
		all, err = policy.MergeBudgets(blob, e.unsent.budget)
		return all, err
	})
	if err != nil {
		return err
	}
	e.unsent.budget = nil
	if len(all) == 0 {
		return nil
	}
	return b.Replace(all)
}

// share has add put what is new into the blob that all nodes have, and stores what add returns if there is anything new.
func (e *Engine) share(ctx context.Context, name string, news bool, add func([]byte) ([]byte, error)) error {
	for range 8 {
		blob, version, err := e.o.Store.RiskTables(ctx, name)
		if err != nil {
			return err
		}
		if blob, err = add(blob); err != nil || !news {
			return err
		}
		if err = e.o.Store.SaveRiskTables(ctx, name, version, blob); !errors.Is(err, store.ErrStale) {
			return err
		}
	}
	return store.ErrStale
}
