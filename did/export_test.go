package did

import (
	"encoding/binary"
	"encoding/json"
	"iter"
	"strconv"
)

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

// CheckModel checks a credential or presentation that nobody signed against the data model 2.0.
func CheckModel(text []byte) error {
	o, err := parseObject(text)
	if err != nil {
		return err
	}
	if _, isPresentation := o["verifiableCredential"]; isPresentation {
		return presentationModel(o, true)
	}
	types, _ := texts(o["type"])
	for _, t := range types {
		if t == "VerifiablePresentation" {
			return presentationModel(o, true)
		}
	}
	switch issuer, found := o["issuer"]; { // the suite's runner puts it in
	case !found:
		o["issuer"] = "https://issuer.example"
	case found:
		if i, ok := issuer.(object); ok {
			if _, found := i["id"]; found {
				break
			}
			i["id"] = "https://issuer.example"
		}
	}
	return credentialModel(o, true)
}

// CheckContexts checks what the model leaves: terms, and what presentations hold.
func CheckContexts(text []byte) error {
	o, err := parseObject(text)
	if err != nil {
		return err
	}
	for _, v := range list(o["verifiableCredential"]) {
		if _, err := enveloped(v); err != nil {
			return err
		}
	}
	return (&exam{p: Policy{Contexts: []string{"https://www.w3.org/ns/credentials/examples/v2"}}}).contexts(o)
}

// ParseBitstring is parseBitstring.
var ParseBitstring = parseBitstring

// TokenStatuses returns entries of an encoded Token Status List.
func TokenStatuses(bits int, lst string, of iter.Seq[int]) (map[int]byte, error) {
	l, err := parseTokenList(object{"bits": json.Number(strconv.Itoa(bits)), "lst": lst})
	out := map[int]byte{}
	for i := range of {
		if err == nil {
			out[i], err = l.at(entry{index: uint64(i)})
		}
	}
	return out, err
}

// CanonicalJSON is RFC 8785 of JSON text.
func CanonicalJSON(text []byte) ([]byte, error) {
	v, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	return canonicalJSON(v)
}

// Multihash is multihashOf.
var Multihash = multihashOf
