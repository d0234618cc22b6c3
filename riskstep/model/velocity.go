package model

// Pressure is what attempts of late say of the next one, in natural log-odds.
type Pressure struct {
	Prefix, ASN, Account, Tenant float64
}

// Velocity counts attempts and failures of late. Bounded; safe for concurrent use.
type Velocity struct{}

// NewVelocity returns an empty one.
func NewVelocity() *Velocity { return &Velocity{} }

// Observe counts l.
func (v *Velocity) Observe(l *Login) {}

// Pressure is what the counts say of l.
func (v *Velocity) Pressure(l *Login) Pressure { return Pressure{} }

// Set puts totals that were counted elsewhere: kind is "prefix", "asn", "account" or "tenant".
func (v *Velocity) Set(kind, key string, failures, attempts float64) {}
