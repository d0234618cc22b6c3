package issue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"github.com/postern-id/postern/ident"
)

const refreshPrefix = "prt_"

// maxSteps bounds how far back a used refresh token is recognised.
const maxSteps = 10_000

// Refresh is a refresh token: which grant it belongs to, which number it has in its family, and its secret.
//
// The secret of number n+1 is an HMAC of the secret of number n under a key of the server. So the database keeps one
// hash, the same token always has the same successor (which a replay within the grace is owed), and any earlier token of
// the family is recognised for what it is: stepping forward from it arrives at the stored hash.
type Refresh struct {
	Grant  ident.GrantID
	Seq    int64
	secret [sha256.Size]byte
}

var errRefresh = errors.New("issue: not a refresh token")

// ParseRefresh reads a refresh token; it verifies nothing.
func ParseRefresh(token string) (Refresh, error) {
	rest, ok := strings.CutPrefix(token, refreshPrefix)
	if !ok || len(token) > 200 {
		return Refresh{}, errRefresh
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 3 || parts[0] == "" {
		return Refresh{}, errRefresh
	}
	seq, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || seq < 1 || strconv.FormatInt(seq, 10) != parts[1] {
		return Refresh{}, errRefresh
	}
	secret, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(secret) != sha256.Size {
		return Refresh{}, errRefresh
	}
	r := Refresh{Grant: ident.GrantID(parts[0]), Seq: seq}
	copy(r.secret[:], secret)
	return r, nil
}

// String is the token.
func (r Refresh) String() string {
	return refreshPrefix + string(r.Grant) + "." + strconv.FormatInt(r.Seq, 10) + "." + base64.RawURLEncoding.EncodeToString(r.secret[:])
}

// Hash is what is stored of it.
func (r Refresh) Hash() [sha256.Size]byte { return sha256.Sum256(r.secret[:]) }

// Is says in constant time whether r is the token with this hash.
func (r Refresh) Is(hash [sha256.Size]byte) bool {
	h := r.Hash()
	return hmac.Equal(h[:], hash[:])
}

// FirstRefresh is the first refresh token of a grant. It follows from the code, so that redeeming the code writes nothing
// but its taking.
func (i *Issuer) FirstRefresh(grant ident.GrantID, code string) Refresh {
	r := Refresh{Grant: grant, Seq: 1}
	r.secret = mac(i.opt.Derive("refresh-token")[0], "code", string(grant), []byte(code))
	return r
}

// FirstRefreshIs returns the first refresh token of a grant whose stored hash is hash; false if code does not lead to it.
func (i *Issuer) FirstRefreshIs(grant ident.GrantID, code string, hash [sha256.Size]byte) (Refresh, bool) {
	for _, key := range i.opt.Derive("refresh-token") {
		r := Refresh{Grant: grant, Seq: 1, secret: mac(key, "code", string(grant), []byte(code))}
		if r.Is(hash) {
			return r, true
		}
	}
	return Refresh{}, false
}

// Successor is the token that follows r.
func (i *Issuer) Successor(r Refresh) Refresh { return step(i.opt.Derive("refresh-token")[0], r) }

func step(key []byte, r Refresh) Refresh {
	return Refresh{Grant: r.Grant, Seq: r.Seq + 1, secret: mac(key, "next", string(r.Grant), r.secret[:])}
}

// Ancestor says whether r is a genuine earlier token of the family whose current token has number seq and hash; current
// is then that token.
func (i *Issuer) Ancestor(r Refresh, seq int64, hash [sha256.Size]byte) (current Refresh, ok bool) {
	if r.Seq >= seq || seq-r.Seq > maxSteps {
		return Refresh{}, false
	}
	for _, key := range i.opt.Derive("refresh-token") {
		cur := r
		for cur.Seq < seq {
			cur = step(key, cur)
		}
		if cur.Is(hash) {
			return cur, true
		}
	}
	return Refresh{}, false
}

func mac(key []byte, label, grant string, secret []byte) (out [sha256.Size]byte) {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(label))
	m.Write([]byte{0})
	m.Write([]byte(grant))
	m.Write([]byte{0})
	m.Write(secret)
	m.Sum(out[:0])
	return out
}
