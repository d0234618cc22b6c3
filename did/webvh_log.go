package did

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of a log.
const (
	maxLog        = 512 << 10 // bytes
	maxLogEntries = 1024
	maxProofs     = 16
	maxKeys       = 32 // update keys, hashes of next ones, and witnesses
)

// parameters are what holds for a log from an entry on, did:webvh §3.7.3.
type parameters struct {
	scid        string
	updateKeys  []string
	nextHashes  []string // of the only keys that the next entry may have: pre-rotation is on where there are any
	portable    bool
	deactivated bool
	witness     witnesses
	ttl         time.Duration
}

// logEntry is an entry that was verified.
type logEntry struct {
	versionID string
	at        time.Time
	state     object
	witness   witnesses // who must have witnessed it
}

// history is a verified log.
type history struct {
	entries []logEntry
	last    parameters
}

// readLog verifies a whole log, `did.jsonl`: the SCID, the chain of hashes, every proof by a key that was entitled then,
// pre-rotation, times that only grow and are not to come. did:webvh §3.6.2.
func readLog(text []byte, now time.Time) (h history, err error) {
	lines := bytes.Split(bytes.TrimRight(text, "\r\n"), []byte("\n"))
	if len(lines) > maxLogEntries {
		return h, fmt.Errorf("more than %d entries", maxLogEntries)
	}
	for i, line := range lines {
		o, err := parseObject(line)
		if err == nil {
			err = h.add(o, now)
		}
		if err != nil {
			return history{}, fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return h, nil
}

func (h *history) add(o object, now time.Time) error {
	n, first := len(h.entries), len(h.entries) == 0
	if h.last.deactivated {
		return errors.New("it follows the deactivation")
	}
	p, err := h.last.next(o["parameters"], first)
	if err != nil {
		return err
	}
	e := logEntry{versionID: text(o["versionId"]), witness: h.last.witness}
	if e.witness.threshold == 0 { // nobody was to witness it before
		e.witness = p.witness
	}
	var ok bool
	if e.state, ok = o["state"].(object); !ok {
		return errors.New("state is no object")
	}
	if e.at, err = time.Parse(time.RFC3339, text(o["versionTime"])); err != nil || !strings.HasSuffix(text(o["versionTime"]), "Z") {
		return errors.New("versionTime is no time in UTC")
	}
	if e.at.After(now.Add(time.Minute)) || !first && !e.at.After(h.entries[n-1].at) {
		return errors.New("versionTime is yet to come, or not after the one before")
	}
	before := p.scid
	if first {
		if err := checkSCID(o, p.scid); err != nil {
			return err
		}
	} else {
		before = h.entries[n-1].versionID
	}
	if err := checkEntryHash(o, n+1, e.versionID, before); err != nil {
		return err
	}
	if err := checkProofs(o, h.last.entitled(p, first)); err != nil {
		return err
	}
	h.entries, h.last = append(h.entries, e), p
	return nil
}

// next is p with what an entry changes. Parameters that are unknown are refused: they would change what we do not know.
func (p parameters) next(v any, first bool) (parameters, error) {
	o, ok := v.(object)
	if !ok {
		return p, errors.New("parameters are no object")
	}
	rotating := len(p.nextHashes) > 0
	var hashes []string
	for name, v := range o {
		ok = true
		switch name {
		case "method":
			ok = text(v) == "did:webvh:1.0"
		case "scid":
			p.scid, ok = text(v), first && text(v) != ""
		case "updateKeys":
			p.updateKeys, ok = strict(v)
		case "nextKeyHashes":
			hashes, ok = strict(v)
		case "watchers":
			_, ok = strict(v)
		case "portable":
			var portable bool
			portable, ok = v.(bool)
			ok = ok && (first || p.portable || !portable) // can only be lost
			p.portable = portable
		case "deactivated":
			p.deactivated, ok = v.(bool)
		case "witness":
			var err error
			p.witness, err = parseWitnesses(v)
			ok = err == nil
		case "ttl":
			n, _ := v.(json.Number)
			ttl, err := strconv.ParseInt(string(n), 10, 32)
			p.ttl, ok = max(time.Duration(ttl)*time.Second, time.Millisecond), err == nil && ttl >= 0 // 0: not to be kept
		default:
			return p, fmt.Errorf("unknown parameter %q", name)
		}
		if !ok {
			return p, fmt.Errorf("parameter %q", name)
		}
	}
	_, changed := o["updateKeys"]
	_, committed := o["nextKeyHashes"]
	switch {
	case first && (o["method"] == nil || o["scid"] == nil || len(p.updateKeys) == 0):
		return p, errors.New("the first entry has method, scid and updateKeys")
	case rotating && (!changed || !committed):
		return p, errors.New("with pre-rotation every entry has updateKeys and nextKeyHashes")
	case rotating && slices.ContainsFunc(p.updateKeys, func(k string) bool { return !slices.Contains(p.nextHashes, multihashOf([]byte(k))) }):
		return p, errors.New("a key that nobody committed to")
	}
	if committed {
		p.nextHashes = hashes
	}
	return p, nil
}

// strict is a list of different strings.
func strict(v any) ([]string, bool) {
	items, isList := v.([]any)
	out, ok := texts(v)
	if !isList || !ok || len(items) > maxKeys {
		return nil, false
	}
	sorted := slices.Sorted(slices.Values(out))
	return out, len(slices.Compact(sorted)) == len(out)
}

// entitled are the keys that may sign the entry which leads from p to q: those of the entry before, except for the first entry
// and with pre-rotation, where they are its own. did:webvh §3.7.5.
func (p parameters) entitled(q parameters, first bool) []string {
	if first || len(p.nextHashes) > 0 {
		return q.updateKeys
	}
	return p.updateKeys
}

// checkSCID hashes the first entry as it was before there was a SCID. did:webvh §3.7.2.
func checkSCID(o object, scid string) error {
	preliminary := maps.Clone(o)
	delete(preliminary, "proof")
	preliminary["versionId"] = "{SCID}"
	text, err := canonicalJSON(preliminary)
	if err != nil {
		return err
	}
	if multihashOf([]byte(strings.ReplaceAll(string(text), scid, "{SCID}"))) != scid {
		return errors.New("the SCID is not that of this log")
	}
	return nil
}

// checkEntryHash hashes an entry with the versionId of the one before. did:webvh §3.7.4.
func checkEntryHash(o object, number int, versionID, before string) error {
	n, hash, ok := strings.Cut(versionID, "-")
	if !ok || n != strconv.Itoa(number) {
		return errors.New("versionId does not count on")
	}
	chained := maps.Clone(o)
	delete(chained, "proof")
	chained["versionId"] = before
	want, err := multihash(chained)
	if err == nil && want != hash {
		err = errors.New("the chain of hashes is broken")
	}
	return err
}

// checkProofs verifies every proof of an entry: one good one beside a bad one is not enough.
func checkProofs(o object, entitled []string) error {
	proofs := list(o["proof"])
	if len(proofs) == 0 || len(proofs) > maxProofs {
		return errors.New("no proof, or too many")
	}
	for _, v := range proofs {
		key, err := jcsProof(o, v)
		if err != nil {
			return err
		}
		if !slices.Contains(entitled, key) {
			return errors.New("a proof by a key that was not entitled")
		}
	}
	return nil
}
