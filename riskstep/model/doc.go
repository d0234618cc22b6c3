// Package model judges how likely a login is an attack: it owns what a login looks like, the ring of a person's last
// logins, the tables of a tenant, the signals, and the arithmetic that turns them into one calibrated probability
// with exact contributions. It never reads a clock, a file or a network, never decides what follows from a
// probability, and never keeps a raw address.
package model
