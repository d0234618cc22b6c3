package did

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Limits of a derived proof.
const (
	maxDisclosed = 512 // statements with a signature each
	maxLabels    = maxLDObjects
)

// The headers of proof values of ecdsa-sd-2023, Data Integrity ECDSA §3.5.2 and §3.5.7.
var (
	sdBase    = []byte{0xd9, 0x5d, 0x00}
	sdDerived = []byte{0xd9, 0x5d, 0x01}
)

// derivedProof is what a holder made of the issuer's base proof: signatures of the issuer's one-time key over each statement
// that the issuer left to the holder, and where those stand that are not theirs to leave out. Data Integrity ECDSA §3.5.7.
type derivedProof struct {
	_          struct{} `cbor:",toarray"`
	Signature  []byte   // of the issuer's key, over options, one-time key and mandatory statements
	OneTime    []byte   // multikey
	Signatures [][]byte
	Labels     map[uint64][]byte // canonical number of a blank node → the issuer's name of it
	Mandatory  []uint64
}

var sdMode = func() cbor.DecMode {
	m, err := cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: maxLDQuads, MaxMapPairs: maxLabels}.DecMode()
	if err != nil {
		panic(err)
	}
	return m
}()

// ecdsaSD2023 verifies a derived proof; a base proof is the holder's secret, and no proof to anybody else. Every statement of
// the document is signed, as mandatory or on its own. Data Integrity ECDSA §3.5.8.
func ecdsaSD2023(ctx context.Context, e *exam, s *secured, o object, k Key) error {
	if k.Curve() != P256 {
		return fmt.Errorf("a key of %s under this suite", k.Curve())
	}
	p, oneTime, err := readDerived(text(o["proofValue"]))
	if err != nil {
		return err
	}
	options, err := s.rdfcOptions(ctx, e, o, "proofValue", P256)
	if err != nil {
		return err
	}
	lines, err := canonicalLines(ctx, digest(P256), s.ld.quads, p.rename)
	if err != nil {
		return err
	}
	mandatory, others, err := p.split(lines)
	if err != nil {
		return err
	}
	h1, h2 := sha256.Sum256(options), sha256.Sum256([]byte(strings.Join(mandatory, "")))
	if !k.Verify("ES256", slices.Concat(h1[:], p.OneTime, h2[:]), p.Signature) {
		return errNotTheirs
	}
	if len(others) != len(p.Signatures) {
		return errors.New("not every disclosed statement has a signature")
	}
	for i, line := range others {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !oneTime.Verify("ES256", []byte(line), p.Signatures[i]) {
			return errors.New("a disclosed statement is not the issuer's")
		}
	}
	return nil
}

func readDerived(value string) (p derivedProof, oneTime Key, err error) {
	rest, ok := strings.CutPrefix(value, "u")
	b, err := b64.DecodeString(rest)
	switch {
	case !ok || err != nil || strings.ContainsAny(value, "\r\n"):
		return p, oneTime, errors.New("proofValue is no base64url")
	case bytes.HasPrefix(b, sdBase):
		return p, oneTime, errors.New("a base proof is for the holder only")
	case !bytes.HasPrefix(b, sdDerived):
		return p, oneTime, errors.New("proofValue is no derived proof")
	}
	if err := sdMode.Unmarshal(b[len(sdDerived):], &p); err != nil {
		return p, oneTime, errors.New("proofValue is malformed")
	}
	if len(p.Signatures) > maxDisclosed {
		return p, oneTime, fmt.Errorf("more than %d statements are disclosed", maxDisclosed)
	}
	code, raw, err := multicodec(p.OneTime)
	if err != nil || code != 0x1200 {
		return p, oneTime, errors.New("the one-time key is none of P-256")
	}
	oneTime, err = point(P256, raw)
	if err != nil || len(raw) != 33 {
		return p, oneTime, errors.New("the one-time key is none of P-256")
	}
	seen := map[string]bool{}
	for _, label := range p.Labels {
		if len(label) != sha256.Size || seen[string(label)] {
			return p, oneTime, errors.New("two blank nodes have one name")
		}
		seen[string(label)] = true
	}
	return p, oneTime, nil
}

// rename gives a blank node the name by which the issuer signed it.
func (p *derivedProof) rename(canonical string) (string, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(canonical, "c14n"), 10, 32)
	label, ok := p.Labels[n]
	if err != nil || !ok {
		return "", errors.New("a blank node has no name")
	}
	return "u" + b64.EncodeToString(label), nil
}

// split parts the statements that the issuer demands from those that the holder chose.
func (p *derivedProof) split(lines []string) (mandatory, others []string, err error) {
	is := make([]bool, len(lines))
	for _, i := range p.Mandatory {
		if i >= uint64(len(lines)) || is[i] {
			return nil, nil, errors.New("a mandatory statement is not there")
		}
		is[i] = true
	}
	for i, line := range lines {
		if is[i] {
			mandatory = append(mandatory, line)
		} else {
			others = append(others, line)
		}
	}
	return mandatory, others, nil
}
