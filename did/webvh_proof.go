package did

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// multihash is the base58btc of the SHA-256 multihash of the canonical form of v: how did:webvh writes SCIDs and the hashes of
// entries. did:webvh §3.7.
func multihash(v any) (string, error) {
	text, err := canonicalJSON(v)
	if err != nil {
		return "", err
	}
	return multihashOf(text), nil
}

func multihashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return base58Encode(append([]byte{0x12, 0x20}, sum[:]...))
}

// jcsProof verifies a proof of cryptosuite eddsa-jcs-2022 over o, whose `proof` is left out, and returns the multikey that made
// it. The verification method must be a did:key. Data Integrity EdDSA §3.3.
func jcsProof(o object, v any) (multikey string, err error) {
	p, ok := v.(object)
	if !ok || text(p["type"]) != "DataIntegrityProof" || text(p["cryptosuite"]) != "eddsa-jcs-2022" || text(p["proofPurpose"]) != "assertionMethod" {
		return "", errors.New("a proof is not of eddsa-jcs-2022 for assertionMethod")
	}
	u, err := ParseURL(text(p["verificationMethod"]))
	if err != nil || u.DID.Method() != "key" || u.Fragment != u.DID.Specific() || u.Path+u.Query != "" {
		return "", errors.New("a proof is by no did:key")
	}
	k, err := keyOfDID(u.DID)
	if err != nil || k.curve != Ed25519 {
		return "", errors.New("a proof is by no Ed25519 key")
	}
	value := text(p["proofValue"])
	sig, err := multibase(value)
	if err != nil || !strings.HasPrefix(value, "z") {
		return "", errors.New("proofValue is no base58btc")
	}
	options, unsecured := maps.Clone(p), maps.Clone(o)
	delete(options, "proofValue")
	delete(unsecured, "proof")
	config, err1 := canonicalJSON(options)
	doc, err2 := canonicalJSON(unsecured)
	if err := errors.Join(err1, err2); err != nil {
		return "", err
	}
	h1, h2 := sha256.Sum256(config), sha256.Sum256(doc)
	if !k.Verify("EdDSA", append(h1[:], h2[:]...), sig) {
		return "", fmt.Errorf("the proof by %s does not verify", u.Fragment)
	}
	return u.Fragment, nil
}
