package did

import (
	"fmt"
	"net/url"
	"strings"
)

// Limits of a document.
const (
	maxDocument = 64 << 10 // bytes
	maxMethods  = 64       // verification methods
	maxEntries  = 256      // of one list
)

// Relationship says what a key of a document is for, DID Core §5.3. A key serves only what its document lists it for.
type Relationship string

// The verification relationships.
const (
	AssertionMethod      Relationship = "assertionMethod" // issuing credentials
	Authentication       Relationship = "authentication"  // presenting them
	KeyAgreement         Relationship = "keyAgreement"
	CapabilityInvocation Relationship = "capabilityInvocation"
	CapabilityDelegation Relationship = "capabilityDelegation"
)

var relationships = []Relationship{AssertionMethod, Authentication, KeyAgreement, CapabilityInvocation, CapabilityDelegation}

// VerificationMethod is one key of a document, DID Core §5.2. Key is zero where the type is one that we do not read: such a
// method is listed but never found.
type VerificationMethod struct {
	ID         string // absolute
	Type       string
	Controller string
	Key        Key
}

// Service is one service of a document, DID Core §5.4. Nothing here visits it.
type Service struct {
	ID       string
	Types    []string
	Endpoint any // as JSON has it
}

// Document is a DID document that passed every check of ParseDocument. The zero value holds no key.
type Document struct {
	ID          string // the DID; or the URL of a controlled identifier document
	Controllers []string
	AlsoKnownAs []string
	Methods     []VerificationMethod
	Services    []Service
	use         map[Relationship][]string // absolute ids of methods
}

