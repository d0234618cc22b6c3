// Package geo finds the country of an address, and roughly the place, in a MaxMind DB file, of MaxMind's
// own types or of the flat ones that others publish. It is the only importer of the readers. It never
// guesses: what the file does not say is not known; it keeps no place as exactly as a file may have it,
// and it never judges whether a place is usual.
//
// The file is read into memory: one that is changed in place cannot pull a mapping away. Replace it by
// renaming all the same, so that nobody reads half of it.
package geo

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"

	"github.com/postern-id/postern/riskstep"
)

const (
	maxFile = 512 << 20
	unsaid  = 50 // km: how far off a point is taken to be where the file does not say
)

var errNone = errors.New("geo: there is no data")

// DB is a file of places, of networks or of both; or two, one of IPv4 and one of IPv6, as some makers have them.
type DB struct {
	file *watched[*data]
	six  *DB // nil: file has both, or IPv4 only
}

// data is what is read of a file.
type data struct {
	find     func(netip.Addr) (found, error)            // nil: it has no countries
	cities   bool                                       // it has points, not only countries
	networks func(netip.Addr) (riskstep.Network, error) // nil: it has no autonomous systems
	typ      string
	built    time.Time
}

// found is what a record says. A point is there as a whole or not at all; a radius of 0 is not said.
type found struct {
	country  string
	lat, lon *float64
	km       uint16
}

var _ riskstep.Locator = (*DB)(nil)

// Open reads the file at path, and with one that ends in -ipv4.mmdb the one beside it that ends in -ipv6.mmdb, if there is
// one. An error for a file that is no MaxMind DB, over 512 MiB, or has no country in it.
func Open(path string, now func() time.Time) (*DB, error) {
	return open(path, now, func(d *data) error {
		if d.find == nil {
			return fmt.Errorf("a database of type %q has no countries", d.typ)
		}
		return nil
	})
}

// OpenNetworks reads the file at path, as Open; an error for one that has no autonomous systems in it.
func OpenNetworks(path string, now func() time.Time) (*DB, error) {
	return open(path, now, func(d *data) error {
		if d.networks == nil {
			return fmt.Errorf("a database of type %q has no autonomous systems", d.typ)
		}
		return nil
	})
}

func open(path string, now func() time.Time, check func(*data) error) (*DB, error) {
	w, err := watch(path, maxFile, now, func(b []byte) (*data, error) {
		d, err := parse(b)
		if err != nil {
			return nil, err
		}
		return d, check(d)
	})
	if err != nil {
		return nil, err
	}
	db := &DB{file: w}
	if stem, ok := strings.CutSuffix(path, "-ipv4.mmdb"); ok {
		if _, err := os.Stat(stem + "-ipv6.mmdb"); err == nil {
			db.six, err = open(stem+"-ipv6.mmdb", now, check)
			return db, err
		}
	}
	return db, nil
}

// of is what the file for ip holds, and ip as it is looked up.
func (db *DB) of(ip netip.Addr) (*data, netip.Addr) {
	if ip = ip.Unmap().WithZone(""); ip.Is6() && db.six != nil {
		db = db.six
	}
	return db.file.get().data, ip
}

// Locate returns the country of ip, with its Spot where the file has one; the zero Place where it has no country.
func (db *DB) Locate(ip netip.Addr) (riskstep.Place, error) {
	d, ip := db.of(ip)
	if d.find == nil {
		return riskstep.Place{}, errNone
	}
	f, err := d.find(ip)
	if err != nil {
		return riskstep.Place{}, fmt.Errorf("geo: %w", err)
	}
	p := riskstep.Place{Country: strings.ToUpper(f.country), Known: true}
	if !isCountry(p.Country) {
		return riskstep.Place{}, nil
	}
	if f.lat != nil && f.lon != nil {
		if f.km == 0 {
			f.km = unsaid
		}
		p.Spot = riskstep.NewSpot(*f.lat, *f.lon, float64(f.km))
	}
	return p, nil
}

// Network returns the network of ip, without the flags of any list.
func (db *DB) Network(ip netip.Addr) (riskstep.Network, error) {
	d, ip := db.of(ip)
	if d.networks == nil {
		return riskstep.Network{}, errNone
	}
	n, err := d.networks(ip)
	if err != nil {
		return riskstep.Network{}, fmt.Errorf("geo: %w", err)
	}
	return n, nil
}

// Age is how long ago the data was built, the older of two.
func (db *DB) Age() time.Duration {
	age := db.file.now().Sub(db.file.cur.Load().data.built)
	if db.six != nil {
		age = max(age, db.six.Age())
	}
	return age
}

// Cities says whether the file has places, not countries only: distances need that.
func (db *DB) Cities() bool { return db.file.cur.Load().data.cities }

// Networks says whether the file has autonomous systems.
func (db *DB) Networks() bool { return db.file.cur.Load().data.networks != nil }

// Status tells operators what is in use: the database_type, when it was built, and why a newer file
// could not be read.
func (db *DB) Status() (typ string, built time.Time, err error) {
	r := db.file.cur.Load()
	typ, built, err = r.data.typ, r.data.built, r.failed
	if db.six != nil {
		_, _, six := db.six.Status()
		err = errors.Join(err, six)
	}
	return typ, built, err
}

