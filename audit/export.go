package audit

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/postern-id/postern/ident"
)

// wireEntry is a line of an export. The body is a string, so that it keeps exactly the bytes that were hashed.
type wireEntry struct {
	Stream string       `json:"stream"`
	Seq    int64        `json:"seq"`
	At     int64        `json:"at"` // microseconds since 1970
	Prev   string       `json:"prev"`
	Hash   string       `json:"hash"`
	User   ident.UserID `json:"user,omitempty"`
	Type   string       `json:"type"`
	Body   string       `json:"body"`
	IP     string       `json:"ip,omitempty"`
	Salt   string       `json:"ip_salt,omitempty"` // of the commitment in the body
}

// Export writes every entry as a line of JSON, stream by stream, in order: it can be verified without the database.
func Export(ctx context.Context, s Store, w io.Writer) error {
	buf := bufio.NewWriter(w)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	err := Walk(ctx, s, func(e *Entry) error {
		line := wireEntry{e.Stream, e.Seq, e.At.UnixMicro(), hex.EncodeToString(e.Prev[:]), hex.EncodeToString(e.Hash[:]), e.User, e.Type, string(e.Body), e.IP, hex.EncodeToString(e.Salt)}
		if err := enc.Encode(line); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return buf.Flush()
}

// VerifyExport is Verify for what Export wrote. It reads r twice.
func VerifyExport(r io.ReadSeeker, o VerifyOptions) (Report, error) {
	v, err := newVerifier(o)
	if err != nil {
		return Report{}, err
	}
	first := func(e *Entry) {
		if e.Seq == 1 {
			v.expectSeen(e)
		}
	}
	for _, take := range []func(*Entry){first, v.entry} {
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return Report{}, fmt.Errorf("audit: %w", err)
		}
		if err := readExport(r, take); err != nil {
			return Report{}, err
		}
	}
	return v.report(), nil
}

func readExport(r io.Reader, take func(*Entry)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 8*maxRead)
	for n := 1; lines.Scan(); n++ {
		var w wireEntry
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			return fmt.Errorf("audit: export, line %d: %w", n, err)
		}
		e := Entry{Stream: w.Stream, Seq: w.Seq, At: time.UnixMicro(w.At).UTC(), User: w.User, Type: w.Type, Body: []byte(w.Body), IP: w.IP}
		prev, err1 := hex.DecodeString(w.Prev)
		hash, err2 := hex.DecodeString(w.Hash)
		salt, err3 := hex.DecodeString(w.Salt)
		if err3 != nil {
			return fmt.Errorf("audit: export, line %d: unreadable salt", n)
		}
		if len(salt) > 0 {
			e.Salt = salt
		}
		if err1 != nil || err2 != nil || len(prev) != len(e.Prev) || len(hash) != len(e.Hash) {
			return fmt.Errorf("audit: export, line %d: unreadable hash", n)
		}
		copy(e.Prev[:], prev)
		copy(e.Hash[:], hash)
		take(&e)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("audit: export: %w", err)
	}
	return nil
}
