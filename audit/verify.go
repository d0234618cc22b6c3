package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

const (
	pageSize  = 1000 // entries read at once
	maxFaults = 1000 // listed; more are only counted
)

// The kinds of fault.
const (
	FaultGap        = "gap"        // entries are missing, stand twice or out of order
	FaultLink       = "link"       // Prev is not the hash of the entry before
	FaultAltered    = "altered"    // Hash is not the hash of the entry
	FaultColumns    = "columns"    // user or type differ from the body
	FaultTruncated  = "truncated"  // the stream ends before an entry that a checkpoint or another stream names
	FaultRemoved    = "removed"    // a stream that a checkpoint or another stream names is gone
	FaultRewritten  = "rewritten"  // an entry is not the one that a checkpoint or another stream names
	FaultAddress    = "address"    // the address beside an entry is not the one that was recorded
	FaultCheckpoint = "checkpoint" // a checkpoint cannot be read, or its signature is wrong
)

// Fault is one place where the record is not what was written.
type Fault struct {
	Stream string `json:"stream,omitempty"`
	Seq    int64  `json:"seq,omitempty"`
	Kind   string `json:"kind"`
	Detail string `json:"detail"`
}

// Report is what a verification found.
type Report struct {
	Streams     int     `json:"streams"`
	Entries     int64   `json:"entries"`
	Checkpoints int     `json:"checkpoints"` // whose signature was right
	Addresses   int64   `json:"addresses"`   // that are there and are those that were recorded
	Erased      int64   `json:"erased"`      // addresses that were recorded and are gone, as they should be
	Faults      []Fault `json:"faults"`      // at most 1000, by place
	FaultCount  int     `json:"fault_count"` // all of them
}

// OK says that nothing is wrong.
func (r Report) OK() bool { return r.FaultCount == 0 }

// VerifyOptions add what is known from outside the database.
type VerifyOptions struct {
	Checkpoints []string                         // as MakeCheckpoint made them
	Check       func(jws string) ([]byte, error) // returns the payload of a checkpoint whose signature is right
}

// Verify walks every stream and reports what was altered, removed, inserted or reordered. Without checkpoints, what
// cannot be seen is: a stream cut short after the last entry that another stream names, and a whole record
// made anew by somebody who can write all of it. An error means that reading failed, not that a fault was found.
func Verify(ctx context.Context, s Store, o VerifyOptions) (Report, error) {
	v, err := newVerifier(o)
	if err != nil {
		return Report{}, err
	}
	heads, err := s.AuditHeads(ctx)
	if err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	for _, h := range heads {
		first, err := s.ReadAudit(ctx, h.Stream, 1, 1)
		if err != nil {
			return Report{}, fmt.Errorf("audit: %w", err)
		}
		v.expectHead(h, "the store's own list of heads")
		if len(first) == 1 {
			v.expectSeen(&first[0])
		}
	}
	for _, h := range heads {
		if err := v.walk(ctx, s, h.Stream); err != nil {
			return Report{}, err
		}
	}
	return v.report(), nil
}

