package enginetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

var auditParts = []part[Engine]{
	{"entries come back as they were", auditEntries},
	{"append is all or none", auditAllOrNone},
	{"one writer wins a place", auditContest},
	{"heads", auditHeads},
	{"a person's own activity", auditUser},
	{"addresses are erased, and nothing else", auditAddresses},
}

// entry is an entry of stream with bytes in every field; the exam does not check the chain, the audit package does.
func entry(r *room[Engine], stream string, seq int64, user ident.UserID) audit.Entry {
	body := fmt.Appendf(nil, `{"type":"exam.sat","reason":%q}`, fmt.Sprint(stream, seq, " 雲 \x00 <&>"))
	e := audit.Entry{Stream: stream, Seq: seq, At: r.clock.in(time.Duration(seq) * time.Microsecond), User: user, Type: "exam.sat", Body: body}
	e.Prev = sha256.Sum256(binary.BigEndian.AppendUint64([]byte(stream), uint64(seq-1)))
	if seq == 1 {
		e.Prev = [sha256.Size]byte{}
	}
	e.Hash = sha256.Sum256(binary.BigEndian.AppendUint64([]byte(stream), uint64(seq)))
	if seq%2 == 1 {
		e.IP, e.Salt = "2001:db8::7", []byte{0, 1, byte(seq), 0xff}
	}
	return e
}

func auditEntries(r *room[Engine]) {
	s := name("stream")
	want := []audit.Entry{entry(r, s, 1, "ann"), entry(r, s, 2, ""), entry(r, s, 3, "zoë"), entry(r, s, 4, "ann")}
	want[1].At = want[1].At.In(time.FixedZone("east", 5*3600))
	want[2].Body = append(bytes.Repeat([]byte("é"), 32<<10), 0xff, 0) // exactly the bytes that were hashed, whatever they are
	must(r, r.e.AppendAudit(r.ctx, want[:1]))
	must(r, r.e.AppendAudit(r.ctx, want[1:]))
	must(r, r.e.AppendAudit(r.ctx, nil))

	for _, tt := range []struct {
		name  string
		from  int64
		limit int
		want  []audit.Entry
	}{
		{"all", 1, 100, want}, {"from 0", 0, 100, want}, {"the first two", 1, 2, want[:2]}, {"from 3", 3, 100, want[2:]},
		{"one of the middle", 2, 1, want[1:2]}, {"beyond the end", 5, 100, nil},
	} {
		same(r, "ReadAudit "+tt.name, get(r.e.ReadAudit(r.ctx, s, tt.from, tt.limit))(r), tt.want)
	}
	same(r, "ReadAudit of no stream", get(r.e.ReadAudit(r.ctx, name("none"), 1, 10))(r), []audit.Entry(nil))
}

func auditAllOrNone(r *room[Engine]) {
	s, other := name("stream"), name("stream")
	first := []audit.Entry{entry(r, s, 1, "ann"), entry(r, s, 2, "ann")}
	must(r, r.e.AppendAudit(r.ctx, first))
	altered := first[1]
	altered.Body = []byte(`{"type":"forged"}`)
	for _, tt := range []struct {
		name  string
		batch []audit.Entry
	}{
		{"the place is taken", []audit.Entry{altered}},
		{"a later one is taken", []audit.Entry{entry(r, s, 3, "ann"), altered}},
		{"an earlier one is taken", []audit.Entry{altered, entry(r, s, 3, "ann")}},
		{"in another stream", []audit.Entry{entry(r, other, 1, "ann"), altered}},
		{"twice in one batch", []audit.Entry{entry(r, s, 3, "ann"), entry(r, s, 3, "ann")}},
	} {
		refuse(r, "AppendAudit, "+tt.name, r.e.AppendAudit(r.ctx, tt.batch), store.ErrExists)
		same(r, "the stream after "+tt.name, get(r.e.ReadAudit(r.ctx, s, 1, 100))(r), first)
		same(r, "another stream after "+tt.name, get(r.e.ReadAudit(r.ctx, other, 1, 100))(r), []audit.Entry(nil))
		same(r, "activity after "+tt.name, len(get(r.e.AuditOfUser(r.ctx, "ann", r.clock.in(time.Hour), 100))(r)), 2)
	}
}

