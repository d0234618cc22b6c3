package audit

import (
	"context"
	"fmt"
	"io"
)

// Walk calls visit with every entry, stream by stream, in order, until it returns an error, which Walk returns.
func Walk(ctx context.Context, s Store, visit func(*Entry) error) error {
	heads, err := s.AuditHeads(ctx)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	for _, h := range heads {
		for from := int64(1); from <= h.Seq; {
			page, err := s.ReadAudit(ctx, h.Stream, from, pageSize)
			if err != nil {
				return fmt.Errorf("audit: %w", err)
			}
			if len(page) == 0 {
				break // cut short: Verify tells
			}
			for i := range page {
				if err := visit(&page[i]); err != nil {
					return err
				}
				from = max(from, page[i].Seq) + 1
			}
		}
	}
	return nil
}

// WalkExport is Walk for what Export wrote.
func WalkExport(r io.Reader, visit func(*Entry) error) error {
	var failed error
	err := readExport(r, func(e *Entry) {
		if failed == nil {
			failed = visit(e)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}

// Intact says whether the hash of e is that of what it holds, and an address that is there the one that was recorded. Whether it
// stands where it was written, only Verify tells.
func (e *Entry) Intact() bool { return e.hash() == e.Hash && e.Address() != AddressForged }
