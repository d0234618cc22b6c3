package did_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
	"github.com/postern-id/postern/did/didtest"
)

// resolveLog serves a log (and the proofs of its witnesses) where its DID says, and resolves it.
func resolveLog(t *testing.T, id string, log, witnesses []byte) (did.Resolution, error) {
	t.Helper()
	in := didtest.NewInternet(t)
	parts := strings.Split(id, ":")
	base := "https://" + strings.ReplaceAll(parts[3], "%3A", ":") + "/" + strings.Join(append(parts[4:], ""), "/")
	if len(parts) == 4 {
		base += ".well-known/"
	}
	in.Page(base+"did.jsonl", string(log))
	if witnesses != nil {
		in.Page(base+"did-witness.json", string(witnesses))
	}
	return did.NewWebVH(func() time.Time { return now }).Resolve(t.Context(), did.ID(id), in.Fetch)
}

func lastID(t *testing.T, log []byte) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	var e struct{ State struct{ ID string } }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &e); err != nil {
		t.Fatal(err)
	}
	return e.State.ID
}

// refusedByTheText are vectors recorded as good which the specification's text refuses, since §3.7.8 lets a new list of witnesses
// become active only after the entry that names it, and every witness be a did:key.
var refusedByTheText = []string{"witness-update/", "witness-threshold/rust"}

