package did

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// Limits of one CBOR item, beside maxInput for the whole. What stands within byte strings is an item of its own.
const (
	maxNested = 16
	maxItems  = 1024 // of one array or map
)

var errCBOR = errors.New("did: malformed CBOR")

// strictCBOR reads CBOR that has no duplicate keys, no indefinite lengths, and nothing that JSON could not say again.
// Lengths that are longer than needed pass: issuers write them, and digests are taken of the bytes as they came.
var strictCBOR = func() cbor.DecMode {
	m, err := cbor.DecOptions{
		DupMapKey:       cbor.DupMapKeyEnforcedAPF,
		IndefLength:     cbor.IndefLengthForbidden,
		MaxNestedLevels: maxNested, MaxArrayElements: maxItems, MaxMapPairs: maxItems,
		IntDec:         cbor.IntDecConvertSignedOrBigInt,
		UTF8:           cbor.UTF8RejectInvalid,
		NaN:            cbor.NaNDecodeForbidden,
		Inf:            cbor.InfDecodeForbidden,
		TimeTagToAny:   cbor.TimeTagToRFC3339Nano,
		DefaultMapType: reflect.TypeFor[map[any]any](),
	}.DecMode()
	if err != nil {
		panic(err) // the options are constants: TestStrictCBOR
	}
	return m
}()

// The major types of RFC 8949 §3.1.
const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorTag   = 6
)

// major is the major type of an item, -1 of an empty one. The library also reads null as anything and an array of numbers as
// bytes; asking for the type first keeps one spelling for one thing.
func major(raw []byte) int {
	if len(raw) == 0 {
		return -1
	}
	return int(raw[0] >> 5)
}

// readCBOR reads one whole item of the given major type.
func readCBOR[T any](raw []byte, want int) (v T, err error) {
	if major(raw) != want {
		return v, errCBOR
	}
	if err := strictCBOR.Unmarshal(raw, &v); err != nil {
		return v, fmt.Errorf("%w: %w", errCBOR, err)
	}
	return v, nil
}

func cborBytes(raw []byte) ([]byte, error) { return readCBOR[[]byte](raw, majorBytes) }
func cborText(raw []byte) (string, error)  { return readCBOR[string](raw, majorText) }
func cborUint(raw []byte) (uint64, error)  { return readCBOR[uint64](raw, majorUint) }
func cborList(raw []byte) ([]cbor.RawMessage, error) {
	return readCBOR[[]cbor.RawMessage](raw, majorArray)
}

// members is a map with text as keys, its values as they were spelled.
type members = map[string]cbor.RawMessage

func cborMembers(raw []byte) (members, error) { return readCBOR[members](raw, majorMap) }

// closed is a map with no other keys than those named: what nobody reads must not be taken for something that was verified.
func closed(raw []byte, names ...string) (members, error) {
	o, err := cborMembers(raw)
	for name := range o {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: %q has no place here", errCBOR, name)
		}
	}
	return o, err
}

// embedded returns the encoded item within #6.24(bstr), RFC 8949 §3.4.5.1.
func embedded(raw []byte) ([]byte, error) {
	t, err := readCBOR[cbor.RawTag](raw, majorTag)
	if err != nil || t.Number != 24 {
		return nil, errCBOR
	}
	return cborBytes(t.Content)
}

// embed is #6.24(bstr) of an encoded item.
func embed(item []byte) []byte { return encodeCBOR(cbor.Tag{Number: 24, Content: item}) }

// encodeCBOR writes texts, bytes, tags, nil, lists of them and items that are encoded already, each in its shortest form.
func encodeCBOR(v any) []byte {
	b, err := cbor.Marshal(v)
	if err != nil {
		return nil // nothing verifies over nothing
	}
	return b
}

// cborDate reads a tdate, #6.0(tstr). ISO 18013-5 §9.1.2.4.
func cborDate(raw []byte) (time.Time, error) {
	t, err := readCBOR[cbor.RawTag](raw, majorTag)
	if err != nil || t.Number != 0 {
		return time.Time{}, errors.New("a date is no tdate")
	}
	s, err := cborText(t.Content)
	if err != nil || len(s) > 40 {
		return time.Time{}, errors.New("a date is no tdate")
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, errors.New("a date is none of RFC 3339")
	}
	return at, nil
}

// cborPlain reads any item as JSON would say it: bytes as base64url, dates as text, keys that are numbers as text.
func cborPlain(raw []byte) (any, error) {
	var v any
	if err := strictCBOR.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("%w: %w", errCBOR, err)
	}
	return plain(v)
}

func plain(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int64, float64:
		return v, nil
	case big.Int:
		return v.String(), nil
	case []byte:
		return b64.EncodeToString(v), nil
	case cbor.Tag: // what it means is the reader's to know
		return plain(v.Content)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = plain(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[any]any:
		out := make(object, len(v))
		for k, item := range v {
			name, isText := k.(string)
			if n, isNumber := k.(int64); isNumber {
				name, isText = strconv.FormatInt(n, 10), true
			}
			if _, again := out[name]; again || !isText {
				return nil, fmt.Errorf("%w: an unfit key", errCBOR)
			}
			var err error
			if out[name], err = plain(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("%w: a value of an unknown kind", errCBOR)
}