// parse opens a database by what it says it is: types of MaxMind's by their nested records, others by the flat
// record in them.
func parse(b []byte) (*data, error) {
	raw, err := maxminddb.OpenBytes(b)
	if err != nil {
		return nil, err
	}
	d := &data{typ: raw.Metadata.DatabaseType, built: raw.Metadata.BuildTime()}
	rich, err := geoip2.OpenBytes(b)
	var unknown geoip2.UnknownDatabaseTypeError
	isFlat := errors.As(err, &unknown)
	if err != nil && !isFlat {
		return nil, err
	}
	if probeNetworks(raw) {
		d.networks = func(ip netip.Addr) (riskstep.Network, error) { return readNetwork(raw.Lookup(ip)) }
	}
	read, most := readFlat, probeCountries
	if !isFlat {
		if _, err := rich.Country(netip.IPv4Unspecified()); errors.As(err, new(geoip2.InvalidMethodError)) {
			return d, d.check()
		}
		read, most = readNested, probeCities // its type says that there are countries
	}
	var countries bool
	countries, d.cities, err = probe(raw, read, most)
	switch {
	case isFlat && err != nil:
		return nil, err
	case isFlat && !countries:
		return d, d.check()
	}
	d.find = func(ip netip.Addr) (found, error) { return read(raw.Lookup(ip)) }
	return d, nil
}

// check says what is wrong with a file in which nothing is known of an address.
func (d *data) check() error {
	if d.find == nil && d.networks == nil {
		return fmt.Errorf("a database of type %q has neither countries nor autonomous systems", d.typ)
	}
	return nil
}

// How many networks are looked at before a file counts as one without countries, and how many more before one with
// countries counts as one without points. Empty ones count too: a damaged tree can be walked for ever without a record.
const (
	probeCountries = 1 << 16
	probeCities    = 1 << 12
)

// probe says what the first records of a file have, left at most. A type does not tell: there are files of countries under the names
// of those with cities. An error is of a record before any country was seen.
func probe(raw *maxminddb.Reader, read func(maxminddb.Result) (found, error), left int) (countries, cities bool, err error) {
	for res := range raw.Networks(maxminddb.IncludeNetworksWithoutData(), maxminddb.IncludeAliasedNetworks()) {
		f, err := read(res)
		if err != nil && !countries {
			return false, false, err
		}
		if err == nil && isCountry(strings.ToUpper(f.country)) {
			if f.lat != nil && f.lon != nil {
				return true, true, nil
			}
			if !countries {
				countries, left = true, min(left, probeCities)
			}
		}
		if left--; left == 0 {
			break
		}
	}
	return countries, false, nil
}

// readNested reads a record of GeoIP2-Country, -City or -Enterprise. To decode all of geoip2.City, with names in eight
// languages, takes many times as long.
func readNested(res maxminddb.Result) (found, error) {
	var r struct {
		Country struct {
			ISOCode string `maxminddb:"iso_code,maxsize:16"`
		} `maxminddb:"country"`
		Location struct {
			Latitude  *float64 `maxminddb:"latitude"`
			Longitude *float64 `maxminddb:"longitude"`
			Radius    uint16   `maxminddb:"accuracy_radius"`
		} `maxminddb:"location"`
	}
	err := res.Decode(&r)
	return found{r.Country.ISOCode, r.Location.Latitude, r.Location.Longitude, r.Location.Radius}, err
}

// readFlat reads a record of iptoasn, geo-whois-asn-country, dbip-country, dbip-city and their like.
func readFlat(res maxminddb.Result) (found, error) {
	var r struct {
		CountryCode string `maxminddb:"country_code,maxsize:16"`
		Latitude    any    `maxminddb:"latitude"` // each maker has a type of its own, and some have it as text
		Longitude   any    `maxminddb:"longitude"`
	}
	err := res.Decode(&r)
	return found{country: r.CountryCode, lat: number(r.Latitude), lon: number(r.Longitude)}, err
}

// number is v as a number; nil where it is none.
func number(v any) *float64 {
	switch n := v.(type) {
	case float64:
		return &n
	case float32:
		f := float64(n)
		return &f
	case string:
		if f, err := strconv.ParseFloat(n, 64); err == nil {
			return &f
		}
	}
	return nil
}

// isCountry says whether s has the form of ISO 3166-1 alpha-2.
func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

// Credit is what is to be said with data of a type in a file, with a blank before it; "" where its licence asks for
// nothing that is known here.
func Credit(typ, path string) string {
	switch typ = strings.ToLower(typ + " " + filepath.Base(path)); {
	case strings.Contains(typ, "dbip") || strings.Contains(typ, "db-ip"):
		return " (IP Geolocation by DB-IP, https://db-ip.com, CC BY 4.0)"
	case strings.Contains(typ, "geolite2"):
		return " (GeoLite Data created by MaxMind, https://www.maxmind.com)"
	}
	return ""
}
