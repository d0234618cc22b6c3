package keys_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/postern-id/postern/keys"
)

var ecAlgs = []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"}

func encRing(t fataler, st keys.Store, s *keys.Sealer, now func() time.Time, encAlgs ...string) *keys.Ring {
	t.Helper()
	r, err := keys.NewRing(ctx, keys.RingOptions{Store: st, Sealer: s, Use: "token", Algs: []string{keys.EdDSA}, EncAlgs: encAlgs, Now: now, Every: every, Ahead: ahead, Overlap: overlap})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func freshEncRing(t testing.TB, encAlgs ...string) *keys.Ring {
	t.Helper()
	c := newClock()
	db := open(t, c.Now)
	return encRing(t, db, newSealer(t, db, c.Now, newMaster(t)), c.Now, encAlgs...)
}

// published is what a client has that fetched the JWKS now.
func published(t fataler, r *keys.Ring) *keys.Set {
	t.Helper()
	body, _ := r.JWKS()
	s, err := keys.ParseSet(body)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encryptTo(t fataler, s *keys.Set, alg string) string {
	t.Helper()
	token, err := s.Encrypt(alg, "A128GCM", "JWT", []byte("a.b.c"))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRingOpensWhatClientsEncrypt(t *testing.T) {
	r := freshEncRing(t, keys.EncryptionAlgs...)
	set := published(t, r)
	for _, alg := range keys.EncryptionAlgs {
		for _, enc := range keys.EncryptionEncs {
			token, err := set.Encrypt(alg, enc, "JWT", []byte("a.b.c"))
			if err != nil {
				t.Fatal(err)
			}
			payload, gotAlg, gotEnc, err := r.Decrypt(token, keys.ExpectEnc{})
			if err != nil || string(payload) != "a.b.c" || gotAlg != alg || gotEnc != enc {
				t.Errorf("%s %s: %q %s %s %v", alg, enc, payload, gotAlg, gotEnc, err)
			}
			for name, e := range map[string]keys.ExpectEnc{
				"another alg": {Algs: slices.DeleteFunc(slices.Clone(keys.EncryptionAlgs), func(a string) bool { return a == alg })},
				"another enc": {Encs: slices.DeleteFunc(slices.Clone(keys.EncryptionEncs), func(a string) bool { return a == enc })},
			} {
				if _, _, _, err := r.Decrypt(token, e); !errors.Is(err, keys.ErrRefused) {
					t.Errorf("%s %s where %s was expected: %v", alg, enc, name, err)
				}
			}
		}
	}
}

// What is not asked for is not made, not published and not opened.
func TestEncryptionIsOffByDefault(t *testing.T) {
	r := freshEncRing(t)
	if got := states(r); !slices.Equal(got, []string{"EdDSA active", "EdDSA next"}) || len(r.EncAlgs()) != 0 {
		t.Errorf("%v", got)
	}
	other := published(t, freshEncRing(t, ecAlgs...))
	if _, _, _, err := r.Decrypt(encryptTo(t, other, "ECDH-ES"), keys.ExpectEnc{}); !errors.Is(err, keys.ErrRefused) {
		t.Error(err)
	}
	ec := freshEncRing(t, "ECDH-ES")
	if got := states(ec); !slices.Equal(got, []string{"ECDH-ES active", "ECDH-ES next", "EdDSA active", "EdDSA next"}) {
		t.Errorf("%v", got)
	}
	if _, _, _, err := ec.Decrypt(encryptTo(t, published(t, ec), "ECDH-ES+A128KW"), keys.ExpectEnc{}); !errors.Is(err, keys.ErrRefused) {
		t.Errorf("an alg that its key serves, but that is switched off: %v", err)
	}
}

func TestRingRefusesEncAlgs(t *testing.T) {
	c := newClock()
	db := open(t, c.Now)
	o := keys.RingOptions{Store: db, Sealer: newSealer(t, db, c.Now, newMaster(t)), Use: "token", Algs: []string{keys.EdDSA}, Now: c.Now, Overlap: overlap}
	for _, algs := range [][]string{{"RSA1_5"}, {"dir"}, {""}, {"ECDH-ES", "ECDH-ES"}} {
		o.EncAlgs = algs
		if _, err := keys.NewRing(ctx, o); err == nil {
			t.Errorf("takes %q", algs)
		}
	}
	o.Use, o.EncAlgs = "audit", []string{"ECDH-ES"}
	if _, err := keys.NewRing(ctx, o); err == nil {
		t.Error("a ring of checkpoints that decrypts")
	}
}

func TestEncryptionKeysInTheJWKS(t *testing.T) {
	r := freshEncRing(t, append([]string{"RSA-OAEP-256"}, ecAlgs...)...)
	body, _ := r.JWKS()
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{"RSA": {"e", "kid", "kty", "n", "use"}, "EC": {"crv", "kid", "kty", "use", "x", "y"}}
	var kinds []string
	for i, k := range set.Keys {
		if k["use"] != "enc" {
			continue
		}
		kinds = append(kinds, k["kty"].(string))
		if got := slices.Sorted(maps.Keys(k)); !slices.Equal(got, members[k["kty"].(string)]) {
			t.Errorf("members %v", got)
		}
		if i == 0 {
			t.Error("a key for encryption stands first")
		}
	}
	if !slices.Equal(kinds, []string{"RSA", "EC"}) { // the active ones alone
		t.Errorf("%v in %s", kinds, body)
	}
	if !slices.Equal(r.Algs(), []string{keys.EdDSA}) || published(t, r).Len() != 2 {
		t.Errorf("signs with %v, %d keys verify", r.Algs(), published(t, r).Len())
	}
}

func TestLifeOfAnEncryptionKey(t *testing.T) {
	const ec = "ECDH-ES"
	first := func(r *keys.Ring, s keys.State) string {
		for _, rec := range r.List() {
			if rec.Alg == ec && rec.State == s {
				if rec.Use != "enc" || rec.Sealed != nil {
					t.Errorf("record %+v", rec)
				}
				return rec.ID
			}
		}
		return ""
	}
	for _, tt := range []struct {
		name    string
		act     func(r *keys.Ring, c *clock) error
		changed bool  // another key is published
		old     error // of a token encrypted before
	}{
		{"nothing", func(r *keys.Ring, c *clock) error { return r.Tick(ctx) }, false, nil},
		{"rotate", func(r *keys.Ring, c *clock) error { return r.Rotate(ctx, ec) }, true, nil},
		{"rotate by an alg of the key", func(r *keys.Ring, c *clock) error { return r.Rotate(ctx, "ECDH-ES+A256KW") }, true, nil},
		{"rotate what signs", func(r *keys.Ring, c *clock) error { return r.Rotate(ctx, "") }, false, nil},
		{"retire active", func(r *keys.Ring, c *clock) error { return r.Retire(ctx, first(r, keys.Active)) }, true, nil},
		{"remove active", func(r *keys.Ring, c *clock) error { return r.Remove(ctx, first(r, keys.Active)) }, true, keys.ErrNoKey},
		{"remove next", func(r *keys.Ring, c *clock) error { return r.Remove(ctx, first(r, keys.Next)) }, false, nil},
		{"in its time", func(r *keys.Ring, c *clock) error { c.Add(every); return r.Tick(ctx) }, true, nil},
		{"within the overlap", func(r *keys.Ring, c *clock) error {
			err := r.Rotate(ctx, ec)
			c.Add(overlap - time.Second)
			return errors.Join(err, r.Tick(ctx))
		}, true, nil},
		{"after the overlap", func(r *keys.Ring, c *clock) error {
			err := r.Rotate(ctx, ec)
			c.Add(overlap)
			return errors.Join(err, r.Tick(ctx))
		}, true, keys.ErrNoKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			db := open(t, c.Now)
			s := newSealer(t, db, c.Now, newMaster(t))
			r := encRing(t, db, s, c.Now, ecAlgs...)
			active, next := first(r, keys.Active), first(r, keys.Next)
			old := encryptTo(t, published(t, r), ec)
			if err := tt.act(r, c); err != nil {
				t.Fatal(err)
			}
			if now := first(r, keys.Active); now != active && now != next || (now != active) != tt.changed || first(r, keys.Next) == "" {
				t.Errorf("%s is active, after %s and %s", now, active, next)
			}
			body, _ := r.JWKS()
			if n := bytes.Count(body, []byte(`"use":"enc"`)); n != 1 || !bytes.Contains(body, []byte(first(r, keys.Active))) {
				t.Errorf("%d keys published in %s", n, body)
			}
			again := encRing(t, db, s, c.Now, ecAlgs...) // a node that starts later
			for name, node := range map[string]*keys.Ring{"this node": r, "another": again} {
				if _, _, _, err := node.Decrypt(old, keys.ExpectEnc{}); !errors.Is(err, tt.old) {
					t.Errorf("%s: the old token: %v; want %v", name, err, tt.old)
				}
				if _, _, _, err := node.Decrypt(encryptTo(t, published(t, r), ec), keys.ExpectEnc{}); err != nil {
					t.Errorf("%s: a new token: %v", name, err)
				}
			}
		})
	}
}

// A node that has not heard of a rotation yet opens what was encrypted to the new key.
func TestNodesOpenAheadOfNews(t *testing.T) {
	c := newClock()
	db, m := open(t, c.Now), newMaster(t)
	a := encRing(t, db, newSealer(t, db, c.Now, m), c.Now, ecAlgs...)
	b := encRing(t, db, newSealer(t, db, c.Now, m), c.Now, ecAlgs...)
	if err := a.Rotate(ctx, "ECDH-ES"); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := b.Decrypt(encryptTo(t, published(t, a), "ECDH-ES"), keys.ExpectEnc{}); err != nil {
		t.Error(err)
	}
}

// Encryption that is switched off leaves its keys in reach of whoever wants to remove them.
func TestKeysOutliveTheirSetting(t *testing.T) {
	c := newClock()
	db := open(t, c.Now)
	s := newSealer(t, db, c.Now, newMaster(t))
	on := encRing(t, db, s, c.Now, ecAlgs...)
	off := encRing(t, db, s, c.Now)
	if published(t, off).HasEncryption("ECDH-ES") {
		t.Error("published although switched off")
	}
	for _, rec := range on.List() {
		if rec.Use == "enc" {
			if err := off.Remove(ctx, rec.ID); err != nil {
				t.Error(err)
			}
		}
	}
	if got := states(off); !slices.Equal(got, []string{"EdDSA active", "EdDSA next"}) {
		t.Errorf("%v", got)
	}
	audit, err := keys.NewRing(ctx, keys.RingOptions{Store: db, Sealer: s, Use: "audit", Algs: []string{keys.ES256}, Now: c.Now, Overlap: overlap})
	if err != nil {
		t.Fatal(err)
	}
	_ = encRing(t, db, s, c.Now, ecAlgs...)
	if err := audit.Tick(ctx); err != nil || len(audit.List()) != 2 {
		t.Errorf("%v: the ring of checkpoints has %v", err, states(audit))
	}
}

// Whoever can write to the database can neither publish a key nor turn one that signs into one that decrypts.
func TestEncryptionKeysCannotBeSmuggledIn(t *testing.T) {
	c := newClock()
	db := open(t, c.Now)
	r := encRing(t, db, newSealer(t, db, c.Now, newMaster(t)), c.Now, ecAlgs...)
	before, _ := r.JWKS()
	all, _ := db.SigningKeys(ctx)
	for _, rec := range all {
		bent := rec
		if bent.Use = "enc"; rec.Use == "enc" {
			bent.Use, bent.Alg = "token", keys.ES256
		}
		renamed := rec
		renamed.ID, renamed.State = "evil", keys.Active
		for name, b := range map[string]keys.Record{"another use": bent, "another kid": renamed} {
			rev, _ := db.KeysRevision(ctx)
			if err := db.ApplyKeys(ctx, rev, []keys.Record{b}, nil); err != nil {
				t.Fatal(err)
			}
			if err := r.Tick(ctx); err == nil {
				t.Errorf("%s %s as one of %s: taken", rec.Use, rec.State, name)
			}
			if body, _ := r.JWKS(); !bytes.Equal(body, before) {
				t.Errorf("publishes %s", body)
			}
			rev, _ = db.KeysRevision(ctx)
			if err := db.ApplyKeys(ctx, rev, []keys.Record{rec}, []string{"evil"}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestDecryptWhileKeysRotate(t *testing.T) {
	r := freshEncRing(t, ecAlgs...)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, _, err := r.Decrypt(encryptTo(t, published(t, r), "ECDH-ES"), keys.ExpectEnc{}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 10 {
		time.Sleep(10 * time.Millisecond)
		if err := r.Rotate(ctx, "ECDH-ES"); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// rewrite replaces part i of token by what f makes of its bytes.
func rewrite(t testing.TB, token string, i int, f func([]byte) []byte) string {
	t.Helper()
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	parts[i] = base64.RawURLEncoding.EncodeToString(f(raw))
	return strings.Join(parts, ".")
}

func flip(b []byte) []byte { b[len(b)-1] ^= 1; return b }

// header replaces members of the header, or takes them away where v is nil; the token is then no longer authentic.
func withHeader(t testing.TB, token string, members map[string]any) string {
	return rewrite(t, token, 0, func(text []byte) []byte {
		h := map[string]any{}
		if err := json.Unmarshal(text, &h); err != nil {
			t.Fatal(err)
		}
		for name, v := range members {
			h[name] = v
			if v == nil {
				delete(h, name)
			}
		}
		text, _ = json.Marshal(h)
		return text
	})
}

func TestDecryptRefuses(t *testing.T) {
	r := freshEncRing(t, keys.EncryptionAlgs...)
	set := published(t, r)
	token := func(alg, enc string) string {
		s, err := set.Encrypt(alg, enc, "", bytes.Repeat([]byte("x"), 40))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	es, kw, oaep, cbc := token("ECDH-ES", "A128GCM"), token("ECDH-ES+A128KW", "A256GCM"), token("RSA-OAEP-256", "A128GCM"), token("ECDH-ES", "A256CBC-HS512")
	stranger := encryptTo(t, published(t, freshEncRing(t, ecAlgs...)), "ECDH-ES")
	body, _ := r.JWKS()
	pub, _ := jwk.Parse(body)
	var raw any
	for i := range pub.Len() {
		if k, _ := pub.Key(i); k.KeyUsage() == "enc" && k.KeyType() == jwa.EC {
			_ = k.Raw(&raw)
		}
	}
	bomb, err := jwe.Encrypt(make([]byte, 8<<20), jwe.WithKey(jwa.ECDH_ES, raw), jwe.WithCompress(jwa.Deflate), jwe.WithContentEncryption(jwa.A128GCM))
	if err != nil || len(bomb) > 16<<10 {
		t.Fatal(err, len(bomb))
	}
	zero := strings.Repeat("A", 43)
	epk := func(members string) string {
		return withHeader(t, es, map[string]any{"epk": json.RawMessage(members)})
	}
	pbes2 := `{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":1000000000,"p2s":"AAAAAAAAAAA"}`
	for _, tt := range []struct {
		name, token string
		want        error
	}{
		{"alg RSA1_5", withHeader(t, oaep, map[string]any{"alg": "RSA1_5"}), keys.ErrRefused},
		{"alg dir", withHeader(t, es, map[string]any{"alg": "dir"}), keys.ErrRefused},
		{"alg none", withHeader(t, es, map[string]any{"alg": "none"}), keys.ErrRefused},
		{"alg A128KW", withHeader(t, kw, map[string]any{"alg": "A128KW"}), keys.ErrRefused},
		{"alg of another case", withHeader(t, es, map[string]any{"alg": "ecdh-es"}), keys.ErrRefused},
		{"alg absent", withHeader(t, es, map[string]any{"alg": nil}), keys.ErrRefused},
		{"alg no string", withHeader(t, es, map[string]any{"alg": []string{"ECDH-ES"}}), keys.ErrRefused},
		{"PBES2 of 10^9 rounds", rewrite(t, kw, 0, func([]byte) []byte { return []byte(pbes2) }), keys.ErrRefused},
		{"enc absent", withHeader(t, es, map[string]any{"enc": nil}), keys.ErrRefused},
		{"enc A192GCM", withHeader(t, es, map[string]any{"enc": "A192GCM"}), keys.ErrRefused},
		{"zip bomb", string(bomb), keys.ErrRefused},
		{"zip none", withHeader(t, es, map[string]any{"zip": "none"}), keys.ErrRefused},
		{"crit", withHeader(t, es, map[string]any{"crit": []string{"exp"}}), keys.ErrRefused},
		{"duplicate member", rewrite(t, es, 0, func(b []byte) []byte { return append(bytes.TrimSuffix(b, []byte("}")), `,"alg":"ECDH-ES"}`...) }), keys.ErrMalformed},
		{"a JWS", "e30.e30.e30", keys.ErrMalformed},
		{"six parts", es + ".e30", keys.ErrMalformed},
		{"empty", "", keys.ErrMalformed},
		{"dots", "....", keys.ErrMalformed},
		{"JSON serialization", `{"protected":"e30"}`, keys.ErrMalformed},
		{"line break", es[:20] + "\n" + es[20:], keys.ErrMalformed},
		{"padding", es + "==", keys.ErrMalformed},
		{"too long", es + strings.Repeat("A", 24<<10), keys.ErrMalformed},
		{"tag cut", rewrite(t, es, 4, func(b []byte) []byte { return b[:12] }), keys.ErrMalformed},
		{"tag absent", es[:strings.LastIndex(es, ".")+1], keys.ErrMalformed},
		{"border of the tag moved", rewrite(t, rewrite(t, es, 3, func(b []byte) []byte { return b[:39] }), 4, func(b []byte) []byte { return append([]byte{0}, b...) }), keys.ErrMalformed},
		{"iv of another length", rewrite(t, es, 2, func(b []byte) []byte { return b[:8] }), keys.ErrMalformed},
		{"ECDH-ES with a wrapped key", rewrite(t, es, 1, func([]byte) []byte { return make([]byte, 24) }), keys.ErrMalformed},
		{"wrapped key of another length", rewrite(t, kw, 1, func(b []byte) []byte { return b[:24] }), keys.ErrMalformed},
		{"kid of nobody", withHeader(t, es, map[string]any{"kid": "nobody"}), keys.ErrNoKey},
		{"kid of the other type", withHeader(t, es, map[string]any{"kid": kidIn(t, oaep)}), keys.ErrNoKey},
		{"kid empty", withHeader(t, es, map[string]any{"kid": ""}), keys.ErrNoKey},
		{"another server's", stranger, keys.ErrNoKey},
		{"another server's without kid", withHeader(t, stranger, map[string]any{"kid": nil}), keys.ErrDecrypt},
		{"header changed", withHeader(t, es, map[string]any{"cty": "x"}), keys.ErrDecrypt},
		{"tag", rewrite(t, es, 4, flip), keys.ErrDecrypt},
		{"tag of CBC", rewrite(t, cbc, 4, flip), keys.ErrDecrypt},
		{"ciphertext", rewrite(t, es, 3, flip), keys.ErrDecrypt},
		{"padding of CBC", rewrite(t, cbc, 3, flip), keys.ErrDecrypt},
		{"half a block of CBC", rewrite(t, cbc, 3, func(b []byte) []byte { return b[:8] }), keys.ErrDecrypt},
		{"no block of CBC", rewrite(t, cbc, 3, func(b []byte) []byte { return nil }), keys.ErrDecrypt},
		{"iv", rewrite(t, es, 2, flip), keys.ErrDecrypt},
		{"wrapped key", rewrite(t, kw, 1, flip), keys.ErrDecrypt},
		{"wrapped key of RSA", rewrite(t, oaep, 1, flip), keys.ErrDecrypt},
		{"wrapped key of RSA cut", rewrite(t, oaep, 1, func(b []byte) []byte { return b[:100] }), keys.ErrDecrypt},
		{"wrapped key of RSA absent", rewrite(t, oaep, 1, func(b []byte) []byte { return nil }), keys.ErrDecrypt},
		{"wrapped key beyond the modulus", rewrite(t, oaep, 1, func(b []byte) []byte { return bytes.Repeat([]byte{0xff}, 256) }), keys.ErrDecrypt},
		{"SHA-1 where SHA-256 was meant", withHeader(t, oaep, map[string]any{"alg": "RSA-OAEP"}), keys.ErrDecrypt},
		{"epk absent", withHeader(t, es, map[string]any{"epk": nil}), keys.ErrDecrypt},
		{"epk no object", epk(`"x"`), keys.ErrDecrypt},
		{"epk null", epk(`null`), keys.ErrDecrypt},
		{"epk of nothing", epk(`{}`), keys.ErrDecrypt},
		{"epk off the curve", epk(fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, "A"+zero[:41]+"Q", zero)), keys.ErrDecrypt},
		{"epk at zero", epk(fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, zero, zero)), keys.ErrDecrypt},
		{"epk of P-384", epk(`{"kty":"EC","crv":"P-384","x":"uBo4kHPw6kbjx5l0xowrd_oYzBmaz-GKFZu4xAFFkbYiWgutEK6iuEDsQ6wNdNg3","y":"sp3p5SGhZVC2faXumI-e9JU2Mo8KpoYrFDr5yPNVtW4PgEwZOyQTA-JdaY8tb7E0"}`), keys.ErrDecrypt},
		{"epk of X25519", epk(fmt.Sprintf(`{"kty":"OKP","crv":"X25519","x":%q}`, "C"+zero[:42])), keys.ErrDecrypt},
		{"epk of RSA", epk(`{"kty":"RSA","n":"AQAB","e":"AQAB"}`), keys.ErrDecrypt},
		{"epk symmetric", epk(`{"kty":"oct","k":"AAAA"}`), keys.ErrDecrypt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			payload, alg, enc, err := r.Decrypt(tt.token, keys.ExpectEnc{})
			if !errors.Is(err, tt.want) || payload != nil || alg != "" || enc != "" {
				t.Errorf("%v, %q %s %s; want %v", err, payload, alg, enc, tt.want)
			}
			if tt.want == keys.ErrDecrypt && err != keys.ErrDecrypt {
				t.Errorf("says more than it should: %v", err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	if _, _, _, err := r.Decrypt(es, keys.ExpectEnc{MaxSize: len(es) - 1}); !errors.Is(err, keys.ErrMalformed) {
		t.Errorf("longer than MaxSize: %v", err)
	}
	for _, good := range []string{es, kw, oaep, cbc} {
		if _, _, _, err := r.Decrypt(good, keys.ExpectEnc{MaxSize: len(good)}); err != nil {
			t.Errorf("what all of these were made from: %v", err)
		}
	}
}

func kidIn(t testing.TB, token string) (kid string) {
	rewrite(t, token, 0, func(text []byte) []byte {
		var h struct{ Kid string }
		if err := json.Unmarshal(text, &h); err != nil {
			t.Fatal(err)
		}
		kid = h.Kid
		return text
	})
	return kid
}

// Without a `kid`, every key that fits is tried: also one that was retired.
func TestDecryptWithoutKid(t *testing.T) {
	r := freshEncRing(t, ecAlgs...)
	body, _ := r.JWKS()
	pub, _ := jwk.Parse(body)
	for i := range pub.Len() {
		k, _ := pub.Key(i)
		if k.KeyUsage() != "enc" {
			continue
		}
		var raw any
		_ = k.Raw(&raw)
		token, err := jwe.Encrypt([]byte("x"), jwe.WithKey(jwa.ECDH_ES_A256KW, raw), jwe.WithContentEncryption(jwa.A256CBC_HS512))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, _, _, err := r.Decrypt(string(token), keys.ExpectEnc{}); err != nil || string(got) != "x" {
				t.Errorf("%q %v", got, err)
			}
			if err := r.Rotate(ctx, "ECDH-ES"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	r := freshEncRing(f, keys.EncryptionAlgs...)
	set := published(f, r)
	for i, alg := range keys.EncryptionAlgs {
		token, err := set.Encrypt(alg, keys.EncryptionEncs[i%4], "JWT", []byte("a.b.c"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token)
		f.Add(withHeader(f, token, map[string]any{"kid": nil, "epk": map[string]any{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}}))
		f.Add(withHeader(f, token, map[string]any{"kid": nil, "apu": "QQ", "apv": 1, "jwk": map[string]any{}, "x5c": []string{"AA"}, "p2c": 1e9}))
	}
	f.Add("....")
	f.Fuzz(func(t *testing.T, token string) {
		payload, _, _, err := r.Decrypt(token, keys.ExpectEnc{})
		if err == nil && string(payload) != "a.b.c" {
			t.Fatalf("opened %q", token)
		}
		if err != nil && !errors.Is(err, keys.ErrMalformed) && !errors.Is(err, keys.ErrRefused) && !errors.Is(err, keys.ErrNoKey) && err != keys.ErrDecrypt {
			t.Fatalf("%v", err)
		}
	})
}

func BenchmarkEncrypt(b *testing.B) {
	set := published(b, freshEncRing(b, keys.EncryptionAlgs...))
	for _, alg := range keys.EncryptionAlgs {
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := set.Encrypt(alg, "A256GCM", "JWT", claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecrypt(b *testing.B) {
	r := freshEncRing(b, keys.EncryptionAlgs...)
	set := published(b, r)
	for _, alg := range keys.EncryptionAlgs {
		token, err := set.Encrypt(alg, "A256GCM", "JWT", claims)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, _, err := r.Decrypt(token, keys.ExpectEnc{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
