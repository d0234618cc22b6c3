package model

import (
	"crypto/hmac"
	"crypto/sha256"

	"github.com/postern-id/postern/ident"
)

// older returns the hashes of l as profiles of versions 1 and 2 have them, under the key that recognises most: the
// current one. Those profiles end with their entries, which the ring rewrites as it recognises them.
func (h *Hasher) older(l *Login) (d digest) {
	if h == nil || len(h.raw) == 0 {
		return d
	}
	if l.Device != "" {
		d.device = h.olderHash(l.User, "device", l.Device)
	}
	if l.IP.IsValid() {
		d.prefix = h.olderHash(l.User, "prefix", ident.Network(l.IP))
	}
	return d
}

func (h *Hasher) olderHash(user, level, value string) (out hash) {
	mac := hmac.New(sha256.New, h.raw[0])
	mac.Write([]byte(user + "\x00" + level + "\x00" + value))
	copy(out[:], mac.Sum(nil))
	return out
}
