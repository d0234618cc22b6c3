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
