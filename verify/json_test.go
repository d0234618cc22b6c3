package verify_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/postern-id/postern/verify"
)

// What is accepted means the same as to encoding/json.
func FuzzDecodeObject(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : [ 1 , -2.5e+3 , "x\\u0041\\"\\\\" , true , false , null , { } , [ ] ] , "b" : { "c" : { } } } `,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `[{}]`, `{"a":`, `{"a":1}x`, "{\"\":\"\xff\"}", `{"a":"\ud800"}`, `1`, `{"a,:":","}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := verify.DecodeObject(b)
		if err != nil {
			return
		}
		var want map[string]any
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&want); err != nil {
			t.Fatalf("accepted %q: %v", b, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %v, want %v", b, got, want)
		}
	})
}
