package did_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
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
