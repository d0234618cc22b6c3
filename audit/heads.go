package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// OpenedType is the type of the first event of every stream.
const OpenedType = "stream.opened"

const (
	maxSeen  = 48      // heads that a new stream names: all that were opened lately
	maxLine  = 4 << 20 // bytes of one checkpoint
	maxLines = 100_000 // checkpoints in one file
)

// opening is the first event of a stream. Its one value is longer than others may be: the heads as "stream:seq:hash",
// separated by spaces.
func opening(heads []Head) (Event, []byte, error) {
	e := Event{Type: OpenedType, Outcome: OK, Actor: "system", Data: map[string]string{"streams": strconv.Itoa(len(heads))}}
	if len(heads) > maxSeen {
		heads = heads[len(heads)-maxSeen:]
	}
	var seen []string
	for _, h := range heads {
		seen = append(seen, fmt.Sprintf("%s:%d:%x", h.Stream, h.Seq, h.Hash))
	}
	if seen != nil {
		e.Data["heads"] = strings.Join(seen, " ")
	}
	text, err := marshal(e)
	return e, text, err
}

// seen returns the heads that the first entry of a stream names.
func (e *Entry) seen() ([]Head, error) {
	ev, err := e.Event()
	if err != nil || ev.Type != OpenedType {
		return nil, fmt.Errorf("audit: a stream begins with %s", OpenedType)
	}
	var heads []Head
	for _, text := range strings.Fields(ev.Data["heads"]) {
		part := strings.Split(text, ":")
		if len(part) != 3 {
			return nil, errors.New("audit: unreadable head")
		}
		h := Head{Stream: part[0]}
		seq, err1 := strconv.ParseInt(part[1], 10, 64)
		hash, err2 := hex.DecodeString(part[2])
		if err1 != nil || err2 != nil || len(hash) != len(h.Hash) || seq < 1 {
			return nil, errors.New("audit: unreadable head")
		}
		h.Seq = seq
		copy(h.Hash[:], hash)
		heads = append(heads, h)
	}
	return heads, nil
}

// Checkpoint is a statement of where every stream stood. Signed and kept outside the database, it shows whether anything
// before it was altered or removed since, by whomever.
type Checkpoint struct {
	At    time.Time
	Heads []Head
}

type wireCheckpoint struct {
	At    time.Time  `json:"at"`
	Heads []wireHead `json:"heads"`
}

type wireHead struct {
	Stream string `json:"stream"`
	Seq    int64  `json:"seq"`
	Hash   string `json:"hash"` // hexadecimal
}

// MakeCheckpoint returns a checkpoint of all streams as sign made it, one line: append it to a file or send it to a system that
// whoever administers the database cannot write to.
func MakeCheckpoint(ctx context.Context, s Store, now time.Time, sign func(ctx context.Context, payload []byte) (jws string, err error)) (string, error) {
	heads, err := s.AuditHeads(ctx)
	if err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	w := wireCheckpoint{At: stamp(now), Heads: []wireHead{}}
	for _, h := range heads {
		w.Heads = append(w.Heads, wireHead{h.Stream, h.Seq, hex.EncodeToString(h.Hash[:])})
	}
	payload, err := json.Marshal(w)
	if err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	return sign(ctx, payload)
}

// ParseCheckpoint reads the payload of a checkpoint whose signature has been checked.
func ParseCheckpoint(payload []byte) (Checkpoint, error) {
	var w wireCheckpoint
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil || d.More() || w.At.IsZero() || w.Heads == nil {
		return Checkpoint{}, errors.New("audit: unreadable checkpoint")
	}
	c := Checkpoint{At: w.At}
	for _, x := range w.Heads {
		h := Head{Stream: x.Stream, Seq: x.Seq}
		hash, err := hex.DecodeString(x.Hash)
		if err != nil || len(hash) != len(h.Hash) || x.Seq < 1 || x.Stream == "" {
			return Checkpoint{}, errors.New("audit: unreadable checkpoint")
		}
		copy(h.Hash[:], hash)
		c.Heads = append(c.Heads, h)
	}
	return c, nil
}

// ReadCheckpoints returns the checkpoints in r, one JWS a line; empty lines are left out. It bounds what it reads:
// 4 MiB a line, 100,000 lines.
func ReadCheckpoints(r io.Reader) ([]string, error) {
	var list []string
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			list = append(list, text)
		}
		if len(list) > maxLines {
			return nil, fmt.Errorf("audit: more than %d checkpoints", maxLines)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("audit: checkpoints: %w", err)
	}
	return list, nil
}
