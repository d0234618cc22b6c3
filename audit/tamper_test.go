package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/keys/keystest"
)

// notary signs checkpoints and checks them.
type notary struct {
	key keys.Key
	set *keys.Set
}

const checkpointTyp = "postern-checkpoint+jwt"

func newNotary(t testing.TB) notary {
	t.Helper()
	k := keystest.New(t, keys.EdDSA)
	set, err := keys.ParseSet(keystest.JWKS(t, k))
	if err != nil {
		t.Fatal(err)
	}
	return notary{k, set}
}

func (n notary) sign(ctx context.Context, payload []byte) (string, error) {
	return keys.SignWith(ctx, n.key, checkpointTyp, payload)
}

func (n notary) check(jws string) ([]byte, error) {
	v, err := n.set.Verify(jws, keys.Expect{Algs: []string{keys.EdDSA}, Typ: []string{checkpointTyp}, MaxSize: 1 << 20})
	return v.Payload, err
}

// all returns every entry of s.
func all(t fataler, s audit.Store) (list []audit.Entry) {
	t.Helper()
	heads, err := s.AuditHeads(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range heads {
		page, err := s.ReadAudit(ctx, h.Stream, 1, 1000)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page...)
	}
	return list
}

// history is a record of three streams with a checkpoint at its end.
func history(t testing.TB) ([]audit.Entry, audit.VerifyOptions) {
	t.Helper()
	db, n := open(t), newNotary(t)
	for i := range 3 {
		w, err := audit.NewWriter(ctx, audit.WriterOptions{Store: db, Now: func() time.Time { return fixed().Add(time.Duration(i) * time.Minute) }})
		if err != nil {
			t.Fatal(err)
		}
		record(t, w, 3+i)
	}
	jws, err := audit.MakeCheckpoint(ctx, db, fixed(), n.sign)
	if err != nil {
		t.Fatal(err)
	}
	o := audit.VerifyOptions{Checkpoints: []string{jws}, Check: n.check}
	if rep := verify(t, db, o); !rep.OK() || rep.Checkpoints != 1 || rep.Streams != 3 {
		t.Fatalf("%+v", rep)
	}
	return all(t, db), o
}

// into writes entries, as they are, into a fresh database.
func into(t fataler, entries []audit.Entry) audit.Store {
	t.Helper()
	db := openDSN(t, ":memory:")
	if err := db.AppendAudit(ctx, entries); err != nil {
		t.Fatal(err)
	}
	return db
}

