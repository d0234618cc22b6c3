package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-id/postern/ident"
)

// ErrEvent is returned for an event that breaks the rules of Event: a fault of the code that made it.
var ErrEvent = errors.New("audit: not an event")

const (
	maxData  = 16       // entries
	maxName  = 64       // bytes, of a name in Data and of a type
	maxValue = 256      // bytes, of a value in Data and of an identifier; longer ones are cut
	maxAgent = 512      // bytes; longer ones are cut
	maxBody  = 8 << 10  // bytes of JSON
	maxProof = 6 << 10  // bytes of evidence
	cutMark  = "…"      // ends what was cut
	maxRead  = 64 << 10 // bytes; a stored body longer than this was not written by us
)

// hash is what chains e to its predecessor. Every part has a fixed length or its length in front, so that no two entries
// share an input.
func (e *Entry) hash() [sha256.Size]byte {
	buf := make([]byte, 0, 128+len(e.Stream)+len(e.Body))
	buf = append(buf, "postern audit entry 1\n"...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(len(e.Stream)))
	buf = append(buf, e.Stream...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(e.Seq))
	buf = binary.BigEndian.AppendUint64(buf, uint64(e.At.UnixMicro()))
	buf = append(buf, e.Prev[:]...)
	buf = binary.BigEndian.AppendUint64(buf, uint64(len(e.Body)))
	buf = append(buf, e.Body...)
	return sha256.Sum256(buf)
}

// Event decodes the body, with the address where that was not erased.
func (e *Entry) Event() (Event, error) {
	ev, err := e.chained()
	if ev.Address != "" {
		ev.IP = e.IP
	}
	return ev, err
}

// chained decodes the body.
func (e *Entry) chained() (Event, error) {
	var ev Event
	if len(e.Body) > maxRead {
		return ev, errors.New("audit: the body is too long")
	}
	if err := json.Unmarshal(e.Body, &ev); err != nil {
		return ev, fmt.Errorf("audit: unreadable body: %w", err)
	}
	return ev, nil
}

// fit returns e as it may be written, and as JSON of at most 8 KiB: what the outside sent is valid UTF-8 and no longer
// than allowed. ErrEvent if the event itself is wrong.
func fit(e Event) (Event, []byte, error) {
	if e.Type == "" || len(e.Type) > maxName || !utf8.ValidString(e.Type) || !slices.Contains([]Outcome{OK, Denied, Failed}, e.Outcome) {
		return e, nil, fmt.Errorf("%w: type %.64q, outcome %.64q", ErrEvent, e.Type, e.Outcome)
	}
	if len(e.Data) > maxData {
		return e, nil, fmt.Errorf("%w: %s: %d entries of data", ErrEvent, e.Type, len(e.Data))
	}
	if len(e.Evidence) > maxProof || len(e.Evidence) > 0 && !json.Valid(e.Evidence) {
		return e, nil, fmt.Errorf("%w: %s: evidence of %d bytes", ErrEvent, e.Type, len(e.Evidence))
	}
	for name := range e.Data {
		if name == "" || len(name) > maxName || !utf8.ValidString(name) {
			return e, nil, fmt.Errorf("%w: %s: name of data %.64q", ErrEvent, e.Type, name)
		}
	}
	e.Actor, e.Reason = clean(e.Actor, maxName), clean(e.Reason, maxValue)
	e.User = ident.UserID(clean(string(e.User), maxValue))
	e.Client = ident.ClientID(clean(string(e.Client), maxValue))
	e.Session = ident.SessionID(clean(string(e.Session), maxValue))
	e.Grant = ident.GrantID(clean(string(e.Grant), maxValue))
	e.Device = ident.DeviceID(clean(string(e.Device), maxValue))
	e.IP, e.Request, e.Agent = clean(e.IP, maxName), clean(e.Request, maxValue), clean(e.Agent, maxAgent)
	given := e.Data
	for limit := maxValue; ; limit /= 2 { // only data full of quotes needs a second round
		e.Data = maps.Clone(given)
		for name, v := range e.Data {
			e.Data[name] = clean(v, limit)
		}
		text, err := marshal(e)
		if err != nil || len(text) <= maxBody || limit < 16 {
			return e, text, err
		}
	}
}

func marshal(e Event) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEvent, err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// clean returns s in valid UTF-8 without control characters, at most limit bytes long; what was cut ends in "…".
func clean(s string, limit int) string {
	long := len(s) > limit
	if long {
		s = s[:limit] // before the work below, whose cost is then bounded
	}
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return utf8.RuneError
		}
		return r
	}, s)
	if !long && len(s) <= limit {
		return s
	}
	end := min(limit-len(cutMark), len(s))
	for end > 0 && end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + cutMark
}

// stamp is t as entries keep it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
