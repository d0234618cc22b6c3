package did

import "encoding/binary"

// What tests outside the package make inputs with.
var (
	Base58Encode = base58Encode
	Base58Decode = base58Decode
	B64          = b64
)

// Size is how many answers the resolver keeps.
func (r *Resolver) Size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.cache)
}

// Multikey writes a multikey of any prefix.
func Multikey(code uint64, raw []byte) string {
	return "z" + base58Encode(append(binary.AppendUvarint(nil, code), raw...))
}
