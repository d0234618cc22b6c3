package main

import (
	"fmt"
	"time"

	"github.com/postern-id/postern/riskstep/geo"
)

func (c GeoConfig) options() geo.Options {
	return geo.Options{File: c.File, Networks: c.ASNFile, Hosting: c.HostingFile, Anonymous: c.AnonymousFile, Tor: c.TorFile, Mobile: c.MobileFile,
		Embedded: c.Embedded, MaxAge: c.MaxAge.D(), Now: clock}
}

// staleList is when operators are told that nobody renews a list: what is on it moves on within weeks.
const staleList = 30 * day

func (d *diagnosis) geo(cfg Config) {
	g := cfg.Geo
	places := d.geoFile(g, g.File, geo.Open)
	networks := places != nil && places.Networks() && g.ASNFile == ""
	if d.geoFile(g, g.ASNFile, geo.OpenNetworks) != nil {
		networks = true
	}
	if g.File == "" && !g.Embedded {
		d.add("geo", doubtful, "no geo.file and no geo.embedded: where an address is, is unknown", "set one to detect sign-ins from a new country")
	}
	if g.Embedded && (g.File == "" || !networks && g.ASNFile == "") {
		d.geoTable(g.File == "")
	}
	d.geoList("geo.hosting_file", g.HostingFile)
	d.geoList("geo.anonymous_file", g.AnonymousFile)
	d.geoList("geo.tor_file", g.TorFile)
	d.geoList("geo.mobile_file", g.MobileFile)
}

// geoFile looks at an MMDB file; nil where there is none that can be used.
func (d *diagnosis) geoFile(g GeoConfig, path string, open func(string, func() time.Time) (*geo.DB, error)) *geo.DB {
	if path == "" {
		return nil
	}
	db, err := open(path, clock)
	if err != nil {
		d.add("geo", broken, trimPackage(err), "use an MMDB file with countries for geo.file, with autonomous systems for geo.asn_file")
		return nil
	}
	typ, built, _ := db.Status()
	if db.Age() > g.MaxAge.D() {
		d.add("geo", broken, fmt.Sprintf("%s of %s is older than geo.max_age (%s), so all of it counts as unknown", typ, date(built), g.MaxAge), "get a newer file")
		return db
	}
	var has string
	switch {
	case db.Cities():
		has = "countries and places"
	case path == g.File:
		has = "countries only, so that nobody is told how far away a session is"
	default:
		has = "networks"
	}
	if db.Networks() && path == g.File {
		has += ", and networks"
	}
	d.add("geo", healthy, typ+" of "+date(built)+": "+has+geo.Credit(typ, path), "")
	return db
}

// geoTable looks at the table in the binary.
func (d *diagnosis) geoTable(places bool) {
	built, _, err := geo.Embedded()
	what := "networks"
	if places {
		what = "countries and networks; no places, so that nobody is told how far away a session is"
	}
	switch age := clock().Sub(built); {
	case err != nil:
		d.add("geo", broken, trimPackage(err), "build the binary anew")
	case age > geo.EmbeddedLimit:
		d.add("geo", broken, "the table in the binary is of "+date(built)+", so old that all of it counts as unknown", "use a newer release, or set geo.file and geo.asn_file")
	case age > geo.EmbeddedStale:
		d.add("geo", doubtful, "the table in the binary is of "+date(built)+": "+what, "use a newer release, or set geo.file and geo.asn_file")
	default:
		d.add("geo", healthy, "the table in the binary, of "+date(built)+": "+what, "")
	}
}

// geoList looks at a list.
func (d *diagnosis) geoList(name, path string) {
	if path == "" {
		return
	}
	l, err := geo.OpenList(path, clock)
	if err != nil {
		d.add("geo", broken, name+": "+trimPackage(err), "one address, network, range or autonomous system (AS64500) a line")
		return
	}
	nets, systems, written, _ := l.Status()
	found := fmt.Sprintf("%s of %s: %d networks, %d autonomous systems", name, date(written), nets, systems)
	if clock().Sub(written) > staleList {
		d.add("geo", doubtful, found, "renew it: what is on it moves on within weeks")
		return
	}
	d.add("geo", healthy, found, "")
}