// ParseDocument reads the document of id, of at most 64 KiB. ErrDocument unless its `id` is id, no id of a method stands twice,
// no method has a secret or two keys, and every key is on its curve. Methods that another controls or that are named under
// another DID are left out, and references to what is not there: they are never found. Relative ids are made absolute.
// DID Core §5; Controlled Identifiers §2 and §3.3.
func ParseDocument(id string, text []byte) (Document, error) {
	if len(text) > maxDocument {
		return Document{}, fmt.Errorf("%w: more than %d bytes", ErrDocument, maxDocument)
	}
	o, err := parseObject(text)
	if err != nil {
		return Document{}, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	return documentOf(id, o)
}

func documentOf(id string, o object) (Document, error) {
	d := Document{ID: text(o["id"]), use: map[Relationship][]string{}}
	if d.ID == "" || d.ID != id {
		return Document{}, fmt.Errorf("%w: its id is not the one asked for", ErrDocument)
	}
	var ok1, ok2 bool
	d.Controllers, ok1 = texts(o["controller"])
	d.AlsoKnownAs, ok2 = texts(o["alsoKnownAs"])
	if !ok1 || !ok2 || len(d.Controllers) > maxEntries || len(d.AlsoKnownAs) > maxEntries {
		return Document{}, fmt.Errorf("%w: controller or alsoKnownAs", ErrDocument)
	}
	for _, c := range d.Controllers {
		if !isURL(c) {
			return Document{}, fmt.Errorf("%w: controller is no URL", ErrDocument)
		}
	}
	methods, ok := sequence(o, "verificationMethod")
	if !ok {
		return Document{}, fmt.Errorf("%w: verificationMethod", ErrDocument)
	}
	for _, m := range methods {
		if _, err := d.addMethod(m); err != nil {
			return Document{}, err
		}
	}
	for _, r := range relationships {
		if err := d.addUse(r, o); err != nil {
			return Document{}, err
		}
	}
	return d, d.addServices(o)
}

// sequence is a member that must be a list if it is there.
func sequence(o object, name string) ([]any, bool) {
	v, found := o[name]
	if !found {
		return nil, true
	}
	items, ok := v.([]any)
	return items, ok && len(items) <= maxEntries
}

func (d *Document) addMethod(v any) (id string, err error) {
	o, ok := v.(object)
	if !ok || len(d.Methods) >= maxMethods {
		return "", fmt.Errorf("%w: verification method", ErrDocument)
	}
	m := VerificationMethod{ID: d.absolute(text(o["id"])), Type: text(o["type"]), Controller: d.ID}
	if v, found := o["controller"]; found { // some implementations leave it out, although DID Core §5.2 does not
		m.Controller = text(v)
	}
	switch {
	case m.Type == "" || text(o["id"]) == "" || m.Controller == "":
		return "", fmt.Errorf("%w: a verification method has an id, a type and a controller", ErrDocument)
	case m.ID == "" || m.Controller != d.ID: // somebody else's: theirs to list, and never found here
		return "", nil
	case d.method(m.ID) != nil:
		return "", fmt.Errorf("%w: %s stands twice", ErrDocument, m.ID)
	}
	if m.Key, err = methodKey(m.Type, o); err != nil {
		return "", fmt.Errorf("%w: %s: %w", ErrDocument, m.ID, err)
	}
	d.Methods = append(d.Methods, m)
	return m.ID, nil
}

// methodKey reads the key of a verification method. The type decides which member holds it; a second one would let two
// readers see two keys. Types that we do not read give the zero Key.
func methodKey(typ string, o object) (Key, error) {
	found := 0
	for _, name := range []string{"publicKeyJwk", "publicKeyMultibase", "publicKeyBase58", "publicKeyHex", "publicKeyPem"} {
		if _, ok := o[name]; ok {
			found++
		}
	}
	for _, name := range []string{"secretKeyJwk", "secretKeyMultibase", "privateKeyJwk", "privateKeyMultibase", "privateKeyBase58"} {
		if _, ok := o[name]; ok {
			return Key{}, fmt.Errorf("%w: a document never holds %s", errKey, name)
		}
	}
	if found > 1 {
		return Key{}, fmt.Errorf("%w: more than one form of a key", errKey)
	}
	jwk, isJWK := o["publicKeyJwk"].(object)
	multi, old := text(o["publicKeyMultibase"]), text(o["publicKeyBase58"])
	switch typ {
	case "JsonWebKey", "JsonWebKey2020", "EcdsaSecp256k1VerificationKey2019", "Ed25519VerificationKey2018", "Ed25519VerificationKey2020",
		"X25519KeyAgreementKey2019", "X25519KeyAgreementKey2020", "P256Key2021", "Multikey":
	default:
		return Key{}, nil
	}
	k, err := Key{}, error(nil)
	switch {
	case isJWK:
		k, err = jwkOf(jwk)
	case multi != "":
		k, err = ParseMultikey(multi)
	case old != "":
		k, err = oldKey(typ, old)
	default:
		err = fmt.Errorf("%w: it holds no key", errKey)
	}
	if err != nil {
		return Key{}, err
	}
	for prefix, c := range map[string]Curve{"Ed25519Ver": Ed25519, "X25519Key": X25519, "EcdsaSecp256k1": Secp256k1, "P256Key": P256} {
		if strings.HasPrefix(typ, prefix) && k.curve != c {
			return Key{}, fmt.Errorf("%w: a key of %s under the type of another", errKey, k.curve)
		}
	}
	return k, nil
}

// oldKey reads `publicKeyBase58`, which has no prefix: the type says what it is.
func oldKey(typ, s string) (Key, error) {
	b, err := base58Decode(s)
	if err != nil {
		return Key{}, fmt.Errorf("%w: base58", errKey)
	}
	switch typ {
	case "Ed25519VerificationKey2018":
		return ed25519Key(b)
	case "X25519KeyAgreementKey2019":
		return x25519Key(b)
	case "EcdsaSecp256k1VerificationKey2019":
		return k1Key(b)
	case "P256Key2021":
		if len(b) == 33 || len(b) == 65 {
			return point(P256, b)
		}
	}
	return Key{}, fmt.Errorf("%w: publicKeyBase58 of %s", errKey, typ)
}

// addUse reads one verification relationship: references to methods of this document, or methods of its own, which then
// serve nothing else. DID Core §5.3.
func (d *Document) addUse(r Relationship, o object) error {
	items, ok := sequence(o, string(r))
	if !ok {
		return fmt.Errorf("%w: %s", ErrDocument, r)
	}
	for _, item := range items {
		ref, isText := item.(string)
		if !isText {
			id, err := d.addMethod(item)
			if err != nil {
				return err
			}
			if id != "" {
				d.use[r] = append(d.use[r], id)
			}
			continue
		}
		id := d.absolute(ref)
		if id == "" && !isURL(ref) {
			return fmt.Errorf("%w: %s refers to what is no URL", ErrDocument, r)
		}
		if d.method(id) != nil { // what is not there, or is another's, is listed in vain
			d.use[r] = append(d.use[r], id)
		}
	}
	return nil
}

func (d *Document) addServices(o object) error {
	items, ok := sequence(o, "service")
	if !ok {
		return fmt.Errorf("%w: service", ErrDocument)
	}
	seen := map[string]bool{}
	for _, item := range items {
		s, ok := item.(object)
		types, okTypes := texts(s["type"])
		id := text(s["id"])
		if strings.HasPrefix(id, "#") {
			id = d.ID + id
		}
		if !ok || !okTypes || len(types) == 0 || !isURL(id) || seen[id] || s["serviceEndpoint"] == nil {
			return fmt.Errorf("%w: service", ErrDocument)
		}
		seen[id] = true
		d.Services = append(d.Services, Service{ID: id, Types: types, Endpoint: s["serviceEndpoint"]})
	}
	return nil
}

// absolute resolves a reference to a method of this document: "#key-1" or the whole URL. "" if it is none of this
// document. Controlled Identifiers §2.2, RFC 3986 §5.2 for a fragment alone.
func (d *Document) absolute(ref string) string {
	fragment, ok := strings.CutPrefix(strings.TrimPrefix(ref, d.ID), "#")
	if !ok || fragment == "" || len(ref) > maxURL || !uriText(fragment) {
		return ""
	}
	return d.ID + "#" + fragment
}

func (d *Document) method(id string) *VerificationMethod {
	for i := range d.Methods {
		if d.Methods[i].ID == id {
			return &d.Methods[i]
		}
	}
	return nil
}

// Key returns the key that url names, an absolute DID URL, if the document lists it for r. Names are compared byte by byte.
// ErrNoKey.
func (d *Document) Key(url string, r Relationship) (Key, error) {
	for _, id := range d.use[r] {
		if id == url {
			if m := d.method(id); m != nil && m.Key.pub != nil {
				return m.Key, nil
			}
		}
	}
	return Key{}, fmt.Errorf("%w: %s of %s", ErrNoKey, r, d.ID)
}

// Only returns the one key that the document lists for r. ErrNoKey if there is none, or more than one.
func (d *Document) Only(r Relationship) (id string, k Key, err error) {
	if len(d.use[r]) != 1 {
		return "", Key{}, fmt.Errorf("%w: the document has %d keys for %s", ErrNoKey, len(d.use[r]), r)
	}
	k, err = d.Key(d.use[r][0], r)
	return d.use[r][0], k, err
}

// Uses returns the absolute ids that the document lists for r.
func (d *Document) Uses(r Relationship) []string { return append([]string(nil), d.use[r]...) }

// isURL says whether s is an absolute URL of at most 4.5 KiB.
func isURL(s string) bool {
	if len(s) > maxURL || strings.ContainsAny(s, " \t\r\n<>\"{}|\\^`") {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme != "" && (u.Host != "" || u.Opaque != "" || u.Path != "")
}
