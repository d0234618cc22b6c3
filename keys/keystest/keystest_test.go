package keystest_test

import (
	"testing"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/keys/keystest"
)

func TestSoftwareKeys(t *testing.T) {
	for _, alg := range []string{keys.ES256, keys.RS256, keys.PS256, keys.EdDSA} {
		t.Run(alg, func(t *testing.T) { keystest.Key(t, keystest.New(t, alg)) })
	}
}