func auditContest(r *room[Engine]) {
	for range 4 {
		s := name("stream")
		batches := make([][]audit.Entry, 16)
		for i := range batches {
			batches[i] = []audit.Entry{entry(r, s, 1, ""), entry(r, s, 2, "")}
			batches[i][0].Body = []byte{byte(i)}
		}
		w := contest(r, "AppendAudit", len(batches), store.ErrExists, func(i int) error { return r.e.AppendAudit(r.ctx, batches[i]) })
		same(r, "the winner's stream", get(r.e.ReadAudit(r.ctx, s, 1, 100))(r), batches[w])
	}
	// streams of their own never wait for, or disturb, one another
	errs := make([]error, 16)
	streams := make([]string, len(errs))
	for i := range streams {
		streams[i] = name("parallel")
	}
	together(len(errs), func(i int) {
		for seq := range int64(5) {
			if err := r.e.AppendAudit(r.ctx, []audit.Entry{entry(r, streams[i], seq+1, "")}); err != nil {
				errs[i] = err
			}
		}
	})
	for i, err := range errs {
		must(r, err)
		same(r, "a parallel stream", len(get(r.e.ReadAudit(r.ctx, streams[i], 1, 100))(r)), 5)
	}
}

func auditHeads(r *room[Engine]) {
	same(r, "heads of nothing", get(r.e.AuditHeads(r.ctx))(r), []audit.Head(nil))
	var want []audit.Head
	for _, s := range []string{"B", "a", "a-b", "aa", "é"} { // in the order of their bytes
		e1, e2 := entry(r, s, 1, ""), entry(r, s, 2, "")
		must(r, r.e.AppendAudit(r.ctx, []audit.Entry{e1}))
		must(r, r.e.AppendAudit(r.ctx, []audit.Entry{e2}))
		want = append(want, audit.Head{Stream: s, Seq: 2, Hash: e2.Hash})
	}
	must(r, r.e.AppendAudit(r.ctx, []audit.Entry{entry(r, "a", 3, "")}))
	want[1] = audit.Head{Stream: "a", Seq: 3, Hash: entry(r, "a", 3, "").Hash}
	same(r, "AuditHeads", get(r.e.AuditHeads(r.ctx))(r), want)
}

func auditUser(r *room[Engine]) {
	a, b := name("stream"), name("stream")
	var anns []audit.Entry // newest first
	for seq := int64(1); seq <= 6; seq++ {
		s, n, user := a, (seq+1)/2, ident.UserID("ann")
		if seq%2 == 0 {
			s, n = b, seq/2
		}
		if seq == 3 {
			user = "bob"
		}
		e := entry(r, s, n, user)
		e.At = r.clock.in(time.Duration(seq) * time.Microsecond)
		must(r, r.e.AppendAudit(r.ctx, []audit.Entry{e}))
		if user == "ann" {
			anns = append([]audit.Entry{e}, anns...)
		}
	}
	later := r.clock.in(time.Hour)
	same(r, "all of ann", get(r.e.AuditOfUser(r.ctx, "ann", later, 100))(r), anns)
	same(r, "the newest two", get(r.e.AuditOfUser(r.ctx, "ann", later, 2))(r), anns[:2])
	same(r, "older than the second", get(r.e.AuditOfUser(r.ctx, "ann", anns[1].At, 100))(r), anns[2:])
	same(r, "of bob", len(get(r.e.AuditOfUser(r.ctx, "bob", later, 100))(r)), 1)
	same(r, "of a stranger", get(r.e.AuditOfUser(r.ctx, "an", later, 100))(r), []audit.Entry(nil))
}

func auditAddresses(r *room[Engine]) {
	a, b := name("stream"), name("stream")
	var want []audit.Entry
	for seq := range int64(6) {
		want = append(want, entry(r, a, seq+1, "ann"))
	}
	other := entry(r, b, 1, "bob")
	must(r, r.e.AppendAudit(r.ctx, want))
	must(r, r.e.AppendAudit(r.ctx, []audit.Entry{other}))
	erase := func(after time.Duration, limit int) int64 {
		r.Helper()
		return get(r.e.EraseAddresses(r.ctx, r.clock.in(after), limit))(r)
	}
	same(r, "erased before the first", erase(time.Microsecond, 10), int64(0))
	same(r, "erased before the fourth, one at most", erase(4*time.Microsecond, 1), int64(1))
	same(r, "and the rest", erase(4*time.Microsecond, 10), int64(2))
	same(r, "and again", erase(4*time.Microsecond, 10), int64(0))
	for _, i := range []int{0, 2} {
		want[i].IP, want[i].Salt = "", nil
	}
	other.IP, other.Salt = "", nil
	same(r, "the stream", get(r.e.ReadAudit(r.ctx, a, 1, 10))(r), want)
	same(r, "another stream", get(r.e.ReadAudit(r.ctx, b, 1, 10))(r), []audit.Entry{other})
	same(r, "heads", len(get(r.e.AuditHeads(r.ctx))(r)), 2)
	same(r, "the last", erase(time.Hour, 10), int64(1))
}
