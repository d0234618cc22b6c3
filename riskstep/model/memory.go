package model

// Memory is a fresh state in memory, for replay: it scores a login before it learns from it. For one goroutine.
type Memory struct {
	model    *Model
	hasher   *Hasher
	tables   *Tables
	velocity *Velocity
	rings    map[string]*Ring
}

// NewMemory returns an empty memory; key is the tenant's.
func NewMemory(m *Model, key []byte) *Memory {
	return &Memory{model: m, hasher: NewHasher(key), tables: NewTables(), velocity: NewVelocity(), rings: map[string]*Ring{}}
}

// Score scores l and learns nothing.
func (s *Memory) Score(l *Login) Result {
	r := s.rings[l.User]
	if r == nil {
		r = new(Ring)
	}
	return s.model.Score(r, s.tables, s.hasher, l, s.velocity.Pressure(l))
}

// Learn counts l, and where it succeeded learns from it: what was not strongly proven counts half at first.
func (s *Memory) Learn(l *Login) {
	s.velocity.Observe(l)
	if l.Failed {
		return
	}
	r := s.rings[l.User]
	if r == nil {
		r = new(Ring)
		s.rings[l.User] = r
	}
	var m match
	m.look(r, s.hasher, l)
	s.tables.learn(&m, l)
	r.learn(&m, l)
}

// Ring is what is known of a user; nil for nothing.
func (s *Memory) Ring(user string) *Ring { return s.rings[user] }
