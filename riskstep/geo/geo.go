// Package geo finds the country of an address in a MaxMind DB file, of MaxMind's own types or of the
// flat ones that others publish. It is the only importer of the readers. It never guesses: what the
// file does not say is not known, and it never judges whether a place is usual.
//
// The file is read into memory: one that is changed in place cannot pull a mapping away. Replace it by
// renaming all the same, so that nobody reads half of it.
package geo

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/postern-id/postern/riskstep"
)

const (
	maxFile    = 512 << 20
	checkEvery = 30 * time.Second // how often the file is looked at
)

// DB is a file that is read anew when it changes.
type DB struct {
	path string
	now  func() time.Time

	cur  atomic.Pointer[data]
	next atomic.Int64 // when to look at the file again, in Unix nanoseconds
	mu   sync.Mutex   // held by the one who looks
}

// data is one reading of the file.
type data struct {
	country func(netip.Addr) (string, error)
	typ     string
	built   time.Time
	mtime   time.Time
	size    int64
	failed  error // why the latest change of the file could not be read; the reading before it stands
}

var _ riskstep.Locator = (*DB)(nil)

// Open reads the file at path. An error for one that is no MaxMind DB, over 512 MiB, or has no country in it.
func Open(path string, now func() time.Time) (*DB, error) {
	d, err := load(path)
	if err != nil {
		return nil, err
	}
	db := &DB{path: path, now: now}
	db.cur.Store(d)
	db.next.Store(now().Add(checkEvery).UnixNano())
	return db, nil
}

// Locate returns the country of ip; the zero Place where the file has none.
func (db *DB) Locate(ip netip.Addr) (riskstep.Place, error) {
	db.refresh()
	c, err := db.cur.Load().country(ip.Unmap().WithZone(""))
	if err != nil {
		return riskstep.Place{}, fmt.Errorf("geo: %w", err)
	}
	if c = strings.ToUpper(c); !isCountry(c) {
		return riskstep.Place{}, nil
	}
	return riskstep.Place{Country: c, Known: true}, nil
}

// Age is how long ago the data was built.
func (db *DB) Age() time.Duration { return db.now().Sub(db.cur.Load().built) }

// Status tells operators what is in use: the database_type, when it was built, and why a newer file
// could not be read.
func (db *DB) Status() (typ string, built time.Time, err error) {
	d := db.cur.Load()
	return d.typ, d.built, d.failed
}

// refresh reads the file again if it changed. One caller does it, the others go on with what there is.
func (db *DB) refresh() {
	now := db.now()
	if now.UnixNano() < db.next.Load() || !db.mu.TryLock() {
		return
	}
	defer db.mu.Unlock()
	db.next.Store(now.Add(checkEvery).UnixNano())
	old := db.cur.Load()
	st, err := os.Stat(db.path)
	if err == nil && st.ModTime().Equal(old.mtime) && st.Size() == old.size {
		return
	}
	d := old
	if err == nil {
		d, err = load(db.path)
	}
	if err != nil {
		kept := *old
		kept.failed = err
		d = &kept
	}
	db.cur.Store(d)
}

func load(path string) (*data, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("geo: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("geo: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, fmt.Errorf("geo: %s is no file of up to %d MiB", path, maxFile>>20)
	}
	b := make([]byte, st.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, fmt.Errorf("geo: %s: %w", path, err)
	}
	d, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("geo: %s: %w", path, err)
	}
	d.mtime, d.size = st.ModTime(), st.Size()
	return d, nil
}

// parse opens a database by what it says it is: types of MaxMind's through geoip2, others by the flat
// record in them.
func parse(b []byte) (*data, error) {
	raw, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, err
	}
	d := &data{typ: raw.Metadata.DatabaseType, built: raw.Metadata.BuildTime()}
	rich, err := geoip2.OpenBytes(b)
	var unknown geoip2.UnknownDatabaseTypeError
	switch {
	case errors.As(err, &unknown):
		d.country, err = flatCountry(raw)
		return d, err
	case err != nil:
		return nil, err
	}
	if _, err := rich.Country(netip.IPv4Unspecified()); errors.As(err, new(geoip2.InvalidMethodError)) {
		return nil, fmt.Errorf("a database of type %q has no countries", d.typ)
	}
	d.country = func(ip netip.Addr) (string, error) {
		c, err := rich.Country(ip)
		if err != nil {
			return "", err
		}
		return c.Country.ISOCode, nil
	}
	return d, nil
}

// flat is the record of iptoasn, geo-whois-asn-country, dbip-country and their like.
type flat struct {
	CountryCode string `maxminddb:"country_code,maxsize:16"`
}

// probe is how many networks are looked at before a file counts as one without countries. Empty ones
// count too: a damaged tree can be walked for ever without a record.
const probe = 1 << 16

// flatCountry refuses a database in whose first records there is no country_code.
func flatCountry(r *maxminddb.Reader) (func(netip.Addr) (string, error), error) {
	found, n := false, 0
	for res := range r.Networks(maxminddb.IncludeNetworksWithoutData(), maxminddb.IncludeAliasedNetworks()) {
		var f flat
		if err := res.Decode(&f); err != nil {
			return nil, err
		}
		n++
		if found = isCountry(strings.ToUpper(f.CountryCode)); found || n == probe {
			break
		}
	}
	if !found {
		return nil, fmt.Errorf("a database of type %q has no country_code", r.Metadata.DatabaseType)
	}
	return func(ip netip.Addr) (string, error) {
		var f flat
		err := r.Lookup(ip).Decode(&f)
		return f.CountryCode, err
	}, nil
}

// isCountry says whether s has the form of ISO 3166-1 alpha-2.
func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}
