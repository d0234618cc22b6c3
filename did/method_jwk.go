package did

import (
	"context"
	"fmt"
)

// JWKMethod resolves did:jwk: the identifier is a public JWK in base64url. Nothing is visited. did:jwk, "Read".
type JWKMethod struct{}

// Name is "jwk".
func (JWKMethod) Name() string { return "jwk" }

// Resolve expands the JWK into a document whose only method is #0. A JWK with a private member is refused: whoever made it
// gave the key away.
func (JWKMethod) Resolve(_ context.Context, id ID, _ Fetch) (Resolution, error) {
	raw, err := b64.DecodeString(id.Specific())
	if err != nil {
		return Resolution{}, fmt.Errorf("%w: did:jwk is base64url", ErrInvalid)
	}
	k, err := ParseJWK(raw)
	if err != nil {
		return Resolution{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	o, err := parseObject(raw)
	if err != nil {
		return Resolution{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	use := text(o["use"])
	if use != "" && use != "sig" && use != "enc" {
		return Resolution{}, fmt.Errorf("%w: use of the JWK", ErrInvalid)
	}
	return Resolution{Document: simple(string(id), "#0", "JsonWebKey", k, uses(k, use))}, nil
}
