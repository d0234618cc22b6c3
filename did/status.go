package did

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Limits of status lists.
const (
	maxList     = 16 << 20 // bytes of a list once inflated: 2^27 entries of one bit
	maxLists    = 64       // lists in the cache
	maxListsSum = 64 << 20 // bytes in the cache
	maxStatuses = 8        // status entries of one credential
	listTTL     = 5 * time.Minute
	maxListTTL  = 24 * time.Hour
)

// entry is what a credential says about where its status stands.
type entry struct {
	kind    string // "token", "BitstringStatusListEntry", "StatusList2021Entry"
	uri     string
	index   uint64
	purpose string // of the W3C's lists
	size    int    // bits of an entry that the credential states, BSL §2.1; 0: one
	err     error  // it cannot be read
}

// tokenStatus reads `status` of a JWT, Token Status List §6. A mechanism that we do not know is one that we cannot look up.
func tokenStatus(payload object) []entry {
	v, found := payload["status"]
	if !found {
		return nil
	}
	status, _ := v.(object)
	ref, ok := status["status_list"].(object)
	idx, isNumber := ref["idx"].(json.Number)
	index, err := strconv.ParseUint(string(idx), 10, 40)
	switch {
	case !ok:
		return []entry{{err: errors.New("a status mechanism that is unknown here")}}
	case !isNumber || err != nil || hostOf(text(ref["uri"])) == "":
		return []entry{{err: errors.New("status_list has no index and URI")}}
	}
	return []entry{{kind: "token", uri: text(ref["uri"]), index: index}}
}

// w3cStatus reads `credentialStatus`, VCDM 2.0 §4.10; BSL §2.1; StatusList2021 §3.
func w3cStatus(credential object) (out []entry) {
	items := list(credential["credentialStatus"])
	if len(items) > maxStatuses {
		return []entry{{err: errors.New("too many status entries")}}
	}
	for _, item := range items {
		o, _ := item.(object)
		kind := text(o["type"])
		n := entry{kind: kind, uri: text(o["statusListCredential"]), purpose: text(o["statusPurpose"]), size: 1}
		index := text(o["statusListIndex"])
		if number, ok := o["statusListIndex"].(json.Number); ok {
			index = string(number)
		}
		var err error
		n.index, err = strconv.ParseUint(index, 10, 40)
		if v, found := o["statusSize"]; found {
			number, _ := v.(json.Number)
			n.size, _ = strconv.Atoi(string(number))
		}
		switch {
		case kind != "BitstringStatusListEntry" && kind != "StatusList2021Entry":
			n.err = fmt.Errorf("a status of type %q is unknown here", kind)
		case err != nil || hostOf(n.uri) == "" || n.purpose == "" || n.size < 1 || n.size > 8:
			n.err = errors.New("a status entry has no index, list or purpose")
		}
		out = append(out, n)
	}
	return out
}

// status looks up every entry, and fails closed: what cannot be looked up is not good. issuer is the credential's, who alone
// (or another whom the policy lists) speaks about its status.
func (e *exam) status(ctx context.Context, entries []entry, issuer string) {
	switch {
	case e.p.Status == Ignored:
		e.check("status", nil, "not asked for")
		return
	case len(entries) == 0:
		e.check("status", nil, "it names none")
		return
	}
	for _, n := range entries {
		err := n.err
		if err == nil && e.stranger {
			err = errors.New("not looked up: a stranger named the list")
		}
		if err == nil {
			err = e.lookUp(ctx, n, issuer)
		}
		e.check("status", err, "good, by", n.uri)
	}
}

// What a status means, Token Status List §7.1.
const (
	statusValid     = 0
	statusInvalid   = 1
	statusSuspended = 2
)

func (e *exam) lookUp(ctx context.Context, n entry, issuer string) error {
	l, err := e.listOf(ctx, n, issuer)
	if err != nil {
		return fmt.Errorf("status list: %w", err)
	}
	v, err := l.at(n)
	if err != nil {
		return err
	}
	if n.kind == "token" {
		switch v {
		case statusValid:
			return nil
		case statusInvalid:
			return errors.New("revoked")
		case statusSuspended:
			return errors.New("suspended")
		}
		return fmt.Errorf("status 0x%02x, whose meaning is unknown", v)
	}
	switch {
	case v == 0:
		return nil
	case n.purpose == "revocation":
		return errors.New("revoked")
	case n.purpose == "suspension":
		return errors.New("suspended")
	}
	return fmt.Errorf("status %d for %q, whose meaning is unknown", v, n.purpose)
}

// statusList is a list that was verified and inflated.
type statusList struct {
	bits     int  // of an entry
	msb      bool // the first entry is in the most significant bit (W3C), not in the least (IETF)
	data     []byte
	purposes []string
	until    time.Time // when it must be fetched again
}

// at returns the status of an entry. BSL §3.2; Token Status List §4.1.
func (l statusList) at(n entry) (byte, error) {
	bits := l.bits
	if l.msb {
		bits = n.size
	}
	first := n.index * uint64(bits)
	if bits < 1 || bits > 8 || first+uint64(bits) > uint64(len(l.data))*8 {
		return 0, errors.New("the index is beyond the list")
	}
	if !l.msb { // 1, 2, 4 or 8 bits never cross a byte
		return l.data[first/8] >> (first % 8) & byte(1<<bits-1), nil
	}
	v := byte(0)
	for i := first; i < first+uint64(bits); i++ {
		v = v<<1 | l.data[i/8]>>(7-i%8)&1
	}
	return v, nil
}

// listCache keeps lists that were verified, within bounds of number and bytes.
type listCache struct {
	mu    sync.Mutex
	lists map[string]statusList
	sum   int
}

func newListCache() *listCache { return &listCache{lists: map[string]statusList{}} }

func (c *listCache) get(key string, now time.Time) (statusList, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := c.lists[key]
	return l, ok && now.Before(l.until)
}

func (c *listCache) put(key string, l statusList) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum -= len(c.lists[key].data)
	delete(c.lists, key)
	for k, old := range c.lists {
		if len(c.lists) < maxLists && c.sum+len(l.data) <= maxListsSum {
			break
		}
		c.sum -= len(old.data)
		delete(c.lists, k)
	}
	c.lists[key] = l
	c.sum += len(l.data)
}

// listOf returns the list of an entry, from the cache or by a visit. A list is kept for its `ttl`, never beyond its end, and
// only for policies that trust the same issuers.
func (e *exam) listOf(ctx context.Context, n entry, issuer string) (statusList, error) {
	key := fmt.Sprintf("%q %q %q %s", n.kind, n.uri, issuer, e.p.trustID())
	if l, ok := e.j.lists.get(key, e.now); ok {
		return l, l.serves(n)
	}
	accept := "application/vc+jwt, application/vc"
	if n.kind == "token" {
		accept = "application/statuslist+jwt"
	}
	body, _, err := e.get(ctx, n.uri, accept)
	if err != nil {
		return statusList{}, err
	}
	var l statusList
	if n.kind == "token" {
		l, err = e.readToken(ctx, body, n, issuer)
	} else {
		l, err = e.readBitstring(ctx, body, n, issuer)
	}
	if err != nil {
		return statusList{}, err
	}
	e.j.lists.put(key, l)
	return l, l.serves(n)
}

// keepFor says until when a list may be used.
func keepFor(now time.Time, ttl time.Duration, end time.Time) time.Time {
	until := now.Add(min(orDefault(ttl, listTTL), maxListTTL))
	if !end.IsZero() && end.Before(until) {
		until = end
	}
	return until
}
