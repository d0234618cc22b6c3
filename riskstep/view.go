package riskstep

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/model"
	"github.com/postern-id/postern/riskstep/policy"
)

// view is what a decision looks at.
type view struct {
	Input
	now     time.Time
	place   Place
	state   State
	snap    Snapshot // of now
	login   model.Login
	hasher  *model.Hasher
	ring    model.Ring
	damaged bool  // there is a profile, and it cannot be read: nothing in it is known
	version int64 // of the profile
	read    bool  // the profile was read
	result  model.Result
}

// history says whether anything is known of the person's habits.
func (v *view) history() bool { return v.damaged || v.ring.Len() > 0 || v.alerted() }

func (v *view) alerted() bool { return v.ring.Alerted(v.now) }

// moved says that the network, the country or the program are others than when it was granted.
func (v *view) moved() bool {
	return v.Was.Network != "" && v.Was.Network != v.snap.Network || v.abroad()
}

// abroad says that the country is another than when it was granted, or not known though it should be.
func (v *view) abroad() bool {
	switch {
	case v.Was.Country == "" || v.state == Absent:
		return false
	case v.state == Unknown:
		return true
	}
	return v.place.Country != v.Was.Country
}

// changedAgent says that another program than before shows what is bound to no key. A JA4 alone is none: the same browser
// has another when it resumes a connection.
func (v *view) changedAgent() bool {
	return v.Moment.browser() && v.Env.KeyID == "" && v.Was.Agent != "" && v.snap.Agent != "" && v.Was.Agent != v.snap.Agent
}

// otherKey says that the device proved another key than the one that it was granted to.
func (v *view) otherKey() bool {
	return v.Moment.browser() && v.Was.Key != "" && v.Env.KeyID != "" && v.Was.Key != v.Env.KeyID
}

// look collects what is there without asking a store.
func (e *Engine) look(in Input) *view {
	v := &view{Input: in, now: e.o.Now()}
	keys := e.o.HashKey()
	v.hasher = model.NewHasher(keys...)
	v.place, v.state = e.locate(in.Env.IP)
	l := model.Login{At: v.now, User: string(in.User), IP: in.Env.IP.Unmap(), Agent: model.ParseAgent(in.Env.UserAgent, in.Env.Hints), JA4: in.Env.JA4,
		Device: string(in.Env.Device), Key: in.Env.Key, KeyID: in.Env.KeyID}
	l.Net = e.net(v)
	v.login = l
	v.snap = Snapshot{Country: v.place.Country, ASN: l.Net.ASN, Agent: agentWord(l.Agent), JA4: in.Env.JA4, Key: in.Env.KeyID}
	if len(keys) > 0 && in.Env.IP.IsValid() {
		mac := hmac.New(sha256.New, keys[0])
		mac.Write([]byte("snapshot\x00" + string(in.User) + "\x00" + ident.Network(in.Env.IP)))
		v.snap.Network = base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:6])
	}
	return v
}

func agentWord(a model.Agent) string {
	if a.Browser == "" && a.OS == "" {
		return ""
	}
	return a.Browser + " on " + a.OS
}

// net is what the data says of the address.
func (e *Engine) net(v *view) model.Net {
	n := model.Net{Country: v.place.Country, Lat: v.place.Spot.Lat, Lon: v.place.Spot.Lon, Km: v.place.Spot.Km}
	switch v.state {
	case Absent:
		return n
	case Unknown:
		n.State = model.Unknown
	case Usual:
		n.State = model.Known
	}
	if e.o.Networks == nil || !v.Env.IP.IsValid() {
		return n
	}
	w, err := e.o.Networks.Network(v.Env.IP.Unmap())
	if err != nil {
		n.State = model.Unknown
	}
	n.ASN, n.Hosting, n.Anonymous, n.Tor, n.Mobile = w.ASN, w.Hosting, w.Anonymous, w.Tor, w.Mobile // lists speak even then
	return n
}

// recall reads the person's habits and judges the login by them. An error means that the store is down.
func (e *Engine) recall(ctx context.Context, v *view) error {
	blob, version, err := e.o.Store.RiskProfile(ctx, v.User)
	if err != nil {
		return err
	}
	v.version, v.read = version, true
	if v.ring, err = model.ParseRing(blob); err != nil {
		v.ring, v.damaged = model.Ring{}, true
		v.login.Net.State = model.Unknown
	}
	v.login.Doubt = v.doubt()
	v.result = e.o.Model.Score(&v.ring, e.tables, v.hasher, &v.login, e.velocity.Pressure(&v.login))
	return nil
}