// hashOf computes the hash of an entry from its definition, as an attacker would.
func hashOf(e audit.Entry) [sha256.Size]byte {
	var b bytes.Buffer
	num := func(n int64) {
		b.Write([]byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	b.WriteString("postern audit entry 1\n")
	num(int64(len(e.Stream)))
	b.WriteString(e.Stream)
	num(e.Seq)
	num(e.At.UnixMicro())
	b.Write(e.Prev[:])
	num(int64(len(e.Body)))
	b.Write(e.Body)
	return sha256.Sum256(b.Bytes())
}

// Any single change of any entry is found.
func TestAnyChangeIsFound(t *testing.T) {
	entries, o := history(t)
	for _, e := range entries {
		if hashOf(e) != e.Hash {
			t.Fatal("the hash is not what its definition says")
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		bent := slices.Clone(entries)
		i := rapid.IntRange(0, len(bent)-1).Draw(t, "entry")
		e := bent[i]
		inDatabase := true // duplicates and disorder exist in exports only
		switch act := rapid.SampledFrom([]string{"body", "body and hash", "at", "user", "type", "prev", "hash", "seq", "remove", "truncate", "stream", "move", "duplicate", "remove stream", "bit of body"}).Draw(t, "act"); act {
		case "body", "body and hash":
			e.Body = bytes.Replace(e.Body, []byte(`"ok"`), []byte(`"failed"`), 1)
			if act != "body" {
				e.Hash = hashOf(e)
			}
			bent[i] = e
		case "bit of body":
			e.Body = slices.Clone(e.Body)
			e.Body[rapid.IntRange(0, len(e.Body)-1).Draw(t, "byte")] ^= 1
			bent[i] = e
		case "at":
			bent[i].At = e.At.Add(time.Duration(rapid.Int64Range(1, 1e12).Draw(t, "by")) * time.Microsecond)
		case "user":
			bent[i].User += "x"
		case "type":
			bent[i].Type += "x"
		case "prev":
			bent[i].Prev[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		case "hash":
			bent[i].Hash[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		case "seq":
			bent[i].Seq += rapid.Int64Range(100, 1000).Draw(t, "by")
		case "remove":
			bent = slices.Delete(bent, i, i+1)
		case "truncate": // the end of a stream, with everything after e
			bent = slices.DeleteFunc(bent, func(x audit.Entry) bool { return x.Stream == e.Stream && x.Seq >= e.Seq })
		case "stream":
			bent[i].Stream += "x"
		case "remove stream":
			bent = slices.DeleteFunc(bent, func(x audit.Entry) bool { return x.Stream == e.Stream })
		case "duplicate":
			bent, inDatabase = slices.Insert(bent, i, e), false
		case "move":
			j := rapid.IntRange(0, len(bent)-1).Filter(func(j int) bool { return bent[j].Stream == e.Stream && j != i }).Draw(t, "to")
			bent[i], bent[j], inDatabase = bent[j], bent[i], false
		}
		rep, err := audit.VerifyExport(bytes.NewReader(lines(t, bent)), o)
		if err != nil {
			t.Fatal(err)
		}
		if rep.OK() {
			t.Fatalf("not found in an export")
		}
		if inDatabase && rapid.IntRange(0, 3).Draw(t, "in a database too") == 0 { // costs a database
			db := into(t, bent)
			rep := verify(t, db, o)
			_ = db.(interface{ Close() error }).Close()
			if rep.OK() {
				t.Fatalf("not found in a database")
			}
		}
	})
}

// lines is entries in the form of an export.
func lines(t fataler, entries []audit.Entry) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, e := range entries {
		text, err := json.Marshal(map[string]any{"stream": e.Stream, "seq": e.Seq, "at": e.At.UnixMicro(), "ip": e.IP, "ip_salt": hex.EncodeToString(e.Salt), "prev": hex.EncodeToString(e.Prev[:]),
			"hash": hex.EncodeToString(e.Hash[:]), "user": e.User, "type": e.Type, "body": string(e.Body)})
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(text, '\n'))
	}
	return out.Bytes()
}

// An attacker who can write everything, and computes the chain anew, is found by what stands outside: other streams or a checkpoint.
func TestFaultsAreNamed(t *testing.T) {
	entries, o := history(t)
	first, last := entries[0].Stream, entries[len(entries)-1].Stream
	of := func(stream string) func(audit.Entry) bool {
		return func(e audit.Entry) bool { return e.Stream == stream }
	}
	rechain := func(list []audit.Entry) []audit.Entry {
		for i := range list {
			if list[i].Prev = [sha256.Size]byte{}; i > 0 && list[i-1].Stream == list[i].Stream {
				list[i].Prev = list[i-1].Hash
			}
			list[i].Hash = hashOf(list[i])
		}
		return list
	}
	alone := audit.VerifyOptions{}
	for _, tt := range []struct {
		name string
		bend func([]audit.Entry) []audit.Entry
		o    audit.VerifyOptions
		want string
	}{
		{"nothing", func(l []audit.Entry) []audit.Entry { return l }, o, ""},
		{"altered", func(l []audit.Entry) []audit.Entry {
			l[1].Body = []byte(`{"type":"session.started","outcome":"denied","user":"ann"}`)
			return l
		}, alone, audit.FaultAltered},
		{"no JSON", func(l []audit.Entry) []audit.Entry { l[1].Body = []byte(`{`); return rechain(l) }, alone, audit.FaultAltered},
		{"user hidden", func(l []audit.Entry) []audit.Entry { l[1].User = ""; return l }, alone, audit.FaultColumns},
		{"one removed", func(l []audit.Entry) []audit.Entry { return slices.Delete(l, 1, 2) }, alone, audit.FaultGap},
		{"the first removed", func(l []audit.Entry) []audit.Entry { return slices.Delete(l, 0, 1) }, alone, audit.FaultGap},
		{"a stream removed that a later one names", func(l []audit.Entry) []audit.Entry { return slices.DeleteFunc(l, of(first)) }, alone, audit.FaultRemoved},
		{"a stream cut that a later one names", func(l []audit.Entry) []audit.Entry { return slices.Delete(l, 3, 4) }, alone, audit.FaultTruncated},
		{"a stream made anew that a later one names", func(l []audit.Entry) []audit.Entry { l[1].At = l[1].At.Add(time.Hour); return rechain(l) }, alone, audit.FaultRewritten},
		{"the last stream removed", func(l []audit.Entry) []audit.Entry { return slices.DeleteFunc(l, of(last)) }, o, audit.FaultRemoved},
		{"the last stream cut", func(l []audit.Entry) []audit.Entry { return l[:len(l)-1] }, o, audit.FaultTruncated},
		{"the last stream made anew", func(l []audit.Entry) []audit.Entry { l[len(l)-1].At = fixed().Add(time.Hour); return rechain(l) }, o, audit.FaultRewritten},
		{"everything removed", func([]audit.Entry) []audit.Entry { return nil }, o, audit.FaultRemoved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bent := tt.bend(slices.Clone(entries))
			rep, err := audit.VerifyExport(bytes.NewReader(lines(t, bent)), tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := verify(t, into(t, bent), tt.o); fmt.Sprint(kinds(got)) != fmt.Sprint(kinds(rep)) {
				t.Errorf("database %+v\nexport %+v", got, rep)
			}
			if tt.want == "" && !rep.OK() || tt.want != "" && !slices.Contains(kinds(rep), tt.want) {
				t.Errorf("%+v; want %s", rep, tt.want)
			}
		})
	}
}

func kinds(rep audit.Report) (list []string) {
	for _, f := range rep.Faults {
		list = append(list, f.Kind)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestCheckpointsAreChecked(t *testing.T) {
	entries, o := history(t)
	good := o.Checkpoints[0]
	other := newNotary(t)
	forged, err := other.sign(ctx, []byte(`{"at":"2026-03-01T12:00:00Z","heads":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	empty, err := audit.MakeCheckpoint(ctx, into(t, nil), fixed(), other.sign)
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Split(good, ".")
	part[1] = base64.RawURLEncoding.EncodeToString([]byte(`{"at":"2026-03-01T12:00:00Z","heads":[]}`))
	for _, tt := range []struct {
		name string
		list []string
		ok   int
		want int // faults
	}{
		{"good", []string{good}, 1, 0},
		{"twice", []string{good, good}, 2, 0},
		{"by another key", []string{forged, good}, 1, 1},
		{"altered", []string{strings.Join(part, ".")}, 0, 1},
		{"no JWS", []string{"x", ""}, 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rep := verify(t, into(t, entries), audit.VerifyOptions{Checkpoints: tt.list, Check: o.Check})
			if rep.Checkpoints != tt.ok || rep.FaultCount != tt.want {
				t.Errorf("%+v", rep)
			}
		})
	}
	if rep := verify(t, into(t, nil), audit.VerifyOptions{Checkpoints: []string{empty}, Check: other.check}); !rep.OK() || rep.Checkpoints != 1 {
		t.Errorf("an empty record: %+v", rep)
	}
	if _, err := audit.Verify(ctx, into(t, nil), audit.VerifyOptions{Checkpoints: []string{good}}); err == nil {
		t.Error("verifies checkpoints without a way to check them")
	}
	broken := errors.New("no key")
	if _, err := audit.MakeCheckpoint(ctx, into(t, nil), fixed(), func(context.Context, []byte) (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
