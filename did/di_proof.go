package did

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"time"
)

// maxDIProofs is how many proofs one document has.
const maxDIProofs = 8

// proof is a Data Integrity proof taken apart. Nothing of it is verified. Data Integrity §2.1.
type proof struct {
	o                object
	id, suite        string // suite: the cryptosuite, or the type of the older ones
	method, purpose  string
	challenge        string
	domains          []string
	previous         []string
	created, expires time.Time
	verify           verifyProof
}

// verifyProof says whether k made the proof o over s.
type verifyProof func(ctx context.Context, e *exam, s *secured, o object, k Key) error

// suites are all that are verified, by `cryptosuite` of a DataIntegrityProof or by `type` of what came before.
var suites = map[string]verifyProof{
	"eddsa-rdfc-2022": eddsaRDFC2022, "eddsa-jcs-2022": eddsaJCS2022,
	"ecdsa-rdfc-2019": ecdsaRDFC2019, "ecdsa-jcs-2019": ecdsaJCS2019, "ecdsa-sd-2023": ecdsaSD2023,
	"Ed25519Signature2020": ed25519Signature2020, "Ed25519Signature2018": ed25519Signature2018,
}

// proofsOf reads the proofs of o: one, a set, or a chain. Every one of them must hold, none may follow another that is not
// there. Data Integrity §2.1.1 and §2.1.2.
func proofsOf(o object) ([]*proof, error) {
	items := list(o["proof"])
	if len(items) == 0 || len(items) > maxDIProofs {
		return nil, fmt.Errorf("it has one to %d proofs", maxDIProofs)
	}
	var out []*proof
	ids := map[string]bool{}
	for _, item := range items {
		p, err := readProof(item)
		if err != nil {
			return nil, fmt.Errorf("proof: %w", err)
		}
		if p.id != "" && ids[p.id] {
			return nil, errors.New("two proofs have one id")
		}
		ids[p.id] = true
		out = append(out, p)
	}
	for _, p := range out {
		for i, id := range p.previous {
			if id == "" || id == p.id || !ids[id] || slices.Contains(p.previous[:i], id) {
				return nil, errors.New("previousProof names no other proof")
			}
		}
	}
	return out, nil
}

func readProof(v any) (*proof, error) {
	o, ok := v.(object)
	if !ok {
		return nil, errors.New("it is no object")
	}
	p := &proof{o: o, suite: text(o["type"])}
	_, newer := o["cryptosuite"]
	if newer {
		p.suite = text(o["cryptosuite"])
	}
	p.verify, ok = suites[p.suite]
	switch {
	case !ok:
		return nil, fmt.Errorf("the suite %q is not verified here", p.suite)
	case newer != (text(o["type"]) == "DataIntegrityProof"), newer == strings.HasPrefix(p.suite, "Ed25519Signature"):
		return nil, errors.New("a cryptosuite is one of a DataIntegrityProof")
	}
	for name, to := range map[string]*string{"id": &p.id, "verificationMethod": &p.method, "proofPurpose": &p.purpose, "challenge": &p.challenge} {
		if v, found := o[name]; found {
			if *to, ok = v.(string); !ok || *to == "" || len(*to) > maxURL {
				return nil, fmt.Errorf("%s is no text", name)
			}
		}
	}
	if !strings.Contains(p.method, "#") {
		return nil, errors.New("verificationMethod names no key")
	}
	for name, to := range map[string]*[]string{"domain": &p.domains, "previousProof": &p.previous} {
		if *to, ok = texts(o[name]); !ok || len(*to) > maxDIProofs {
			return nil, fmt.Errorf("%s is no list of texts", name)
		}
	}
	for name, to := range map[string]*time.Time{"created": &p.created, "expires": &p.expires} {
		if v, found := o[name]; found {
			t, err := time.Parse(time.RFC3339, strings.ToUpper(text(v)))
			if err != nil {
				return nil, fmt.Errorf("%s is no date with a time zone", name)
			}
			*to = t
		}
	}
	return p, nil
}

// secured is what proofs are over: the document without them, or with those that came before.
type secured struct {
	doc   object
	ld    ldDocument
	canon map[Curve][]byte // canonical N-Quads, once a suite asked for them; the curve chooses the hash
}

