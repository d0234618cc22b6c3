package enginetest

import (
	"context"
	"time"

	"github.com/postern-id/postern/oauth"
)

// --- oauth.RevocationStore

// append writes to the log.
func (m *reference) append(kind, id string, at time.Time, scope []string) {
	if m.has("the log has no " + kind) {
		return
	}
	life := oauth.MaxAccess
	if m.has("the log forgets too early") {
		life = time.Hour
	}
	m.write(oauth.Revocation{At: m.micros(at), Kind: kind, ID: id, Scope: scope, Until: m.micros(at.Add(life))})
}

func (m *reference) write(e oauth.Revocation) {
	m.logged++
	e.Seq = m.logged
	if m.has("a number is seen before a lower one") && e.Seq%2 == 1 {
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
		m.mu.Lock()
	}
	m.log = append(m.log, e)
}

func (m *reference) Revocations(_ context.Context, after int64, now time.Time, limit int) (out []oauth.Revocation, latest int64, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.log {
		latest = max(latest, e.Seq)
		over := !e.Until.After(now) && !m.has("the log tells what nobody needs")
		if (e.Seq > after || m.has("the log repeats") && e.Seq == after) && !over {
			out = append(out, e)
		}
	}
	if m.has("the log has no pages") {
		return out, latest, nil
	}
	return first(out, min(limit, len(out))), latest, nil
}

func (m *reference) LatestRevocation(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.has("the latest entry is forgotten") && len(m.log) > 1 {
		return m.log[len(m.log)-2].Seq, nil
	}
	return m.logged, nil
}

func (m *reference) RevokeToken(_ context.Context, jti string, at, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.write(oauth.Revocation{At: m.micros(at), Kind: oauth.RevokedToken, ID: jti, Until: m.micros(until)})
	return nil
}
