package did

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// Labels of COSE headers and keys: RFC 9052 §3.1 and §7.1, RFC 9053 §7, RFC 9360 §2.
const (
	labelAlg, labelCrit, labelX5chain                 = 1, 2, 33
	keyType, keyAlg, keyCurve, keyX, keyY, keyPrivate = 1, 3, -1, -2, -3, -4
)

// coseAlgs are the signatures of ISO 18013-5 §9.1.2.4 by the names that Key.Verify knows; each is of one curve. RFC 9053 §2,
// RFC 9864 §2.
var coseAlgs = map[int64]string{-7: "ES256", -9: "ES256", -35: "ES384", -51: "ES384", -36: "ES512", -52: "ES512", -8: "EdDSA", -19: "EdDSA"}

// hmac256 is HMAC 256/256, RFC 9053 §3.1: the one MAC of ISO 18013-5 §9.1.3.5.
const hmac256 = 5

// cose is a COSE_Sign1 or a COSE_Mac0, RFC 9052 §4.2 and §6.2. Nothing of it is verified.
type cose struct {
	protected []byte // as it was spelled
	alg       int64
	x5chain   [][]byte // DER; nil if absent
	payload   []byte   // nil if detached
	tag       []byte   // the signature or the MAC
}

// labels is a map of headers or of a key, its values as they were spelled.
type labels = map[int64]cbor.RawMessage

// parseCOSE takes one apart; number is its tag, which may be left out. Headers are under integers, each once in both maps
// together; `alg` is protected, and there is no `crit`, since no extension is known here. RFC 9052 §3.
func parseCOSE(raw []byte, number uint64) (c cose, err error) {
	if major(raw) == majorTag {
		t, err := readCBOR[cbor.RawTag](raw, majorTag)
		if err != nil || t.Number != number {
			return c, fmt.Errorf("%w: COSE tag", errCBOR)
		}
		raw = t.Content
	}
	parts, err := cborList(raw)
	if err != nil || len(parts) != 4 {
		return c, errors.New("it has not the four parts of COSE")
	}
	var open labels
	if c.protected, err = cborBytes(parts[0]); err == nil {
		open, err = readCBOR[labels](parts[1], majorMap)
	}
	head := labels{}
	if err == nil {
		head, err = readCBOR[labels](c.protected, majorMap)
	}
	if err == nil && (len(parts[2]) != 1 || parts[2][0] != 0xf6) { // null: detached
		c.payload, err = cborBytes(parts[2])
	}
	if err == nil {
		c.tag, err = cborBytes(parts[3])
	}
	if err != nil {
		return c, fmt.Errorf("COSE: %w", err)
	}
	for label, v := range open {
		if _, again := head[label]; again || label == labelAlg || label == labelCrit {
			return c, fmt.Errorf("COSE: header %d is not protected", label)
		}
		head[label] = v
	}
	if _, found := head[labelCrit]; found {
		return c, errors.New("COSE: header crit")
	}
	if err := strictCBOR.Unmarshal(head[labelAlg], &c.alg); err != nil || major(head[labelAlg]) > 1 {
		return c, errors.New("COSE: no alg that is a number")
	}
	if v, found := head[labelX5chain]; found {
		c.x5chain, err = certificates(v)
	}
	return c, err
}

// certificates reads COSE_X509: one certificate or a list, RFC 9360 §2.
func certificates(raw []byte) (out [][]byte, err error) {
	items := []cbor.RawMessage{raw}
	if major(raw) == majorArray {
		if items, err = cborList(raw); err != nil || len(items) < 2 || len(items) > maxChain {
			return nil, errors.New("COSE: x5chain")
		}
	}
	for _, item := range items {
		der, err := cborBytes(item)
		if err != nil || len(der) == 0 || len(der) > maxCert {
			return nil, errors.New("COSE: x5chain")
		}
		out = append(out, der)
	}
	return out, nil
}

// signedBy says whether k signed payload. RFC 9052 §4.4.
func (c cose) signedBy(k Key, payload []byte) bool {
	alg, ok := coseAlgs[c.alg]
	return ok && k.Verify(alg, encodeCBOR([]any{"Signature1", c.protected, []byte{}, payload}), c.tag)
}

// coseCurves are the curves of keys by their number, RFC 9053 §7.1.
var coseCurves = map[int64]Curve{1: P256, 2: P384, 3: P521, 4: X25519, 6: Ed25519}

// coseKey reads the public COSE_Key of a device, RFC 9052 §7; one with a private part is refused.
func coseKey(raw []byte) (k Key, err error) {
	m, err := readCBOR[labels](raw, majorMap)
	if err != nil {
		return k, fmt.Errorf("%w: COSE_Key: %w", errKey, err)
	}
	if _, found := m[keyPrivate]; found {
		return k, fmt.Errorf("%w: this COSE_Key holds its private part", errKey)
	}
	kty, err1 := cborUint(m[keyType])
	number, err2 := cborUint(m[keyCurve])
	x, err3 := cborBytes(m[keyX])
	if err := errors.Join(err1, err2, err3); err != nil {
		return k, fmt.Errorf("%w: COSE_Key", errKey)
	}
	switch curve := coseCurves[int64(min(number, 1<<16))]; {
	case kty == 1 && curve == Ed25519:
		k, err = ed25519Key(x)
	case kty == 1 && curve == X25519:
		k, err = x25519Key(x)
	case kty == 2 && nist[curve] != nil:
		k, err = ec2(curve, x, m[keyY])
	default:
		return k, fmt.Errorf("%w: curve of a COSE_Key", errKey)
	}
	if v, found := m[keyAlg]; found && err == nil {
		var alg int64
		if strictCBOR.Unmarshal(v, &alg) != nil || major(v) > 1 {
			return Key{}, fmt.Errorf("%w: alg of a COSE_Key", errKey)
		}
		if k.only = coseAlgs[alg]; k.only == "" {
			k.only = "none of these" // for agreement, or unknown: it signs nothing
		}
	}
	return k, err
}

// ec2 reads a point whose y is in full, or only its sign. RFC 9053 §7.1.1.
func ec2(curve Curve, x []byte, y cbor.RawMessage) (Key, error) {
	size := (nist[curve].Params().BitSize + 7) / 8
	if len(x) != size {
		return Key{}, fmt.Errorf("%w: x of a COSE_Key", errKey)
	}
	if len(y) == 1 && (y[0] == 0xf4 || y[0] == 0xf5) { // false, true
		return point(curve, slices.Concat([]byte{2 + y[0]&1}, x))
	}
	full, err := cborBytes(y)
	if err != nil || len(full) != size {
		return Key{}, fmt.Errorf("%w: y of a COSE_Key", errKey)
	}
	return point(curve, slices.Concat([]byte{4}, x, full))
}
