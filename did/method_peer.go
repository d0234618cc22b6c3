package did

import (
	"context"
	"fmt"
	"strings"
)

// PeerMethod resolves the did:peer that say all about themselves: numalgo 0, one key, and numalgo 2, keys by purpose. Others
// are known only to those who exchanged their documents. Nothing is visited, and services are not read. did:peer §3.1.1, §3.1.3.
type PeerMethod struct{}

// Name is "peer".
func (PeerMethod) Name() string { return "peer" }

// peerUses are the purposes of numalgo 2.
var peerUses = map[byte]Relationship{'A': AssertionMethod, 'V': Authentication, 'E': KeyAgreement, 'I': CapabilityInvocation, 'D': CapabilityDelegation}

// Resolve expands the keys into a document; those of numalgo 2 are named #key-1, #key-2, … in their order.
func (PeerMethod) Resolve(_ context.Context, id ID, _ Fetch) (Resolution, error) {
	s := id.Specific()
	if rest, ok := strings.CutPrefix(s, "0"); ok && strings.HasPrefix(rest, "z") {
		k, err := ParseMultikey(rest)
		if err != nil {
			return Resolution{}, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		return Resolution{Document: simple(string(id), "#"+rest, "Multikey", k, uses(k, ""))}, nil
	}
	rest, ok := strings.CutPrefix(s, "2.")
	parts := strings.Split(rest, ".")
	if !ok || len(parts) > maxMethods {
		return Resolution{}, fmt.Errorf("%w: did:peer of numalgo 0 and 2 only", ErrInvalid)
	}
	d := Document{ID: string(id), use: map[Relationship][]string{}}
	for _, p := range parts {
		if strings.HasPrefix(p, "S") {
			continue
		}
		if p == "" || peerUses[p[0]] == "" {
			return Resolution{}, fmt.Errorf("%w: purpose of did:peer", ErrInvalid)
		}
		k, err := ParseMultikey(p[1:])
		use := peerUses[p[0]]
		if err != nil || p[1:2] != "z" || k.curve == X25519 && use != KeyAgreement || k.curve == Ed25519 && use == KeyAgreement {
			return Resolution{}, fmt.Errorf("%w: key of did:peer", ErrInvalid)
		}
		m := VerificationMethod{ID: fmt.Sprintf("%s#key-%d", id, len(d.Methods)+1), Type: "Multikey", Controller: string(id), Key: k}
		d.Methods = append(d.Methods, m)
		d.use[use] = append(d.use[use], m.ID)
	}
	return Resolution{Document: d}, nil
}