func (v *verifier) walk(ctx context.Context, s Store, stream string) error {
	for from := int64(1); ; {
		page, err := s.ReadAudit(ctx, stream, from, pageSize)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		for i := range page {
			v.entry(&page[i])
			from = max(from, page[i].Seq) + 1
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// verifier takes first everything that is expected, then every entry.
type verifier struct {
	expected map[string][]expectation // by stream, sorted by entry once entries come
	at       map[string]*position
	rep      Report
}

type expectation struct {
	seq  int64
	hash [sha256.Size]byte
	who  string // says so
}

type position struct {
	seq  int64
	hash [sha256.Size]byte
	met  map[int64][sha256.Size]byte // what stands at the places that are expected
}

func newVerifier(o VerifyOptions) (*verifier, error) {
	if len(o.Checkpoints) > 0 && o.Check == nil {
		return nil, errors.New("audit: checkpoints cannot be verified without Check")
	}
	v := &verifier{expected: map[string][]expectation{}, at: map[string]*position{}}
	for i, jws := range o.Checkpoints {
		payload, err := o.Check(jws)
		var c Checkpoint
		if err == nil {
			c, err = ParseCheckpoint(payload)
		}
		if err != nil {
			v.fault("", 0, FaultCheckpoint, "checkpoint %d: %v", i+1, err)
			continue
		}
		v.rep.Checkpoints++
		for _, h := range c.Heads {
			v.expectHead(h, "the checkpoint of "+c.At.Format("2006-01-02T15:04:05Z07:00"))
		}
	}
	return v, nil
}

func (v *verifier) fault(stream string, seq int64, kind, format string, args ...any) {
	v.rep.FaultCount++
	if len(v.rep.Faults) < maxFaults {
		v.rep.Faults = append(v.rep.Faults, Fault{stream, seq, kind, fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) expectHead(h Head, who string) {
	v.expected[h.Stream] = append(v.expected[h.Stream], expectation{h.Seq, h.Hash, who})
}

// expectSeen takes what the first entry of a stream says about the others.
func (v *verifier) expectSeen(first *Entry) {
	if first.Seq != 1 {
		return // a gap, found later
	}
	heads, err := first.seen()
	if err != nil {
		v.fault(first.Stream, 1, FaultAltered, "%v", err)
	}
	for _, h := range heads {
		v.expectHead(h, "stream "+first.Stream)
	}
}

// entry checks e against what came before it in its stream. After a fault it goes on from what stands there, so
// that one fault is reported once.
func (v *verifier) entry(e *Entry) {
	v.rep.Entries++
	p := v.at[e.Stream]
	if p == nil {
		p = &position{met: map[int64][sha256.Size]byte{}}
		v.at[e.Stream] = p
		for _, x := range v.expected[e.Stream] {
			p.met[x.seq] = [sha256.Size]byte{}
		}
	}
	if e.Seq != p.seq+1 {
		v.fault(e.Stream, e.Seq, FaultGap, "follows entry %d", p.seq)
	}
	if e.Prev != p.hash {
		v.fault(e.Stream, e.Seq, FaultLink, "does not chain to entry %d", p.seq)
	}
	hash := e.hash()
	if e.Hash != hash {
		v.fault(e.Stream, e.Seq, FaultAltered, "the hash does not fit the content")
	}
	ev, err := e.chained()
	switch {
	case err != nil:
		v.fault(e.Stream, e.Seq, FaultAltered, "%v", err)
	case ev.User != e.User || ev.Type != e.Type:
		v.fault(e.Stream, e.Seq, FaultColumns, "user or type differ from the body")
	}
	if err == nil && e.Hash == hash { // what was altered is not believed
		v.address(e, ev.Address)
	}
	if _, wanted := p.met[e.Seq]; wanted {
		p.met[e.Seq] = hash
	}
	p.seq, p.hash = e.Seq, e.Hash
}

func (v *verifier) address(e *Entry, committed string) {
	switch e.address(committed) {
	case AddressKept:
		v.rep.Addresses++
	case AddressErased:
		v.rep.Erased++
	case AddressForged:
		v.fault(e.Stream, e.Seq, FaultAddress, "the address is not the one that was recorded")
	}
}

// report checks what was expected and closes the account.
func (v *verifier) report() Report {
	v.rep.Streams = len(v.at)
	for stream, list := range v.expected {
		p := v.at[stream]
		for _, x := range list {
			switch {
			case p == nil:
				v.fault(stream, x.seq, FaultRemoved, "the stream is named by %s", x.who)
			case p.met[x.seq] == [sha256.Size]byte{}:
				v.fault(stream, x.seq, FaultTruncated, "the entry is named by %s", x.who)
			case p.met[x.seq] != x.hash:
				v.fault(stream, x.seq, FaultRewritten, "the entry named by %s is another", x.who)
			}
		}
	}
	slices.SortStableFunc(v.rep.Faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Seq, b.Seq))
	})
	return v.rep
}
