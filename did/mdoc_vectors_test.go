package did_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/did"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func transcript(t testing.TB, raw []byte) did.Transcript {
	t.Helper()
	tr, err := did.ParseTranscript(raw)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// annexD is the example of ISO 18013-5: a response with a device's MAC. Its IACA certificate is not in it, so only a policy
// that trusts anybody believes it.
func annexD(t testing.TB) (response []byte, p did.Policy) {
	t.Helper()
	var file struct {
		Response   string `json:"device_response_hex"`
		Transcript string `json:"session_transcript_bytes_hex"`
		Reader     string `json:"reader_key_d_hex"`
	}
	decode(t, "iso-18013-5/annex-d.json", &file)
	reader, err := ecdh.P256().NewPrivateKey(unhex(t, file.Reader))
	if err != nil {
		t.Fatal(err)
	}
	return unhex(t, file.Response), did.Policy{Trust: did.Trust{Any: true}, At: time.Date(2020, 10, 1, 14, 0, 0, 0, time.UTC),
		Transcript: transcript(t, unhex(t, file.Transcript)), ReaderKey: reader}
}

func TestAnnexD(t *testing.T) {
	raw, p := annexD(t)
	j := judge(time.Unix(1601560000, 0))
	for name, input := range map[string][]byte{"CBOR": raw, "base64url": []byte(did.B64.EncodeToString(raw) + "\n")} {
		r := j.Verify(t.Context(), input, p)
		if !r.Holds() || r.Format != "mso_mdoc" {
			t.Fatal(name, r.Failed(), r.Checks)
		}
		presentation, ok := r.Presentation()
		c := r.Credentials()[0]
		if from, until := c.Valid(); !ok || !presentation.Valid() || !slices.Equal(c.Types(), []string{"org.iso.18013.5.1.mDL"}) || from.Year() != 2020 || until.Year() != 2021 {
			t.Error(name, "what it says", c)
		}
		space, _ := c.Claims()["org.iso.18013.5.1"].(map[string]any)
		if space["family_name"] != "Doe" || space["issue_date"] != "2019-10-20" || len(space) != 6 {
			t.Error(name, space)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	}
	for name, change := range map[string]func(*did.Policy){
		"without the reader's key": func(p *did.Policy) { p.ReaderKey = nil },
		"without a transcript":     func(p *did.Policy) { p.Transcript = did.Transcript{} },
		"for another session":      func(p *did.Policy) { p.Transcript = did.OpenID4VPTranscript("a", "n", "https://a", did.Key{}) },
		"a year later":             func(p *did.Policy) { p.At = p.At.AddDate(1, 0, 1) },
		"a day before":             func(p *did.Policy) { p.At = p.At.AddDate(0, 0, -1) },
		"of another type":          func(p *did.Policy) { p.Types = []string{"eu.europa.ec.eudi.pid.1"} },
		"of a stranger":            func(p *did.Policy) { p.Trust = did.Trust{} },
	} {
		_, p := annexD(t)
		change(&p)
		if r := j.Verify(t.Context(), raw, p); r.Holds() {
			t.Error("it holds", name)
		}
	}
}

// Every bit of the example counts, except in the certificate: without an IACA nobody vouches for it.
func TestAnnexDFlipped(t *testing.T) {
	raw, p := annexD(t)
	j := judge(time.Unix(1601560000, 0))
	var held []int
	cert := bytes.Index(raw, []byte{0x30, 0x82, 0x01, 0xef}) // of 499 bytes
	for i := range raw {
		if i >= cert && i < cert+499 {
			continue
		}
		changed := slices.Clone(raw)
		changed[i] ^= 1 << (i % 8)
		if j.Verify(t.Context(), changed, p).Holds() {
			held = append(held, i)
		}
	}
	if len(held) > 0 {
		t.Errorf("it holds with a bit flipped in bytes %v of %d: %x", held, len(raw), raw[held[0]:min(len(raw), held[0]+16)])
	}
}

// Documents issued and presented by the npm library @auth0/mdl, with signatures and MACs, on four curves.
func TestAuth0MDL(t *testing.T) {
	var file struct {
		IACA        string `json:"iaca"`
		Session     string `json:"session_transcript"`
		ClientID    string `json:"client_id"`
		Nonce       string
		ResponseURI string `json:"response_uri"`
		Cases       []struct {
			Name       string
			DocType    string `json:"docType"`
			Space      string
			At         time.Time
			Reader     json.RawMessage `json:"reader_jwk"`
			Response   string          `json:"device_response"`
			Credential string          `json:"issuer_signed"`
		}
	}
	decode(t, "auth0-mdl/vectors.json", &file)
	if len(file.Cases) != 5 {
		t.Fatal(len(file.Cases), "cases")
	}
	block, _ := pem.Decode([]byte(file.IACA))
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			policy := claims{"trust": claims{"roots": []string{file.IACA}}, "types": []string{c.DocType}, "transcript": file.Session, "at": c.At.Add(time.Hour)}
			if c.Reader != nil {
				policy["reader_key"] = c.Reader
			}
			text, err := json.Marshal(policy)
			if err != nil {
				t.Fatal(err)
			}
			p, err := did.ParsePolicy(text)
			if err != nil {
				t.Fatal(err)
			}
			if !p.Trust.Roots[0].Equal(root) {
				t.Fatal("another root")
			}
			j := judge(c.At)
			r := j.Verify(t.Context(), []byte(c.Response), p)
			if _, ok := r.Presentation(); !ok || !r.Holds() {
				t.Fatal(r.Failed())
			}
			said, _ := r.Credentials()[0].Claims()[c.Space].(map[string]any)
			if len(said) != 4 || said["family_name"] != "Doe" || said["age_over_18"] != true || said["portrait"] != "_9j_4A" {
				t.Error(said)
			}
			alone := j.Verify(t.Context(), []byte(c.Credential), p)
			if all, _ := alone.Credentials()[0].Claims()[c.Space].(map[string]any); !alone.Holds() || alone.Kind != did.KindCredential || len(all) != 6 || all["birth_date"] == nil {
				t.Error(alone.Failed(), all)
			}
			p.Transcript = did.OpenID4VPTranscript(file.ClientID, file.Nonce, file.ResponseURI, did.Key{})
			if r := j.Verify(t.Context(), []byte(c.Response), p); !r.Holds() {
				t.Error("with a transcript of ours:", r.Failed())
			}
			p.Transcript = did.OpenID4VPTranscript(file.ClientID, file.Nonce+"x", file.ResponseURI, did.Key{})
			if r := j.Verify(t.Context(), []byte(c.Response), p); r.Holds() {
				t.Error("it holds for another nonce")
			}
		})
	}
}