// doubt is why what was shown may be in other hands.
func (v *view) doubt() (d model.Doubt) {
	if v.Proof.Breached() {
		d |= model.Breached
	}
	if v.Proof.Doubted() {
		d |= model.Denied
	}
	if v.Proof.Suspect() {
		d |= model.CounterBack
	}
	if v.alerted() {
		d |= model.Disputed
	}
	return d
}

// newCountry says that the person was not seen in this country before, or that where they are is not known though it
// should be.
func (v *view) newCountry() bool {
	if v.Moment == AtRefresh || v.Moment == AtIntrospect {
		return v.abroad()
	}
	if v.state == Absent || !v.history() {
		return false
	}
	return v.state == Unknown || v.damaged || v.result.Novel&model.NewCountry != 0
}

// newDevice says that the person was not seen with this browser before, though they were seen. A cookie can be copied:
// knowing it never lowers a requirement, not knowing it may raise one. After a sign-in that its owner disowned no device is
// known for a while.
func (v *view) newDevice() bool {
	if !v.Moment.browser() || !v.read || !v.history() {
		return false
	}
	return v.damaged || v.alerted() || v.login.Device == "" || v.result.Novel&(model.NewDevice|model.NoDevice) != 0
}

// facts are what rules see.
func (v *view) facts() policy.Facts {
	f := policy.Facts{
		Moment: v.Moment.String(),
		Net: policy.Net{Country: v.place.Country, ASN: v.login.Net.ASN, Hosting: v.login.Net.Hosting, Mobile: v.login.Net.Mobile,
			Anonymous: v.login.Net.Anonymous || v.login.Net.Tor, Known: v.login.Net.State == model.Known},
		Device:  policy.Device{Known: v.history() && !v.newDevice(), Bound: v.login.Key != ident.NoKey, Hardware: v.login.Key == ident.KeyInChip},
		User:    policy.User{Logins: v.ring.Len(), Best: int(v.Best), Alerted: v.alerted()},
		Client:  policy.Client{ID: string(v.Client), Profile: v.Profile},
		Request: policy.Request{Scopes: v.Scopes},
		Session: policy.Session{AAL: int(v.Held), Moved: v.Moment.held() && v.moved(), Abroad: v.Moment.held() && v.abroad(), Bound: v.Bound},
	}
	if v.Proof.Valid() {
		f.Session.AAL = int(v.Proof.Assurance())
		f.Session.AuthAge = int(v.now.Sub(v.Proof.At()) / time.Second)
	} else if !v.AuthTime.IsZero() {
		f.Session.AuthAge = int(max(v.now.Sub(v.AuthTime), 0) / time.Second)
	}
	if v.Moment.browser() {
		f.Session.Bound = v.Bound || v.Was.Key != "" && v.Was.Key == v.Env.KeyID
	}
	if v.read {
		f.Risk = v.risk()
	}
	return f
}

// Signals about the way that a request came.
var aboutWay = map[string]bool{"network": true, "travel": true, "hosting": true, "velocity": true}

// counts says whether a signal of the model can speak: where no browser of the person makes the request, only its way can be
// compared with their habits, and the way from a private address with nothing: whoever comes from there is inside already.
func (v *view) counts(signal string) bool {
	if v.Moment.browser() {
		return !(v.place.Local && aboutWay[signal])
	}
	return aboutWay[signal]
}

// risk is what the model says.
func (v *view) risk() policy.Risk {
	r := policy.Risk{Bits: make(map[string]float64, len(v.result.Reasons)), Novel: v.novel(), Doubt: words(v.login.Doubt, policy.Doubts)}
	score := v.result.Prior
	for _, c := range v.result.Reasons {
		if v.counts(c.Signal) {
			r.Bits[c.Signal] += c.Bits
			score += c.Bits * ln2
		}
	}
	r.P = logistic(score)
	return r
}

// novel are the words of what is new; country and device as this package has them.
func (v *view) novel() []string {
	set := v.result.Novel &^ (model.NewCountry | model.NewDevice)
	if v.place.Local {
		set &^= model.NewASN | model.NewNetwork | model.NewAddress | model.UnknownNet
	}
	if !v.history() {
		set &^= model.NoDevice | model.NewASN | model.NewNetwork | model.NewAddress | model.NewAgent | model.NewKey
	}
	if v.newCountry() {
		set |= model.NewCountry
	}
	if v.newDevice() {
		set |= model.NewDevice
	}
	return words(set, policy.Novelties)
}

// words names the bits of set.
func words[S ~uint8 | ~uint16](set S, names []string) (out []string) {
	for i, name := range names {
		if set&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}
