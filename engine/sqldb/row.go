package sqldb

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"strings"
	"time"
)

// row is one row of a result. Its methods return the next column each, in the order of the SELECT
// list, and its zero where it is NULL. What they return is the caller's to keep.
type row struct {
	pg   [][]byte       // PostgreSQL, binary format
	lite []driver.Value // SQLite
	i    int
	err  error // the first column that could not be decoded
}

func (r *row) int() int64 {
	i := r.i
	r.i++
	if r.pg == nil {
		n, _ := r.lite[i].(int64)
		return n
	}
	switch b := r.pg[i]; len(b) {
	case 8:
		return int64(binary.BigEndian.Uint64(b))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	default:
		return 0
	}
}

func (r *row) text() string {
	i := r.i
	r.i++
	if r.pg == nil {
		s, _ := r.lite[i].(string)
		return s
	}
	return string(r.pg[i])
}

// blob returns nil for the empty one.
func (r *row) blob() []byte {
	i := r.i
	r.i++
	if r.pg == nil {
		b, _ := r.lite[i].([]byte) // the driver made it for us
		if len(b) == 0 {
			return nil
		}
		return b
	}
	return append([]byte(nil), r.pg[i]...)
}

// bytes returns a value that is never nil.
func (r *row) bytes() []byte {
	if b := r.blob(); b != nil {
		return b
	}
	return []byte{}
}

func (r *row) hash() (h [sha256.Size]byte) {
	i := r.i
	r.i++
	if r.pg != nil {
		copy(h[:], r.pg[i])
	} else {
		b, _ := r.lite[i].([]byte)
		copy(h[:], b)
	}
	return h
}

func (r *row) bool() bool { return r.int() != 0 }

func (r *row) time() time.Time {
	n := r.int()
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

// micros is how a time is stored: microseconds since 1970 UTC, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// hashed is how a hash is stored: the empty bytes for the zero hash.
func hashed(h [sha256.Size]byte) []byte {
	if h == ([sha256.Size]byte{}) {
		return []byte{}
	}
	return h[:]
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// bytesOf never returns nil, which would be NULL.
func bytesOf(b []byte) []byte { return append([]byte{}, b...) }

// listed is how a list is stored: a JSON array; "" for nil.
func listed[S ~string](l []S) string {
	if l == nil {
		return ""
	}
	n := 2
	for _, s := range l {
		n += len(s) + 3
		if strings.ContainsFunc(string(s), func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r > '~' }) {
			b, _ := json.Marshal(l) // strings always marshal
			return string(b)
		}
	}
	b := append(make([]byte, 0, n), '[')
	for i, s := range l {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), s...), '"')
	}
	return string(append(b, ']'))
}

// list reads what listed wrote.
func list[S ~string](r *row) []S {
	s := r.text()
	switch {
	case s == "":
		return nil
	case s == "[]":
		return []S{}
	}
	// Without escapes a quote only begins or ends a string; where exactly "," stands between any two
	// of them, there is nothing else to parse.
	n := strings.Count(s, `","`) + 1
	if len(s) < 4 || s[:2] != `["` || s[len(s)-2:] != `"]` || strings.IndexByte(s, '\\') >= 0 || strings.Count(s, `"`) != 2*n {
		var l []S
		if err := json.Unmarshal([]byte(s), &l); err != nil && r.err == nil {
			r.err = err
		}
		return l
	}
	s = s[2 : len(s)-2]
	l := make([]S, 0, n)
	for {
		head, rest, more := strings.Cut(s, `","`)
		l = append(l, S(head))
		if !more {
			return l
		}
		s = rest
	}
}
