package eval

import "time"

// World is the rates by which logins are made. Those of RBA's data set that are published are in earth.go and agents.go;
// every rate here is a guess.
type World struct {
	Name  string
	Users int
	Start time.Time
	Days  int

	Joining   float64 // share of people who come during the year
	Mobile    float64 // share of first devices that are phones
	LeaseDays float64 // mean life of an address at home
	Office    float64 // share of people behind an address shared by an office
	VPN       float64 // share of people who sign in through a VPN half of the time
	Trips     float64 // a year; 30 % abroad, half of which come home through the phone's own network
	WrongCity float64 // share of prefixes that the data puts into another city
	Listed    float64 // share of hosting networks that are known for it
	Borrowed  float64 // share of logins from a device of somebody else
	Private   float64 // share of logins in a private window
	CookieGo  float64 // how often a device lost its cookie, and its key with it, between two logins
	Keys      float64 // share of devices that hold a key of their own
	Chips     float64 // share of those on Windows whose key is in hardware
	Forgets   bool    // Safari drops script storage, so the key but not the cookie, after seven days unused
	IPv6      float64 // share of homes with a /48 of their own network and an address a day
	Passkeys  float64 // share of people whose proof is phishing-resistant
	Typos     float64 // failed attempts before a login
	DeviceAge float64 // mean life of a device in days
}

// Base is the world of the goals: a year of a tenant with 4,000 people.
func Base() World {
	return World{
		Name: "base", Users: 4000, Start: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), Days: 365,
		Joining: .2, Mobile: .6, LeaseDays: 25, Office: .35, VPN: .06, Trips: 2, WrongCity: .1, Listed: .75, Borrowed: .012, Private: .05,
		CookieGo: .02, Keys: .9, Chips: .9, Passkeys: .25, Typos: .06, DeviceAge: 1000,
	}
}

// Variants are worlds in which the model has a harder time.
func Variants() []World {
	out := make([]World, 6)
	for i := range out {
		out[i] = Base()
	}
	out[0].Name, out[0].Mobile, out[0].LeaseDays = "mobile-heavy, leases of 3 days", .9, 3
	out[1].Name, out[1].VPN = "30 % VPN users", .3
	out[2].Name, out[2].CookieGo = "cookies cleared at every fourth login", .25
	out[3].Name, out[3].Keys = "keys on 35 % of devices", .35
	out[4].Name, out[4].Forgets = "Safari forgets keys", true
	out[5].Name, out[5].IPv6 = "60 % IPv6 homes", .6
	return out
}

// Classes are how often people sign in, rarest last, as TOPS 2022 groups them.
var Classes = [...]struct {
	Name  string
	Share float64
	Rate  float64 // a year
}{
	{"daily", .2, 350}, {"several a week", .2, 150}, {"weekly", .2, 52}, {"monthly", .2, 12}, {"less than monthly", .2, 5},
}
