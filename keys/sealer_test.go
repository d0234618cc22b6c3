package keys_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/keys"
)

var ctx = context.Background()

func TestSealAndOpen(t *testing.T) {
	c := newClock()
	s := newSealer(t, open(t, c.Now), c.Now, newMaster(t))
	for _, plain := range [][]byte{nil, []byte("seed"), bytes.Repeat([]byte("x"), 1<<16)} {
		sealed, err := s.Seal("totp", plain)
		if err != nil || len(sealed) != len(plain)+37 {
			t.Fatal(err, len(sealed))
		}
		if got, err := s.Open("totp", sealed); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%x %v", got, err)
		}
		if _, err := s.Open("totp2", sealed); !errors.Is(err, keys.ErrSealed) {
			t.Errorf("opens for another purpose: %v", err)
		}
		for _, i := range []int{0, 1, 8, 9, 20, 21, len(sealed) - 1} {
			bent := slices.Clone(sealed)
			bent[i] ^= 1
			if _, err := s.Open("totp", bent); !errors.Is(err, keys.ErrSealed) {
				t.Errorf("opens with byte %d altered: %v", i, err)
			}
		}
		if again, _ := s.Seal("totp", plain); bytes.Equal(again, sealed) {
			t.Error("a nonce was used twice")
		}
	}
}

func TestRotateSealer(t *testing.T) {
	c := newClock()
	db := open(t, c.Now)
	old, fresh := newMaster(t), newMaster(t)
	before := newSealer(t, db, c.Now, old)
	sealed, _ := before.Seal("p", []byte("secret"))

	if _, err := keys.NewSealer(ctx, keys.SealerOptions{Store: db, Masters: []keys.Master{fresh}, Now: c.Now}); err == nil || !strings.Contains(err.Error(), old.ID()) {
		t.Fatalf("a missing master is not named: %v", err)
	}
	c.Add(time.Minute)
	both := newSealer(t, db, c.Now, fresh, old)
	if err := both.Rotate(ctx); err != nil {
		t.Fatal(err)
	}
	after := newSealer(t, db, c.Now, fresh) // the old one can go
	for name, s := range map[string]*keys.Sealer{"before": before, "both": both, "after": after} {
		if got, err := s.Open("p", sealed); err != nil || string(got) != "secret" {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	newer, _ := both.Seal("p", []byte("newer"))
	if bytes.Equal(newer[:9], sealed[:9]) {
		t.Error("still seals with the old data key")
	}
	// another node that has not reloaded, and holds both masters, opens it at once
	node := newSealer(t, db, c.Now, fresh)
	if err := both.Rotate(ctx); err != nil {
		t.Fatal(err)
	}
	newest, _ := both.Seal("p", []byte("newest"))
	if got, err := node.Open("p", newest); err != nil || string(got) != "newest" {
		t.Errorf("another node: %q %v", got, err)
	}
	keep, _ := db.DataKeys(ctx)
	for _, d := range keep {
		if d.Master != fresh.ID() {
			t.Errorf("data key %s is still under %s", d.ID, d.Master)
		}
	}
}

func TestSealersThatStartAtOnceAgree(t *testing.T) {
	c := newClock()
	db, m := open(t, c.Now), newMaster(t)
	all := make([]*keys.Sealer, 8)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i] = newSealer(t, db, c.Now, m) })
	}
	wg.Wait()
	for i, a := range all {
		sealed, _ := a.Seal("p", []byte{byte(i)})
		for j, b := range all {
			if _, err := b.Open("p", sealed); err != nil {
				t.Errorf("%d cannot open what %d sealed: %v", j, i, err)
			}
		}
		if err := a.Reload(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range all[1:] {
		if !bytes.Equal(s.Derive("x")[0], all[0].Derive("x")[0]) {
			t.Error("they make with different secrets")
		}
	}
}

func TestDerive(t *testing.T) {
	c := newClock()
	db, m := open(t, c.Now), newMaster(t)
	s := newSealer(t, db, c.Now, m)
	first := s.Derive("csrf")
	if len(first) != 1 || len(first[0]) != 32 || bytes.Equal(first[0], s.Derive("other")[0]) {
		t.Fatalf("%x", first)
	}
	c.Add(time.Hour)
	if err := s.Rotate(ctx); err != nil {
		t.Fatal(err)
	}
	if got := s.Derive("csrf"); len(got) != 2 || !bytes.Equal(got[0], first[0]) {
		t.Error("a new data key comes first although other nodes cannot have it yet")
	}
	c.Add(10 * time.Second)
	if got := s.Derive("csrf"); len(got) != 2 || !bytes.Equal(got[1], first[0]) {
		t.Error("a new data key does not come first in time")
	}
}

func TestParseMaster(t *testing.T) {
	key := []byte("0123456789abcdef0123456789abcd?>")
	want, _ := keys.LocalMaster(key)
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"base64 with prefix", "base64:" + base64.StdEncoding.EncodeToString(key), true},
		{"base64", base64.StdEncoding.EncodeToString(key), true},
		{"base64url without padding, line break", " " + base64.RawURLEncoding.EncodeToString(key) + "\n", true},
		{"hexadecimal", hex.EncodeToString(key), true},
		{"hexadecimal, upper case", strings.ToUpper(hex.EncodeToString(key)), true},
		{"empty", " \n", false},
		{"only the prefix", "base64:", false},
		{"short", base64.StdEncoding.EncodeToString(key[:16]), false},
		{"long", base64.StdEncoding.EncodeToString(append(key, 1)), false},
		{"a password", "correct horse battery staple", false},
		{"zeroes", strings.Repeat("00", 32), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := keys.ParseMaster(tt.text)
			if tt.ok != (err == nil) {
				t.Fatal(err)
			}
			if tt.ok && m.ID() != want.ID() {
				t.Errorf("%s; want %s", m.ID(), want.ID())
			}
			if !tt.ok && len(strings.TrimSpace(tt.text)) > 10 && strings.Contains(err.Error(), strings.TrimSpace(tt.text)) {
				t.Errorf("the error repeats it: %v", err)
			}
		})
	}
	if strings.Contains(want.ID(), hex.EncodeToString(key[:4])) {
		t.Error("the ID shows the key")
	}
}

func FuzzSealerOpen(f *testing.F) {
	c := newClock()
	s := newSealer(f, open(f, c.Now), c.Now, newMaster(f))
	good, _ := s.Seal("totp", []byte("seed"))
	f.Add("totp", good)
	f.Add("", []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, purpose string, sealed []byte) {
		plain, err := s.Open(purpose, sealed)
		if err == nil && (purpose != "totp" || string(plain) != "seed") {
			t.Fatalf("opened %x for %q", sealed, purpose)
		}
	})
}
