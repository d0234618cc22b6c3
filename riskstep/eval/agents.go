package eval

import (
	"math/rand/v2"
	"strconv"
	"strings"
)

// family is a browser on a system. N and M in ua stand for the version's parts. Nowadays' browsers send no more than this.
type family struct {
	os, browser, kind string
	share             float64 // of its kind
	first             int     // major version at the start of the world
	months            int     // between versions
	windows, safari   bool
	ua                string
}

const (
	webkit = " AppleWebKit/537.36 (KHTML, like Gecko) Chrome/N.0.0.0 "
	apple  = " AppleWebKit/605.1.15 (KHTML, like Gecko) "
)

var desktops = []family{
	{"Windows", "Chrome", "desktop", .42, 131, 1, true, false, "Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + webkit + "Safari/537.36"},
	{"Windows", "Edge", "desktop", .18, 131, 1, true, false, "Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + webkit + "Safari/537.36 Edg/N.0.0.0"},
	{"Mac OS X", "Safari", "desktop", .17, 18, 0, false, true, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)" + apple + "Version/N.M Safari/605.1.15"},
	{"Mac OS X", "Chrome", "desktop", .12, 131, 1, false, false, "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)" + webkit + "Safari/537.36"},
	{"Windows", "Firefox", "desktop", .08, 134, 1, false, false, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:N.0) Gecko/20100101 Firefox/N.0"},
	{"Linux", "Firefox", "desktop", .03, 134, 1, false, false, "Mozilla/5.0 (X11; Linux x86_64; rv:N.0) Gecko/20100101 Firefox/N.0"},
}

var mobiles = []family{
	{"iOS", "Safari", "mobile", .50, 18, 0, false, true, "Mozilla/5.0 (iPhone; CPU iPhone OS N_M like Mac OS X)" + apple + "Version/N.M Mobile/15E148 Safari/604.1"},
	{"Android", "Chrome Mobile", "mobile", .38, 131, 1, false, false, "Mozilla/5.0 (Linux; Android 10; K)" + webkit + "Mobile Safari/537.36"},
	{"Android", "Samsung Internet", "mobile", .06, 27, 4, false, false, "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/N.0 Chrome/125.0.0.0 Mobile Safari/537.36"},
	{"iOS", "Chrome Mobile", "mobile", .04, 131, 1, false, true, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)" + apple + "CriOS/N.0.0.0 Mobile/15E148 Safari/604.1"},
	{"iOS", "Firefox Mobile", "mobile", .02, 134, 1, false, true, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)" + apple + "FxiOS/N.0 Mobile/15E148 Safari/605.1.15"},
}

// Agent is a browser as models see it that were published with their own levels of a User-Agent.
type Agent struct{ Full, Browser, OS, Kind string }

// agentKey is one version of a family: at most a few thousand in a world.
type agentKey struct {
	fam   *family
	month int
}

type agents map[agentKey]Agent

// at is the agent of a family in a month since the start; before it, too.
func (a agents) at(f *family, month int) Agent {
	k := agentKey{f, month}
	if v, ok := a[k]; ok {
		return v
	}
	n, m := f.first, month
	if f.months > 0 {
		n, m = f.first+floorDiv(month, f.months), 0
	} else { // Apple: a point release a month, a major one a year
		n, m = f.first+floorDiv(month+4, 12), ((month+4)%12+12)%12
	}
	version := strconv.Itoa(n) + "." + strconv.Itoa(m)
	full := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(f.ua, "N.M", version), "N_M", strconv.Itoa(n)+"_"+strconv.Itoa(m)), "N.0", strconv.Itoa(n)+".0")
	v := Agent{Full: full, Browser: f.browser + " " + version, OS: f.os, Kind: f.kind}
	if f.os == "iOS" && f.browser == "Safari" {
		v.OS += " " + version
	}
	a[k] = v
	return v
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func pickFamily(r *rand.Rand, phone bool) *family {
	list := desktops
	if phone {
		list = mobiles
	}
	x := r.Float64()
	for i := range list {
		if x -= list[i].share; x < 0 {
			return &list[i]
		}
	}
	return &list[0]
}

// lag is how many months a device is behind; frozen devices keep the version that they have.
func lag(r *rand.Rand) (months int, frozen bool) {
	switch x := r.Float64(); {
	case x < .70:
		return 0, false
	case x < .85:
		return 1 + r.IntN(2), false
	case x < .95:
		return 3 + r.IntN(6), false
	default:
		return 3 + r.IntN(22), true
	}
}
