package did

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// witnesses are those who must have seen an entry, did:webvh §3.7.8; none where the threshold is 0.
type witnesses struct {
	threshold int
	keys      []string // multikeys
}

// parseWitnesses reads the parameter `witness`; an empty object means that there are none.
func parseWitnesses(v any) (w witnesses, err error) {
	o, ok := v.(object)
	if ok && len(o) == 0 {
		return w, nil
	}
	n, _ := o["threshold"].(json.Number)
	w.threshold, err = strconv.Atoi(string(n))
	items, isList := o["witnesses"].([]any)
	if err != nil || !isList || len(items) > maxKeys || w.threshold < 1 || w.threshold > len(items) {
		return witnesses{}, errors.New("witness has no threshold that its list can reach")
	}
	for _, item := range items {
		id, _ := item.(object)
		k, isKey := strings.CutPrefix(text(id["id"]), "did:key:")
		if !isKey || slices.Contains(w.keys, k) {
			return witnesses{}, errors.New("a witness is no did:key, or stands twice")
		}
		w.keys = append(w.keys, k)
	}
	return w, nil
}

// watched says whether any entry of the log needs witnesses.
func (h *history) watched() bool {
	return slices.ContainsFunc(h.entries, func(e logEntry) bool { return e.witness.threshold > 0 })
}

// witnessed checks the proofs of `did-witness.json`: for every entry as many of its witnesses as its threshold says signed its
// versionId or a later one, by which they approve what came before. Proofs of versions that the log does not have, and such
// that do not verify, count for nothing. did:webvh §3.7.8.
func (h *history) witnessed(body []byte) error {
	v, err := parseJSON(body)
	items, ok := v.([]any)
	if err != nil || !ok || len(items) > maxLogEntries {
		return errors.New("did-witness.json is no list")
	}
	seen := map[string]int{} // multikey → the last entry that it signed, from 1
	left := maxLogEntries    // bounds the signatures that a stranger makes us verify
	for _, item := range items {
		o, _ := item.(object)
		id := text(o["versionId"])
		n := 1 + slices.IndexFunc(h.entries, func(e logEntry) bool { return e.versionID == id })
		if n == 0 {
			continue
		}
		for _, proof := range list(o["proof"]) {
			if left--; left < 0 {
				return errors.New("too many proofs of witnesses")
			}
			if k, err := jcsProof(object{"versionId": id}, proof); err == nil {
				seen[k] = max(seen[k], n)
			}
		}
	}
	for i, e := range h.entries {
		approved := 0
		for _, k := range e.witness.keys {
			if seen[k] > i {
				approved++
			}
		}
		if approved < e.witness.threshold {
			return errors.New("too few witnesses of " + e.versionID)
		}
	}
	return nil
}
