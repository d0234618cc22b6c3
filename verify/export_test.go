package verify

// Snapshot identifies the keys in use: it changes with every completed fetch.
func (rs *ResourceServer) Snapshot() any { return rs.provider.snap.Load() }

// ParseKeySet reports how many usable keys a JWKS holds.
func ParseKeySet(b []byte) (int, error) {
	s, err := parseKeySet(b)
	return len(s.keys), err
}

// DecodeObject is decodeObject.
func DecodeObject(b []byte) (map[string]any, error) { return decodeObject(b) }

// ParsePage reads an answer of the log of revocations.
func ParsePage(b []byte, after int64) (next int64, reset bool, err error) {
	p, err := parsePage(b, after)
	return p.Next, p.Reset, err
}

// MaxRevoked bounds what a follower keeps.
func MaxRevoked(n int) Option {
	return func(c *config) error { c.maxRevoked = n; return nil }
}
