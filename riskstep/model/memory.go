package model

// Memory is a fresh state in memory, for replay. One goroutine.
type Memory struct {
	model    *Model
	hasher   *Hasher
	tables   *Tables
	velocity *Velocity
	rings    map[string]*Ring
}

// NewMemory returns an empty memory under key.
func NewMemory(m *Model, key []byte) *Memory {
	return &Memory{model: m, hasher: NewHasher(key), tables: NewTables(), velocity: NewVelocity(), rings: map[string]*Ring{}}
}

// Score scores l; nothing is learnt.
func (s *Memory) Score(l *Login) Result {
	r := s.rings[l.User]
	if r == nil {
		r = &Ring{}
	}
	return s.model.Score(r, s.tables, s.hasher, l, s.velocity.Pressure(l))
}

// Learn learns l where it succeeded; failures only count.
func (s *Memory) Learn(l *Login) {
	s.velocity.Observe(l)
	if l.Failed {
		return
	}
	r := s.rings[l.User]
	if r == nil {
		r = &Ring{}
		s.rings[l.User] = r
	}
	s.tables.Learn(r, s.hasher, l)
	r.Learn(s.hasher, l)
}