func TestWebVHVectors(t *testing.T) {
	logs, err := filepath.Glob("testdata/did-webvh/*/*/did.jsonl")
	if err != nil || len(logs) < 60 {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	for _, name := range logs {
		dir := filepath.Dir(name)
		t.Run(strings.TrimPrefix(dir, "testdata/did-webvh/"), func(t *testing.T) {
			log, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if len(log) == 0 { // its script only names DIDs, which TestWebVHMethod tries
				return
			}
			witnesses, _ := os.ReadFile(dir + "/did-witness.json")
			res, err := resolveLog(t, lastID(t, log), log, witnesses)
			if strings.Contains(dir, "negative-") {
				if err == nil {
					t.Error("resolved")
				}
				return
			}
			if slices.ContainsFunc(refusedByTheText, func(s string) bool { return strings.Contains(dir, s) }) {
				if err == nil || !strings.Contains(err.Error(), "witness") {
					t.Errorf("got %v", err)
				}
				return
			}
			var want struct {
				DIDDocument         struct{ ID string } `json:"didDocument"`
				DIDDocumentMetadata struct {
					VersionID   string `json:"versionId"`
					Deactivated bool
				} `json:"didDocumentMetadata"`
			}
			decode(t, strings.TrimPrefix(dir, "testdata/")+"/resolutionResult.json", &want)
			if err != nil || res.VersionID != want.DIDDocumentMetadata.VersionID || res.Deactivated != want.DIDDocumentMetadata.Deactivated {
				t.Errorf("%v: version %s, want %s", err, res.VersionID, want.DIDDocumentMetadata.VersionID)
			}
		})
	}
}

// author writes logs, rightly unless told otherwise.
type author struct {
	t       *testing.T
	scid    string
	lines   []string
	version string
}

func (a *author) canonical(v any) []byte {
	a.t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		text, err = did.CanonicalJSON(text)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

// keyOf is the multikey of a signer.
func keyOf(s *didtest.Signer) string {
	pub := s.Key.Public().(ed25519.PublicKey)
	return did.Multikey(0xed, pub)
}

func (a *author) proof(doc any, by *didtest.Signer) claims {
	k := keyOf(by)
	p := claims{"type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "verificationMethod": "did:key:" + k + "#" + k, "proofPurpose": "assertionMethod"}
	h1, h2 := sha256.Sum256(a.canonical(p)), sha256.Sum256(a.canonical(doc))
	sig, err := by.Key.Sign(nil, append(h1[:], h2[:]...), crypto.Hash(0))
	if err != nil {
		a.t.Fatal(err)
	}
	p["proofValue"] = "z" + did.Base58Encode(sig)
	return p
}

// add appends an entry; change may spoil it after it was signed.
func (a *author) add(parameters claims, by []*didtest.Signer, change func(claims)) {
	n := len(a.lines) + 1
	e := claims{"versionTime": now.Add(time.Duration(n-100) * time.Hour).UTC().Format(time.RFC3339), "parameters": parameters}
	if n == 1 {
		parameters["method"], parameters["scid"] = "did:webvh:1.0", "{SCID}"
		e["versionId"], e["state"] = "{SCID}", claims{"id": "did:webvh:{SCID}:example.com"}
		a.scid = did.Multihash(a.canonical(e))
		text := strings.ReplaceAll(string(a.canonical(e)), "{SCID}", a.scid)
		e = claims{}
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			a.t.Fatal(err)
		}
		a.version = a.scid
	} else {
		e["state"] = claims{"id": a.id(), "n": n}
	}
	e["versionId"] = a.version
	a.version = strconv.Itoa(n) + "-" + did.Multihash(a.canonical(e))
	e["versionId"] = a.version
	var proofs []any
	for _, s := range by {
		proofs = append(proofs, a.proof(e, s))
	}
	e["proof"] = proofs
	if change != nil {
		change(e)
	}
	a.lines = append(a.lines, string(a.canonical(e)))
}

func (a *author) id() string  { return "did:webvh:" + a.scid + ":example.com" }
func (a *author) log() []byte { return []byte(strings.Join(a.lines, "\n")) }

// J17: whatever may be wrong with a log.
func TestWebVHRefusals(t *testing.T) {
	k1, k2, k3, w1, w2 := didtest.NewSigner(t, "EdDSA"), didtest.NewSigner(t, "EdDSA"), didtest.NewSigner(t, "EdDSA"), didtest.NewSigner(t, "EdDSA"), didtest.NewSigner(t, "EdDSA")
	type signers = []*didtest.Signer
	keys := func(s ...*didtest.Signer) (out []any) {
		for _, k := range s {
			out = append(out, keyOf(k))
		}
		return out
	}
	hash := func(s *didtest.Signer) []any { return []any{did.Multihash([]byte(keyOf(s)))} }
	two := claims{"threshold": 2, "witnesses": []any{claims{"id": "did:key:" + keyOf(w1)}, claims{"id": "did:key:" + keyOf(w2)}}}
	start := func(t *testing.T, more claims) *author {
		a := &author{t: t}
		a.add(with(claims{"updateKeys": keys(k1)}, more), signers{k1}, nil)
		return a
	}
	for _, tt := range []struct {
		name  string
		write func(a *author)
		first claims
		why   string // "": it resolves
	}{
		{"one entry", func(*author) {}, nil, ""},
		{"rotation", func(a *author) {
			a.add(claims{"updateKeys": keys(k2)}, signers{k1}, nil)
			a.add(claims{}, signers{k2}, nil)
		}, nil, ""},
		{"pre-rotation", func(a *author) {
			a.add(claims{"updateKeys": keys(k2), "nextKeyHashes": hash(k3)}, signers{k2}, nil)
			a.add(claims{"updateKeys": keys(k3), "nextKeyHashes": []any{}}, signers{k3}, nil)
			a.add(claims{}, signers{k3}, nil)
		}, claims{"nextKeyHashes": hash(k2)}, ""},
		{"a key of the future", func(a *author) { a.add(claims{"updateKeys": keys(k2)}, signers{k2}, nil) }, nil, "not entitled"},
		{"a key of the past", func(a *author) {
			a.add(claims{"updateKeys": keys(k2)}, signers{k1}, nil)
			a.add(claims{}, signers{k1}, nil)
		}, nil, "not entitled"},
		{"a stranger", func(a *author) { a.add(claims{}, signers{k3}, nil) }, nil, "not entitled"},
		{"one bad proof of two", func(a *author) {
			a.add(claims{}, signers{k1, k1}, func(e claims) {
				p := e["proof"].([]any)[1].(claims)
				p["proofValue"] = "z" + did.Base58Encode(make([]byte, 64))
			})
		}, nil, "does not verify"},
		{"one stranger of two", func(a *author) { a.add(claims{}, signers{k1, k3}, nil) }, nil, "not entitled"},
		{"no proof", func(a *author) { a.add(claims{}, nil, func(e claims) { delete(e, "proof") }) }, nil, "no proof"},
		{"changed afterwards", func(a *author) { a.add(claims{}, signers{k1}, func(e claims) { e["state"].(claims)["n"] = 9 }) }, nil, "chain of hashes"},
		{"an entry left out", func(a *author) {
			a.add(claims{}, signers{k1}, nil)
			a.add(claims{}, signers{k1}, nil)
			a.lines = append(a.lines[:1], a.lines[2:]...)
		}, nil, "count on"},
		{"entries of another log", func(a *author) {
			b := start(a.t, claims{"portable": true})
			b.add(claims{}, signers{k1}, nil)
			a.lines = append(a.lines, b.lines[1])
		}, nil, "chain of hashes"},
		{"time goes back", func(a *author) { a.add(claims{}, signers{k1}, nil); a.lines[1] = a.lines[0] }, nil, "scid"},
		{"key that nobody committed to", func(a *author) { a.add(claims{"updateKeys": keys(k3), "nextKeyHashes": hash(k2)}, signers{k3}, nil) }, claims{"nextKeyHashes": hash(k2)}, "committed"},
		{"pre-rotation without new keys", func(a *author) { a.add(claims{}, signers{k1}, nil) }, claims{"nextKeyHashes": hash(k2)}, "pre-rotation"},
		{"after the deactivation", func(a *author) {
			a.add(claims{"deactivated": true}, signers{k1}, nil)
			a.add(claims{}, signers{k1}, nil)
		}, nil, "deactivation"},
		{"portable later", func(a *author) { a.add(claims{"portable": true}, signers{k1}, nil) }, nil, "portable"},
		{"unknown parameter", func(a *author) { a.add(claims{"x": 1}, signers{k1}, nil) }, nil, "unknown parameter"},
		{"other version", func(a *author) { a.add(claims{"method": "did:webvh:0.5"}, signers{k1}, nil) }, nil, "method"},
		{"threshold beyond its list", func(*author) {}, claims{"witness": with(two, claims{"threshold": 3})}, "witness"},
		{"no witness came", func(*author) {}, claims{"witness": two}, "witnesses"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, tt.first)
			tt.write(a)
			res, err := resolveLog(t, a.id(), a.log(), nil)
			if tt.why == "" {
				if err != nil || res.VersionID != a.version {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("got %v, want %q", err, tt.why)
			}
		})
	}
	t.Run("witnesses", func(t *testing.T) {
		a := start(t, claims{"witness": two})
		first := a.version
		a.add(claims{}, signers{k1}, nil)
		proofs := func(version string, by ...*didtest.Signer) claims {
			var out []any
			for _, s := range by {
				out = append(out, a.proof(claims{"versionId": version}, s))
			}
			return claims{"versionId": version, "proof": out}
		}
		for _, tt := range []struct {
			name  string
			file  []any
			holds bool
		}{
			{"both of the last", []any{proofs(a.version, w1, w2)}, true},
			{"one of the last", []any{proofs(a.version, w1)}, false},
			{"one twice", []any{proofs(a.version, w1, w1)}, false},
			{"only of the first", []any{proofs(first, w1, w2)}, false},
			{"one of each", []any{proofs(first, w1), proofs(a.version, w2)}, false},
			{"of a version that is not there", []any{proofs("3-x", w1, w2)}, false},
			{"by strangers", []any{proofs(a.version, k1, k2)}, false},
			{"a proof of another version", []any{claims{"versionId": a.version, "proof": proofs(first, w1, w2)["proof"]}}, false},
		} {
			if _, err := resolveLog(t, a.id(), a.log(), a.canonical(tt.file)); (err == nil) != tt.holds {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	})
	t.Run("rolled back, deactivated", func(t *testing.T) {
		a := start(t, nil)
		short := a.log()
		a.add(claims{"deactivated": true}, signers{k1}, nil)
		in := didtest.NewInternet(t)
		page := a.log()
		in.Handle("https://example.com/.well-known/did.jsonl", func(w http.ResponseWriter, _ *http.Request) { w.Write(page) })
		m := did.NewWebVH(func() time.Time { return now })
		res, err := m.Resolve(t.Context(), did.ID(a.id()), in.Fetch)
		if err != nil || !res.Deactivated {
			t.Fatal(err)
		}
		clock := func() time.Time { return now }
		r := did.NewResolver(did.ResolverOptions{Methods: []did.Method{did.NewWebVH(clock)}, Now: clock})
		if _, err := r.Key(t.Context(), a.id()+"#k", did.AssertionMethod, in.Fetch); !errors.Is(err, did.ErrDeactivated) {
			t.Errorf("a key of a deactivated DID: %v", err)
		}
		page = short
		if _, err := m.Resolve(t.Context(), did.ID(a.id()), in.Fetch); err == nil || !strings.Contains(err.Error(), "rolled back") {
			t.Error(err)
		}
	})
	a := start(t, nil)
	other := "did:webvh:" + strings.Replace(a.scid, a.scid[2:4], "zz", 1) + ":example.com"
	didtest.Method(t, didtest.Exam{Method: did.NewWebVH(func() time.Time { return now }), Good: []string{a.id()},
		URL: "https://example.com/.well-known/did.jsonl", Limit: 512 << 10, Page: string(a.log()), Bad: map[string]string{
			"SCID of another": other, "no SCID": "did:webvh:example.com", "another host": "did:webvh:" + a.scid + ":example.org",
			"address": "did:webvh:" + a.scid + ":127%2E0%2E0%2E1", "address, lower case": "did:webvh:" + a.scid + ":127%2e0%2e0%2e1", "metadata": "did:webvh:" + a.scid + ":169%2E254%2E169%2E254",
			"path up": a.id() + ":..", "port 0": a.id() + "%3A0",
		}})
}

func TestCanonicalJSON(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":[true,null,"\u00e9\u20ac"]}`:                                             `{"a":[true,null,"é€"],"b":1}`,
		`[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001,-0,1e21,1e-7,100]`: `[333333333.3333333,1e+30,4.5,0.002,1e-27,0,1e+21,1e-7,100]`,
		`"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/\u2028<"`:                             "\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\u2028<\"",
		`{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}`:        "{\"\\r\":2,\"1\":4,\"\u0080\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\ufb33\":3}",
	} {
		got, err := did.CanonicalJSON([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, want %s, %v", in, got, want, err)
		}
	}
}

func FuzzWebVH(f *testing.F) {
	names, _ := filepath.Glob("testdata/did-webvh/*/ts/did.jsonl")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, []byte(`[]`))
	}
	f.Fuzz(func(t *testing.T, log, witnesses []byte) {
		fetch := func(_ context.Context, url, _ string) ([]byte, http.Header, error) {
			if strings.HasSuffix(url, "l") {
				return log, nil, nil
			}
			return witnesses, nil, nil
		}
		did.NewWebVH(func() time.Time { return now }).Resolve(t.Context(), "did:webvh:Qmdxt11AjZewCNXX69bpEDobgjySeZ7eFwjf4tgpF6p2Dg:example.com", fetch)
	})
}
