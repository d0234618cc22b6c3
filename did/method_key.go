package did

import (
	"context"
	"fmt"
	"strings"
)

// KeyMethod resolves did:key: the identifier is the key. Nothing is visited. did:key §3.1.
type KeyMethod struct{}

// Name is "key".
func (KeyMethod) Name() string { return "key" }

// Resolve expands the key into a document: keys that sign serve all but agreement, X25519 only agreement. The X25519 key that
// older resolvers derive from an Ed25519 one is left out: nothing here encrypts to it, and one key serves one use.
func (KeyMethod) Resolve(_ context.Context, id ID, _ Fetch) (Resolution, error) {
	k, err := keyOfDID(id)
	if err != nil {
		return Resolution{}, err
	}
	return Resolution{Document: simple(string(id), "#"+id.Specific(), "Multikey", k, uses(k, ""))}, nil
}

// keyOfDID reads the key of a did:key. The only base is base58btc, did:key §3.1.2.
func keyOfDID(id ID) (Key, error) {
	s := id.Specific()
	if id.Method() != "key" || !strings.HasPrefix(s, "z") {
		return Key{}, fmt.Errorf("%w: did:key begins with z", ErrInvalid)
	}
	k, err := ParseMultikey(s)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return k, nil
}

// uses says what a key can do, narrowed by the `use` of its JWK.
func uses(k Key, use string) []Relationship {
	signs := []Relationship{AssertionMethod, Authentication, CapabilityInvocation, CapabilityDelegation}
	switch {
	case k.curve == X25519 && use == "sig", k.curve == Ed25519 && use == "enc":
		return nil
	case k.curve == X25519 || use == "enc":
		return []Relationship{KeyAgreement}
	case k.curve == Ed25519 || k.curve == RSA || use == "sig":
		return signs
	}
	return append(signs, KeyAgreement)
}

// simple is the document of a DID that is one key.
func simple(id, fragment, typ string, k Key, rels []Relationship) Document {
	d := Document{ID: id, use: map[Relationship][]string{}}
	d.Methods = []VerificationMethod{{ID: id + fragment, Type: typ, Controller: id, Key: k}}
	for _, r := range rels {
		d.use[r] = []string{id + fragment}
	}
	return d
}
