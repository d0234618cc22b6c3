package authn

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
)

func TestRungs(t *testing.T) {
	both := []ident.AMR{ident.Password, ident.OTP, ident.MultiFactor}
	touched := []ident.AMR{ident.Password, ident.Possession, ident.UserPresent, ident.MultiFactor}
	for _, c := range []struct {
		name string
		of   factors
		want ident.Assurance
		amr  []ident.AMR
	}{
		{"nothing", 0, ident.None, nil},
		{"password", hasPassword, ident.AAL1, []ident.AMR{ident.Password}},
		{"one-time password", hasOTP, ident.AAL1, []ident.AMR{ident.OTP}},
		{"short password", hasShortPassword, ident.None, []ident.AMR{ident.Password}},
		{"password and code", hasPassword | hasOTP, ident.AAL2, both},
		{"short password and code", hasShortPassword | hasOTP, ident.AAL2, both},
		{"the same password twice", hasPassword | hasShortPassword, ident.AAL1, []ident.AMR{ident.Password}},
		{"password and one-time password of every kind", hasPassword | hasShortPassword | hasOTP | hasRecovery, ident.AAL2, both},
		{"recovery code", hasRecovery, ident.AAL1, []ident.AMR{ident.OTP}},
		{"two codes", hasOTP | hasRecovery, ident.AAL1, []ident.AMR{ident.OTP}},
		{"password and recovery code", hasPassword | hasRecovery, ident.AAL2, both},
		{"short password and recovery code", hasShortPassword | hasRecovery, ident.AAL2, both},
		{"touched passkey", hasTouch, ident.AAL1, []ident.AMR{ident.Possession, ident.UserPresent}},
		{"touched passkey and codes", hasTouch | hasOTP | hasRecovery, ident.AAL1, []ident.AMR{ident.Possession, ident.UserPresent}},
		{"touched passkey and password", hasTouch | hasPassword, ident.PhishingResistant, touched},
		{"touched passkey and short password", hasTouch | hasShortPassword, ident.PhishingResistant, touched},
		{"synced passkey", hasSynced, ident.PhishingResistant, []ident.AMR{ident.SoftwareKey, ident.UserPresent, ident.MultiFactor}},
		{"device-bound passkey", hasBound, ident.PhishingResistant, []ident.AMR{ident.HardwareKey, ident.UserPresent, ident.MultiFactor}},
		{"attested passkey", hasHardware, ident.HardwareBound, []ident.AMR{ident.HardwareKey, ident.UserPresent, ident.MultiFactor}},
		{"approval", hasApproval, ident.AAL2, []ident.AMR{ident.Possession, ident.UserPresent, ident.MultiFactor}},
		{"password and approval", hasPassword | hasApproval, ident.AAL2, []ident.AMR{ident.Possession, ident.UserPresent, ident.MultiFactor}},
		{"touched passkey and approval", hasTouch | hasApproval, ident.AAL2, []ident.AMR{ident.Possession, ident.UserPresent, ident.MultiFactor}},
		{"everything", 1<<9 - 1, ident.HardwareBound, []ident.AMR{ident.HardwareKey, ident.UserPresent, ident.MultiFactor}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.of.worth(); got.assurance != c.want || !reflect.DeepEqual(got.amr, c.amr) {
				t.Errorf("%v %v, want %v %v", got.assurance, got.amr, c.want, c.amr)
			}
		})
	}
}

// One more factor never makes a proof weaker, and `mfa` stands exactly where there are two.
func TestRungsGrow(t *testing.T) {
	for f := range factors(1 << 9) {
		r := f.worth()
		if (r.assurance >= ident.AAL2) != slices.Contains(r.amr, ident.MultiFactor) {
			t.Errorf("%08b: %v with %v", f, r.assurance, r.amr)
		}
		for g := factors(1); g < 1<<9; g <<= 1 {
			if more := (f | g).worth(); more.assurance < r.assurance {
				t.Errorf("%08b is %v, with %08b it is %v", f, r.assurance, g, more.assurance)
			}
		}
	}
}

func TestWith(t *testing.T) {
	t0 := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	proof := func(id string, u ident.UserID, f factors, from, at time.Duration) Proof {
		return Proof{id: id, user: u, factors: f, from: t0.Add(from), at: t0.Add(at)}
	}
	pwd := proof("a", "u1", hasPassword, 0, 0)
	for _, c := range []struct {
		name string
		p, q Proof
		want ident.Assurance // None for ErrCombine
	}{
		{"at once", pwd, proof("b", "u1", hasOTP, 0, 0), ident.AAL2},
		{"ten minutes apart", pwd, proof("b", "u1", hasOTP, ProofLife, ProofLife), ident.AAL2},
		{"in the other order", proof("b", "u1", hasOTP, ProofLife, ProofLife), pwd, ident.AAL2},
		{"too far apart", pwd, proof("b", "u1", hasOTP, ProofLife+1, ProofLife+1), ident.None},
		{"a chain too long", proof("c", "u1", hasPassword, -2, ProofLife-1), proof("b", "u1", hasOTP, ProofLife, ProofLife), ident.None},
		{"of two people", pwd, proof("b", "u2", hasOTP, 0, 0), ident.None},
		{"with nothing", pwd, Proof{}, ident.None},
		{"nothing with it", Proof{}, pwd, ident.None},
		{"one factor twice", pwd, proof("b", "u1", hasPassword, 0, 0), ident.AAL1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.p.With(c.q)
			if got.Assurance() != c.want || (err == nil) != (c.want != ident.None) {
				t.Fatalf("%v, %v, want %v", got.Assurance(), err, c.want)
			}
			if err == nil && (got.ID() == c.p.ID() || got.ID() == c.q.ID() || !got.Valid()) {
				t.Errorf("id %q of %q and %q", got.ID(), c.p.ID(), c.q.ID())
			}
		})
	}
}

// What is suspect stays so beside another factor, in either order.
func TestWithSuspect(t *testing.T) {
	t0 := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	bad := Proof{id: "a", user: "u", factors: hasBound, from: t0, at: t0, suspect: true}
	good := Proof{id: "b", user: "u", factors: hasPassword, from: t0, at: t0}
	for _, pair := range [][2]Proof{{bad, good}, {good, bad}} {
		if p, err := pair[0].With(pair[1]); err != nil || !p.Suspect() {
			t.Errorf("suspect %v, %v", p.Suspect(), err)
		}
	}
	if p, err := good.With(good); err != nil || p.Suspect() {
		t.Errorf("suspect %v, %v", p.Suspect(), err)
	}
}

func TestZeroProof(t *testing.T) {
	var p Proof
	if p.Valid() || p.Fresh(time.Time{}) || p.Assurance() != ident.None || p.AMR() != nil {
		t.Error("the zero proof proves something")
	}
}

func TestFresh(t *testing.T) {
	t0 := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	p := Proof{id: "a", user: "u", factors: hasPassword, from: t0, at: t0.Add(time.Minute)}
	for d, want := range map[time.Duration]bool{0: false, time.Minute: true, ProofLife: true, ProofLife + 1: false} {
		if got := p.Fresh(t0.Add(d)); got != want {
			t.Errorf("after %v: %v, want %v", d, got, want)
		}
	}
}
