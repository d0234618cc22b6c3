package verifytest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// entry of the log of revocations.
type entry struct {
	Seq   int64  `json:"seq"`
	At    int64  `json:"at"`
	Kind  string `json:"kind"`
	Hash  string `json:"hash"`
	Until int64  `json:"until"`
	Scope string `json:"scope,omitempty"`
}

// Log appends an entry about the value of a claim to the log of revocations: kind is session, grant, token, client or
// limit, which takes scope.
func (i *Issuer) Log(kind, value string, scope ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	sum := sha256.Sum256([]byte(value))
	i.seq++
	i.log = append(i.log, entry{Seq: i.seq, At: i.now().Unix(), Kind: kind, Hash: base64.RawURLEncoding.EncodeToString(sum[:16]),
		Until: i.now().Add(10 * time.Minute).Unix(), Scope: strings.Join(scope, " ")})
	close(i.logged)
	i.logged = make(chan struct{})
}

// Restore makes the log what it was after its first n entries, as a backup of the issuer would.
func (i *Issuer) Restore(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.log, i.seq = i.log[:n], int64(n)
	close(i.logged)
	i.logged = make(chan struct{})
}

// revocations answers with at most three entries, so that a few are several pages.
func (i *Issuer) revocations(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	after, _ := strconv.ParseInt(r.URL.Query().Get("after"), 10, 64)
	wait, _ := strconv.Atoi(r.URL.Query().Get("wait"))
	end := time.After(time.Duration(wait) * time.Second)
	for {
		i.mu.Lock()
		want, ok := i.clients[id]
		list, latest, logged := []entry{}, i.seq, i.logged
		for _, e := range i.log {
			if e.Seq > after && len(list) < 3 {
				list = append(list, e)
			}
		}
		i.mu.Unlock()
		if !ok || secret != want {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer := map[string]any{"entries": list, "next": latest}
		switch {
		case after > latest:
			answer["next"], answer["reset"] = 0, true
		case len(list) == 3:
			answer["next"], answer["more"] = list[2].Seq, true
		case len(list) == 0:
			select {
			case <-logged:
				continue
			case <-end:
			case <-r.Context().Done():
				return
			}
		}
		writeJSON(w, answer)
		return
	}
}