// The transcripts of OpenID4VP §B.2.6.
func TestTranscriptVectors(t *testing.T) {
	var file map[string]json.RawMessage
	decode(t, "openid4vp/handover-vectors.json", &file)
	for name, make := range map[string]func(did.Key) did.Transcript{
		"redirect": func(k did.Key) did.Transcript {
			return did.OpenID4VPTranscript("x509_san_dns:example.com", "exc7gBkxjx1rdc9udRrveKvSsJIq80avlXeLHhGwqtA", "https://example.com/response", k)
		},
		"dc_api": func(k did.Key) did.Transcript {
			return did.DCAPITranscript("https://example.com", "exc7gBkxjx1rdc9udRrveKvSsJIq80avlXeLHhGwqtA", k)
		},
	} {
		var v struct {
			JWK  json.RawMessage
			Want string `json:"session_transcript_hex"`
		}
		if err := json.Unmarshal(file[name], &v); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(make(key(t, v.JWK)).Bytes()); got != v.Want || got == "" {
			t.Errorf("%s: %s, want %s", name, got, v.Want)
		}
		if hex.EncodeToString(make(did.Key{}).Bytes()) == v.Want {
			t.Error(name, "the key does not count")
		}
	}
	for name, raw := range map[string][]byte{"nothing": nil, "text": []byte("x"), "two parts": {0x82, 0xf6, 0xf6}, "something follows": {0x83, 0xf6, 0xf6, 0xf6, 0},
		"another tag": {0xd8, 25, 0x44, 0x83, 0xf6, 0xf6, 0xf6}, "too long": bytes.Repeat([]byte{0x83}, 65<<10)} {
		if _, err := did.ParseTranscript(raw); err == nil {
			t.Error("a transcript:", name)
		}
	}
}

func TestMdocPolicy(t *testing.T) {
	for _, bad := range []string{`{"transcript":"x"}`, `{"transcript":1}`, `{"transcript":""}`, `{"reader_key":"x"}`, `{"reader_key":{"crv":"P-256","d":"AA"}}`, `{"reader_key":{"crv":"secp256k1","d":"AAAA"}}`} {
		if _, err := did.ParsePolicy([]byte(bad)); err == nil {
			t.Error(bad, "is a policy")
		}
	}
}
