package eval

import "strconv"

// The levels of the two features of EXTEND, finest first, with the weights of its authors' reference code.
var (
	featureNames   = [2][4]string{{"ip ", "asn ", "country ", "-"}, {"ua ", "browser ", "os ", "kind "}}
	featureWeights = [2][4]float64{{.6, .3, .1, 0}, {.539, .268, .188, .005}}
)

func featuresOf(e *Event) [2][4]string {
	return [2][4]string{{e.IP.String(), strconv.Itoa(int(e.Net.ASN)), e.Net.Country, ""}, {e.UA.Full, e.UA.Browser, e.UA.OS, e.UA.Kind}}
}

// tally counts the values of each level, and how many different ones there are.
type tally struct {
	n      float64
	counts map[string]float64
	kinds  [2][4]float64
}

func newTally() *tally { return &tally{counts: map[string]float64{}} }

func (t *tally) add(fs *[2][4]string) {
	t.n++
	for f, levels := range fs {
		for l, v := range levels {
			k := featureNames[f][l] + v
			if t.counts[k]++; t.counts[k] == 1 {
				t.kinds[f][l]++
			}
		}
	}
}

// p is the smoothed and interpolated probability of feature f; known says whether any level of it was seen.
func (t *tally) p(f int, levels *[4]string) (p float64, known bool) {
	for l, v := range levels {
		w := featureWeights[f][l]
		if w == 0 {
			continue
		}
		m := 1.0 // different values one level up, and one
		if l < 3 && featureWeights[f][l+1] > 0 {
			m = t.kinds[f][l+1] + 1
		}
		if c := t.counts[featureNames[f][l]+v]; c > 0 {
			p, known = p+w*c/t.n*(1-m/(t.n+m)), true
		} else {
			p += w / (t.n + m)
		}
	}
	return p, known
}

// extend is Freeman et al., NDSS 2016, as Wiefling et al. evaluate it (EXTEND, TOPS 2022), re-implemented from its
// description: p(x)/p(x|u) for address and agent. The terms for the user's share of attacks and logins stay out: with
// them it does worse.
type extend struct {
	all   *tally
	users map[string]*tally
}

func newExtend() Scorer { return &extend{newTally(), map[string]*tally{}} }

func (b *extend) Score(e *Event) float64 {
	u := b.users[e.User]
	if u == nil {
		return 1
	}
	fs, s := featuresOf(e), 1.0
	for f := range fs {
		global, _ := b.all.p(f, &fs[f])
		local, known := u.p(f, &fs[f])
		if !known {
			local = global / 4
		}
		s *= global / local
	}
	return s
}

func (b *extend) Learn(e *Event) {
	u := b.users[e.User]
	if u == nil {
		u = newTally()
		b.users[e.User] = u
	}
	fs := featuresOf(e)
	b.all.add(&fs)
	u.add(&fs)
}
