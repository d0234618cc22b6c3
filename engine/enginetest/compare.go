package enginetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// same demands that got is want as an engine may return it: times equal and in UTC, empty lists as nil,
// JSON equal in meaning.
func same(t tb, what string, got, want any) {
	t.Helper()
	if d := diff(what, reflect.ValueOf(got), reflect.ValueOf(want)); d != "" {
		t.Fatalf("%s", d)
	}
}

var (
	timeType = reflect.TypeFor[time.Time]()
	jsonType = reflect.TypeFor[json.RawMessage]()
)

// diff describes the first difference between two values of one type, or returns "".
func diff(path string, got, want reflect.Value) string {
	if got.Type() != want.Type() {
		return fmt.Sprintf("%s: type %s, want %s", path, got.Type(), want.Type())
	}
	switch got.Type() {
	case timeType:
		return diffTime(path, got.Interface().(time.Time), want.Interface().(time.Time))
	case jsonType:
		if g, w := got.Bytes(), want.Bytes(); !sameJSON(g, w) {
			return fmt.Sprintf("%s: JSON %s, want %s", path, clip(g), clip(w))
		}
		return ""
	}
	switch got.Kind() {
	case reflect.Struct:
		for i := range got.NumField() {
			if d := diff(path+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i)); d != "" {
				return d
			}
		}
		return ""
	case reflect.Slice:
		if got.Len() != want.Len() {
			return fmt.Sprintf("%s: %d elements, want %d: got %s", path, got.Len(), want.Len(), clip(got.Interface()))
		}
		for i := range got.Len() {
			if d := diff(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i)); d != "" {
				return d
			}
		}
		return ""
	case reflect.Map:
		if got.Len() != want.Len() {
			return fmt.Sprintf("%s: %d entries, want %d", path, got.Len(), want.Len())
		}
		for _, k := range want.MapKeys() {
			if !got.MapIndex(k).IsValid() {
				return fmt.Sprintf("%s: no entry %v", path, k)
			}
			if d := diff(fmt.Sprintf("%s[%v]", path, k), got.MapIndex(k), want.MapIndex(k)); d != "" {
				return d
			}
		}
		return ""
	}
	if g, w := got.Interface(), want.Interface(); !reflect.DeepEqual(g, w) {
		return fmt.Sprintf("%s: %s, want %s", path, clip(g), clip(w))
	}
	return ""
}

func diffTime(path string, got, want time.Time) string {
	switch {
	case want.IsZero() != got.IsZero():
		return fmt.Sprintf("%s: %v, want %v (a zero time stays zero)", path, got, want)
	case want.IsZero():
		return ""
	case got.Location() != time.UTC:
		return fmt.Sprintf("%s: in %v, want UTC", path, got.Location())
	case !got.Equal(want):
		return fmt.Sprintf("%s: %v, want %v", path, got, want.UTC())
	}
	return ""
}

func sameJSON(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	return reflect.DeepEqual(decode(a), decode(b))
}

// decode keeps numbers as they were written: a claim of 20 digits must not lose any.
func decode(b []byte) any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err.Error()
	}
	return v
}

func clip(v any) string {
	s := fmt.Sprintf("%v", v)
	if b, ok := v.([]byte); ok {
		s = fmt.Sprintf("%q", b)
	}
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}
