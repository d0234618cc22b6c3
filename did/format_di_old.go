package did

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ed25519Signature2020 is eddsa-rdfc-2022 under an older name. Data Integrity EdDSA appendix B.
var ed25519Signature2020 = hashed(rdfcForms, onlyEd25519)

// ed25519Signature2018 signs the same hashes, in a JWS whose payload is detached and not encoded, RFC 7797 §3; its header says that and
// nothing else.
func ed25519Signature2018(ctx context.Context, e *exam, s *secured, o object, k Key) error {
	if k.Curve() != Ed25519 {
		return fmt.Errorf("a key of %s under this suite", k.Curve())
	}
	head, rest, ok := strings.Cut(text(o["jws"]), ".")
	value, detached := strings.CutPrefix(rest, ".")
	raw, err := b64.DecodeString(head)
	sig, err2 := b64.DecodeString(value)
	if !ok || !detached || err != nil || err2 != nil || strings.ContainsAny(head+value, "\r\n") {
		return errors.New("jws is no detached JWS")
	}
	h, err := parseObject(raw)
	crit, _ := h["crit"].([]any)
	if err != nil || len(h) != 3 || text(h["alg"]) != "EdDSA" || h["b64"] != any(false) || len(crit) != 1 || crit[0] != any("b64") {
		return errors.New("the header of jws is not that of this suite")
	}
	if _, other := o["proofValue"]; other {
		return errors.New("a proof has one value")
	}
	options, doc, err := rdfcForms(ctx, e, s, o, "jws", Ed25519)
	if err != nil {
		return err
	}
	if !k.Verify("EdDSA", append([]byte(head+"."), hashData(Ed25519, options, doc)...), sig) {
		return errNotTheirs
	}
	return nil
}
