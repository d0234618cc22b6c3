package did

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// WebVHMethod resolves did:webvh 1.0: a did:web with a history that proves itself. did:webvh §3.6.2.
type WebVHMethod struct {
	now  func() time.Time
	mu   sync.Mutex
	seen map[ID]string // the last version that was seen of a DID, for which its log must then have an entry
}

// maxSeen is how many DIDs are remembered.
const maxSeen = 4096

// NewWebVH returns a WebVHMethod. It remembers which version of a DID it saw last: a log that lost it was rolled back.
func NewWebVH(now func() time.Time) *WebVHMethod {
	return &WebVHMethod{now: now, seen: map[ID]string{}}
}

// Name is "webvh".
func (*WebVHMethod) Name() string { return "webvh" }

// Resolve fetches the log and, where it has witnesses, their proofs, verifies all of it and returns the latest document. The
// services that did:webvh implies (#files, #whois) are not added: nothing here visits them.
func (m *WebVHMethod) Resolve(ctx context.Context, id ID, fetch Fetch) (Resolution, error) {
	scid, rest, ok := strings.Cut(id.Specific(), ":")
	if !ok {
		return Resolution{}, fmt.Errorf("%w: did:webvh has a SCID and a host", ErrInvalid)
	}
	host, path, err := webHost(rest)
	if err != nil {
		return Resolution{}, err
	}
	if path == "" {
		path = "/.well-known"
	}
	base := "https://" + host + path
	body, _, err := fetch.get(ctx, base+"/did.jsonl", "text/jsonl")
	if err != nil {
		return Resolution{}, fmt.Errorf("did:webvh: %w", err)
	}
	if len(body) > maxLog {
		return Resolution{}, fmt.Errorf("%w: a log of more than %d bytes", ErrDocument, maxLog)
	}
	h, err := readLog(body, m.now())
	if err == nil && h.last.scid != scid {
		err = fmt.Errorf("the log is of another SCID")
	}
	if err != nil {
		return Resolution{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if h.watched() {
		proofs, _, err := fetch.get(ctx, base+"/did-witness.json", "application/json")
		if err == nil {
			err = h.witnessed(proofs)
		}
		if err != nil {
			return Resolution{}, fmt.Errorf("%w: witnesses: %w", ErrDocument, err)
		}
	}
	if err := h.sameDID(id, scid); err != nil {
		return Resolution{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	last := h.entries[len(h.entries)-1]
	doc, err := documentOf(string(id), last.state)
	if err != nil {
		return Resolution{}, err
	}
	if err := m.remember(id, &h); err != nil {
		return Resolution{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return Resolution{Document: doc, Deactivated: h.last.deactivated, VersionID: last.versionID, VersionTime: last.at, MaxAge: h.last.ttl}, nil
}

// sameDID checks that every document of the log is of this DID, or, if the log is portable, of one that moved here: with the
// same SCID, and known by the documents that follow. did:webvh §3.7.6.
func (h *history) sameDID(id ID, scid string) error {
	for i, e := range h.entries {
		mine := text(e.state["id"])
		if i > 0 && mine != text(h.entries[i-1].state["id"]) {
			known, _ := texts(e.state["alsoKnownAs"])
			if !h.last.portable || !slices.Contains(known, text(h.entries[i-1].state["id"])) {
				return fmt.Errorf("entry %d moved, and may not have", i+1)
			}
		}
		if !strings.HasPrefix(mine, "did:webvh:"+scid+":") {
			return fmt.Errorf("entry %d is of another DID", i+1)
		}
	}
	if text(h.entries[len(h.entries)-1].state["id"]) != string(id) {
		return fmt.Errorf("the log is of another DID")
	}
	return nil
}

// remember keeps the last version, and refuses a log that has no entry for the one seen before.
func (m *WebVHMethod) remember(id ID, h *history) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, known := m.seen[id]; known && !slices.ContainsFunc(h.entries, func(e logEntry) bool { return e.versionID == v }) {
		return fmt.Errorf("the log was rolled back: it lost %s", v)
	}
	for old := range m.seen {
		if len(m.seen) < maxSeen {
			break
		}
		delete(m.seen, old)
	}
	m.seen[id] = h.entries[len(h.entries)-1].versionID
	return nil
}
