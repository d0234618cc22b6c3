package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

// saltSize is 128 bits: nobody finds an address from its commitment by trying all of them, once the salt is gone.
const saltSize = 16

// The states of the address of an entry.
const (
	AddressNone   = ""       // there never was one, or it is part of the event: entries of before it could be erased
	AddressKept   = "kept"   // it is the one that was recorded
	AddressErased = "erased" // there was one
	AddressForged = "forged" // what stands there is not what was recorded
)

// commitment binds an address to an entry without telling it: HMAC-SHA256 under the entry's own salt, in base64url.
func commitment(salt []byte, ip string) string {
	m := hmac.New(sha256.New, salt)
	m.Write([]byte("postern audit address 1\n"))
	m.Write([]byte(ip))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// detach returns e without its address but with a commitment to it, and the salt: what is chained does not tell the address,
// which stands beside it and can be erased. No salt where there is no address.
func detach(e Event, random io.Reader) (Event, []byte, error) {
	e.Address = ""
	if e.IP == "" {
		return e, nil, nil
	}
	salt := make([]byte, saltSize)
	if _, err := io.ReadFull(random, salt); err != nil {
		return e, nil, fmt.Errorf("audit: no randomness: %w", err)
	}
	e.Address, e.IP = commitment(salt, e.IP), ""
	return e, salt, nil
}

// Address says what became of the address of the person or program that acted. AddressForged also where it cannot be told.
func (e *Entry) Address() string {
	ev, err := e.chained()
	if err != nil {
		return AddressForged
	}
	return e.address(ev.Address)
}

func (e *Entry) address(committed string) string {
	switch {
	case committed == "" && e.IP == "" && len(e.Salt) == 0:
		return AddressNone
	case committed != "" && e.IP == "" && len(e.Salt) == 0:
		return AddressErased
	case committed != "" && len(e.Salt) == saltSize && hmac.Equal([]byte(commitment(e.Salt, e.IP)), []byte(committed)):
		return AddressKept
	}
	return AddressForged
}
