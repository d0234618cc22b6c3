package did

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minRandom is the least length of the random value in front of an element, in bytes. ISO 18013-5 §9.1.2.5.
const minRandom = 16

// mso is a Mobile Security Object, what the issuer of an mdoc signs. ISO 18013-5 §9.1.2.4.
type mso struct {
	docType             string
	hash                func() hash.Hash
	digests             map[string]map[uint64][]byte // namespace → digest id → digest
	device              Key
	spaces              []string            // namespaces that the device may sign in
	elements            map[string][]string // namespace → elements that the device may sign
	signed, from, until time.Time
	status              object // as a JWT would hold it; nil if absent
}

// msoHashes are the digest algorithms of ISO 18013-5 §9.1.2.5.
var msoHashes = map[string]func() hash.Hash{"SHA-256": sha256.New, "SHA-384": sha512.New384, "SHA-512": sha512.New}

// parseMSO reads MobileSecurityObjectBytes. Members that it does not know are the issuer's own and change nothing here.
func parseMSO(payload []byte) (m mso, err error) {
	raw, err := embedded(payload)
	if err != nil {
		return m, errors.New("what the issuer signed is no MobileSecurityObjectBytes")
	}
	o, err := cborMembers(raw)
	if err != nil {
		return m, err
	}
	if err := firstEdition(o["version"]); err != nil {
		return m, err
	}
	if m.docType, err = cborText(o["docType"]); err != nil || m.docType == "" || len(m.docType) > maxURL {
		return m, errors.New("it has no docType")
	}
	alg, _ := cborText(o["digestAlgorithm"])
	if m.hash = msoHashes[alg]; m.hash == nil {
		return m, fmt.Errorf("digests of %q", alg)
	}
	if m.digests, err = readCBOR[map[string]map[uint64][]byte](o["valueDigests"], majorMap); err != nil {
		return m, fmt.Errorf("valueDigests: %w", err)
	}
	if err := m.readDevice(o["deviceKeyInfo"]); err != nil {
		return m, fmt.Errorf("deviceKeyInfo: %w", err)
	}
	if err := m.readDates(o["validityInfo"]); err != nil {
		return m, fmt.Errorf("validityInfo: %w", err)
	}
	if v, found := o["status"]; found {
		m.status = msoStatus(v)
	}
	return m, nil
}

// firstEdition accepts the versions "1.0", "1.1", …: what is added in them changes nothing of what is read here.
func firstEdition(raw []byte) error {
	s, err := cborText(raw)
	minor, ok := strings.CutPrefix(s, "1.")
	if _, notNumber := strconv.ParseUint(minor, 10, 8); err != nil || !ok || notNumber != nil {
		return fmt.Errorf("version %q is unknown here", s)
	}
	return nil
}

func (m *mso) readDevice(raw []byte) error {
	o, err := cborMembers(raw)
	if err != nil {
		return err
	}
	if m.device, err = coseKey(o["deviceKey"]); err != nil {
		return err
	}
	v, found := o["keyAuthorizations"]
	if !found {
		return nil
	}
	may, err := cborMembers(v)
	if err != nil {
		return err
	}
	if v, found := may["nameSpaces"]; found {
		if m.spaces, err = readCBOR[[]string](v, majorArray); err != nil {
			return err
		}
	}
	if v, found := may["dataElements"]; found {
		m.elements, err = readCBOR[map[string][]string](v, majorMap)
	}
	return err
}

func (m *mso) readDates(raw []byte) error {
	o, err := cborMembers(raw)
	if err != nil {
		return err
	}
	for name, to := range map[string]*time.Time{"signed": &m.signed, "validFrom": &m.from, "validUntil": &m.until} {
		if *to, err = cborDate(o[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if m.from.Before(m.signed) {
		return errors.New("it is valid before it was signed")
	}
	return nil
}

// msoStatus turns `status` into what tokenStatus reads: the same words, of which only status_list is known. Token Status
// List §6.3.
func msoStatus(raw []byte) object {
	unknown := object{"status": object{}}
	o, err := cborMembers(raw)
	if err != nil {
		return unknown
	}
	ref, err := cborMembers(o["status_list"])
	if err != nil {
		return unknown
	}
	idx, err1 := cborUint(ref["idx"])
	uri, err2 := cborText(ref["uri"])
	if err1 != nil || err2 != nil {
		return unknown
	}
	return object{"status": object{"status_list": object{"idx": json.Number(strconv.FormatUint(idx, 10)), "uri": uri}}}
}

// disclosed checks every IssuerSignedItemBytes against its digest, taken over its very bytes, and returns what they say by
// namespace and element, and how many they are. No digest and no element counts twice. ISO 18013-5 §9.3.1.
func (m *mso) disclosed(spaces []byte) (claims object, n int, err error) {
	claims = object{}
	if spaces == nil { // the holder disclosed nothing
		return claims, 0, nil
	}
	o, err := cborMembers(spaces)
	if err != nil {
		return nil, 0, err
	}
	for space, list := range o {
		items, err := cborList(list)
		if err != nil {
			return nil, 0, err
		}
		values := object{}
		for _, raw := range items {
			it, err := parseItem(raw)
			if err != nil {
				return nil, 0, fmt.Errorf("an item of %s: %w", space, err)
			}
			h := m.hash()
			h.Write(raw)
			want, signed := m.digests[space][it.id]
			switch {
			case !signed:
				return nil, 0, fmt.Errorf("%s: the issuer signed no digest for it", it.name)
			case subtle.ConstantTimeCompare(want, h.Sum(nil)) != 1:
				return nil, 0, fmt.Errorf("%s: it is not what the issuer signed", it.name)
			}
			if _, again := values[it.name]; again { // also where a digest is used twice: it is of one item
				return nil, 0, fmt.Errorf("%s is there twice", it.name)
			}
			values[it.name] = it.value
			n++
		}
		claims[space] = values
	}
	return claims, n, nil
}

// item is an IssuerSignedItem. ISO 18013-5 §8.3.2.1.2.2.
type item struct {
	id    uint64
	name  string
	value any
}

func parseItem(raw []byte) (it item, err error) {
	inner, err := embedded(raw)
	if err != nil {
		return it, err
	}
	o, err := cborMembers(inner)
	if err != nil || len(o) != 4 {
		return it, errors.New("it is no IssuerSignedItem")
	}
	random, err1 := cborBytes(o["random"])
	it.id, err = cborUint(o["digestID"])
	name, err2 := cborText(o["elementIdentifier"])
	if err = errors.Join(err, err1, err2); err != nil || name == "" || len(name) > maxURL {
		return it, errors.New("it is no IssuerSignedItem")
	}
	if len(random) < minRandom {
		return it, fmt.Errorf("%s: its random value is shorter than %d bytes", name, minRandom)
	}
	it.name = name
	if _, found := o["elementValue"]; !found {
		return it, errors.New("it has no elementValue")
	}
	it.value, err = cborPlain(o["elementValue"])
	return it, err
}

// authorises checks that the issuer lets the device say what it says itself. ISO 18013-5 §9.1.2.4 (KeyAuthorizations).
func (m *mso) authorises(deviceSpaces []byte) error {
	o, err := cborMembers(deviceSpaces)
	if err != nil {
		return err
	}
	for space, raw := range o {
		values, err := cborMembers(raw)
		if err != nil {
			return err
		}
		if slices.Contains(m.spaces, space) {
			continue
		}
		for name := range values {
			if !slices.Contains(m.elements[space], name) {
				return fmt.Errorf("the issuer does not let the device say %s", name)
			}
		}
	}
	return nil
}
