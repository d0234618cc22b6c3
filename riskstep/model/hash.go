package model

// Hasher makes keyed hashes under a tenant's key.
type Hasher struct{ keys [][]byte }

// NewHasher returns a Hasher that writes under the first key and reads under all.
func NewHasher(keys ...[]byte) *Hasher { return &Hasher{keys: keys} }
