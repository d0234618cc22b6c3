package did_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/postern-id/postern/did"
)

// derived is a derived proof of ecdsa-sd-2023, to be changed.
type derived struct {
	_          struct{} `cbor:",toarray"`
	Signature  []byte
	OneTime    []byte
	Signatures [][]byte
	Labels     map[uint64][]byte
	Mandatory  []uint64
}

// J14: what a holder does to a derived proof that they hold.
func TestDerivedProofAttacks(t *testing.T) {
	v := diVector{file: ecdsa2019 + "ecdsa-sd-2023/employ/derivedRevealDocument.json", keys: ecdsa2019 + "p256KeyPair.json"}
	var doc, other map[string]any
	decode(t, v.file, &doc)
	decode(t, ecdsa2019+"ecdsa-sd-2023/prc/derivedRevealDocument.json", &other)
	open := func(doc map[string]any) (d derived) {
		value := doc["proof"].(map[string]any)["proofValue"].(string)
		b, err := did.B64.DecodeString(value[1:])
		if err == nil {
			err = cbor.Unmarshal(b[3:], &d)
		}
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	theirs := open(other)
	j := judge(time.Date(2024, 12, 24, 0, 0, 0, 0, time.UTC))
	subject := func(d map[string]any) map[string]any { return d["credentialSubject"].(map[string]any) }
	for _, tt := range []struct {
		name   string
		change func(doc map[string]any, d *derived)
		why    string // "": it holds
	}{
		{"as it is", func(map[string]any, *derived) {}, ""},
		{"a mandatory statement as the holder's", func(_ map[string]any, d *derived) { d.Mandatory = d.Mandatory[1:] }, "not by this key"},
		{"a mandatory statement left out", func(doc map[string]any, d *derived) {
			doc["issuer"] = doc["issuer"].(map[string]any)["id"]
			d.Mandatory = []uint64{3, 4, 6}
		}, "not by this key"},
		{"a statement more", func(doc map[string]any, _ *derived) { doc["name"] = "Boss" }, "proof"},
		{"a signature less", func(_ map[string]any, d *derived) { d.Signatures = d.Signatures[1:] }, "not every disclosed"},
		{"a statement of another credential", func(doc map[string]any, d *derived) {
			subject(doc)["birthCountry"] = subject(other)["birthCountry"]
			d.Signatures = append(slices.Clone(d.Signatures[:2]), append([][]byte{theirs.Signatures[len(theirs.Signatures)-1]}, d.Signatures[3:]...)...)
		}, "not the issuer's"},
		{"the holder's own one-time key", func(_ map[string]any, d *derived) { d.OneTime = multikeyBytes(t, ecdsa2019+"p256KeyPair.json") }, "not by this key"},
		{"a statement less", func(doc map[string]any, _ *derived) { delete(doc, "validUntil") }, "proof"},
		{"a statement less, and its signature", func(doc map[string]any, d *derived) {
			delete(doc, "validUntil") // the last of those that are the holder's to choose, and after all mandatory ones
			d.Signatures = d.Signatures[:len(d.Signatures)-1]
			d.Labels[0], d.Labels[1] = d.Labels[1], d.Labels[0] // the canonical names are others without it
		}, ""},
		{"a signature more", func(_ map[string]any, d *derived) { d.Signatures = append(d.Signatures, d.Signatures[0]) }, "not every disclosed"},
		{"signatures in another order", func(_ map[string]any, d *derived) { slices.Reverse(d.Signatures) }, "not the issuer's"},
		{"one place twice", func(_ map[string]any, d *derived) { d.Mandatory[1] = d.Mandatory[0] }, "not there"},
		{"a place beyond", func(_ map[string]any, d *derived) { d.Mandatory[3] = 1 << 40 }, "not there"},
		{"one name for two", func(_ map[string]any, d *derived) { d.Labels[1] = d.Labels[0] }, "one name"},
		{"a name missing", func(_ map[string]any, d *derived) { delete(d.Labels, 1) }, "no name"},
		{"names exchanged", func(_ map[string]any, d *derived) { d.Labels[0], d.Labels[1] = d.Labels[1], d.Labels[0] }, "proof"},
		{"a short name", func(_ map[string]any, d *derived) { d.Labels[0] = nil }, "one name"},
		{"a one-time key that is none", func(_ map[string]any, d *derived) { d.OneTime = []byte{0x80, 0x24, 2} }, "one-time key"},
		{"many signatures", func(_ map[string]any, d *derived) { d.Signatures = make([][]byte, 600) }, "more than 512"},
		{"no signatures", func(_ map[string]any, d *derived) { d.Signatures = nil }, "not every disclosed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			doc, d := clone(t, doc), open(doc)
			p := v.policy(t, doc)
			tt.change(doc, &d)
			b, err := cbor.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			doc["proof"].(map[string]any)["proofValue"] = "u" + did.B64.EncodeToString(append([]byte{0xd9, 0x5d, 0x01}, b...))
			err = j.Verify(t.Context(), marshal(t, doc), p).Failed()
			if (err == nil) != (tt.why == "") || err != nil && !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%v, want %q", err, tt.why)
			}
		})
	}
	for _, value := range []string{"", "u", "z1", "u2V0B", "u2V0C", "u2V0BgA", "u2V0Bn0D_"} {
		doc := clone(t, doc)
		doc["proof"] = with(maps.Clone(doc["proof"].(map[string]any)), claims{"proofValue": value})
		if j.Verify(t.Context(), marshal(t, doc), v.policy(t, doc)).Holds() {
			t.Errorf("%q is a proof", value)
		}
	}
}

func clone(t testing.TB, doc map[string]any) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(marshal(t, doc), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// multikeyBytes is a multikey without its base.
func multikeyBytes(t testing.TB, name string) []byte {
	t.Helper()
	var v struct{ PublicKeyMultibase string }
	decode(t, name, &v)
	b, err := did.Base58Decode(v.PublicKeyMultibase[1:])
	if err != nil {
		t.Fatal(err)
	}
	return b
}