// digest is the hash of a suite for keys of a curve, with which it also canonicalises. Data Integrity ECDSA §3.2.3.
func digest(c Curve) func() hash.Hash {
	if c == P384 {
		return sha512.New384
	}
	return sha256.New
}

// rdfc are the canonical N-Quads of the document.
func (s *secured) rdfc(ctx context.Context, c Curve) ([]byte, error) {
	if s.canon[c] == nil {
		lines, err := canonicalLines(ctx, digest(c), s.ld.quads, nil)
		if err != nil {
			return nil, err
		}
		if s.canon == nil {
			s.canon = map[Curve][]byte{}
		}
		s.canon[c] = []byte(strings.Join(lines, ""))
	}
	return s.canon[c], nil
}

// options are a proof without its value, under the document's contexts.
func (s *secured) options(o object, value string) object {
	out := without(o, value)
	out["@context"] = s.doc["@context"]
	return out
}

// rdfcOptions are the canonical N-Quads of a proof's options.
func (s *secured) rdfcOptions(ctx context.Context, e *exam, o object, value string, c Curve) ([]byte, error) {
	if _, own := o["@context"]; own {
		return nil, errors.New("the proof has contexts of its own")
	}
	if plain, ok := plainOptions(without(o, value), s.doc["@context"]); ok {
		return []byte(plain), nil
	}
	read, err := e.readLD(s.options(o, value))
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	lines, err := canonicalLines(ctx, digest(c), read.quads, nil)
	return []byte(strings.Join(lines, "")), err
}

// rdfcForms are both canonical forms of a suite over RDF.
func rdfcForms(ctx context.Context, e *exam, s *secured, o object, value string, c Curve) (options, doc []byte, err error) {
	if options, err = s.rdfcOptions(ctx, e, o, value, c); err != nil {
		return nil, nil, err
	}
	doc, err = s.rdfc(ctx, c)
	return options, doc, err
}

// jcsForms are both canonical forms of a suite over JSON. The proof names the contexts of the document, all of them: those
// that somebody added later would not be signed. Data Integrity EdDSA §3.3.2.
func jcsForms(_ context.Context, _ *exam, s *secured, o object, value string, _ Curve) (options, doc []byte, err error) {
	if options, err = canonicalJSON(without(o, value)); err != nil {
		return nil, nil, err
	}
	if doc, err = canonicalJSON(s.doc); err != nil {
		return nil, nil, err
	}
	if v, found := o["@context"]; found {
		mine, err1 := canonicalJSON(list(v))
		theirs, err2 := canonicalJSON(list(s.doc["@context"]))
		if err := errors.Join(err1, err2); err != nil {
			return nil, nil, err
		}
		if string(mine) != string(theirs) {
			return nil, nil, errors.New("the proof is under other contexts than the document")
		}
	}
	return options, doc, nil
}

var (
	errNotTheirs = errors.New("the signature is not by this key") // all that is said of it
	errNotPlain  = errors.New("options that are read as JSON-LD") // never seen outside
)

// hashed makes a suite that signs the hash of the options and the hash of the document. algs are the keys that it takes, with
// the JWS algorithm that hashes as the suite does.
func hashed(forms func(context.Context, *exam, *secured, object, string, Curve) ([]byte, []byte, error), algs map[Curve]string) verifyProof {
	return func(ctx context.Context, e *exam, s *secured, o object, k Key) error {
		alg, ok := algs[k.Curve()]
		if !ok {
			return fmt.Errorf("a key of %s under this suite", k.Curve())
		}
		value := text(o["proofValue"])
		sig, err := multibase(value)
		if err != nil || value[0] != 'z' {
			return errors.New("proofValue is no base58btc")
		}
		options, doc, err := forms(ctx, e, s, o, "proofValue", k.Curve())
		if err != nil {
			return err
		}
		if !k.Verify(alg, hashData(k.Curve(), options, doc), sig) {
			return errNotTheirs
		}
		return nil
	}
}

// hashData is what is signed: the hashes of both forms.
func hashData(c Curve, options, doc []byte) (out []byte) {
	for _, form := range [][]byte{options, doc} {
		h := digest(c)()
		h.Write(form)
		out = h.Sum(out)
	}
	return out
}

// without is a copy of o without one member.
func without(o object, name string) object {
	out := make(object, len(o))
	for k, v := range o {
		if k != name {
			out[k] = v
		}
	}
	return out
}
