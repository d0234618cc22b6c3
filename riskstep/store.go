package riskstep

import (
	"context"

	"github.com/postern-id/postern/ident"
)

// Store keeps what is known of a person's habits: one blob, one read, one compare-and-swap.
type Store interface {
	// RiskProfile returns the blob of user (at most 2 KiB) and its version; nil and 0 where there is none.
	RiskProfile(ctx context.Context, user ident.UserID) (blob []byte, version int64, err error)
	// SaveRiskProfile writes the blob if its version is still version; otherwise store.ErrStale.
	SaveRiskProfile(ctx context.Context, user ident.UserID, version int64, blob []byte) error
	// RiskTables returns the blob (at most 1 MiB) that all nodes have under name, and its version; nil and 0 where there is none.
	RiskTables(ctx context.Context, name string) (blob []byte, version int64, err error)
	// SaveRiskTables writes the blob if its version is still version; otherwise store.ErrStale.
	SaveRiskTables(ctx context.Context, name string, version int64, blob []byte) error
}
