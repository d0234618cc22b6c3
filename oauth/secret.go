package oauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/postern-id/postern/ident"
)

const secretHashPrefix = "hmac-sha256:"

// HashSecret is what is stored of a client secret: an HMAC under a server key, so that even a short secret chosen by an
// operator cannot be guessed from a copy of the database. key comes from keys.Sealer.Derive("client-secret").
func HashSecret(key []byte, id ident.ClientID, secret string) string {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id))
	m.Write([]byte{0})
	m.Write([]byte(secret))
	return secretHashPrefix + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// SecretMatches compares in constant time under each of keys, newest first.
func SecretMatches(keys [][]byte, hash string, id ident.ClientID, secret string) bool {
	if !strings.HasPrefix(hash, secretHashPrefix) {
		return false
	}
	ok := false
	for _, k := range keys {
		if hmac.Equal([]byte(HashSecret(k, id, secret)), []byte(hash)) {
			ok = true
		}
	}
	return ok
}
