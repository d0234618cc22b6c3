package model

import "strings"

// Agent is a browser as it calls itself. What it says is easily copied: an agent that is known speaks for nobody, one
// that is new speaks against.
type Agent struct {
	OS      string // "Windows", "macOS", "iOS", "Android", "ChromeOS", "Linux"; "" if unknown
	Browser string // family: "Chrome", "Safari", …; "" if unknown
	Kind    string // "desktop", "mobile", "tablet" or "bot"; "" if unknown
	Version string // of the browser, in full
	Raw     string // the User-Agent header, at most 512 bytes
}

// browsers are looked for in this order: most name those after whom they model themselves.
var browsers = [...]struct{ token, name string }{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"Edge/", "Edge"},
	{"OPR/", "Opera"}, {"OPT/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"YaBrowser/", "Yandex"}, {"Vivaldi/", "Vivaldi"},
	{"UCBrowser/", "UC Browser"}, {"DuckDuckGo/", "DuckDuckGo"}, {"Brave/", "Brave"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"}, {"HeadlessChrome/", "Headless Chrome"},
	{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"},
	{"Version/", "Safari"}, {"AppleWebKit/", "WebKit"}, {"Trident/", "Internet Explorer"}, {"MSIE ", "Internet Explorer"},
}

// robots are programs that people do not browse with.
var robots = [...]string{
	"bot", "Bot", "crawl", "spider", "Headless", "PhantomJS", "curl/", "Wget/", "python", "Python", "Go-http-client", "okhttp", "Java/",
	"libwww", "axios", "node-fetch", "aiohttp", "HttpClient",
}

// systems are looked for in this order.
var systems = [...]struct{ token, name, kind string }{
	{"Windows Phone", "Windows", "mobile"}, {"Windows", "Windows", "desktop"}, {"iPhone", "iOS", "mobile"}, {"iPod", "iOS", "mobile"},
	{"iPad", "iOS", "tablet"}, {"Android", "Android", "mobile"}, {"CrOS", "ChromeOS", "desktop"}, {"Macintosh", "macOS", "desktop"},
	{"Mac OS X", "macOS", "desktop"}, {"Linux", "Linux", "desktop"}, {"X11", "Linux", "desktop"},
}

// ParseAgent reads a User-Agent header, and the low-entropy client hints that came with it (brands, platform, mobile,
// joined by "; "), which say what is only guessed from the header. It keeps parts of its arguments and takes no memory.
func ParseAgent(ua, hints string) Agent {
	a := Agent{Raw: bounded(ua)}
	ua = a.Raw
	for _, s := range systems {
		if strings.Contains(ua, s.token) {
			a.OS, a.Kind = s.name, s.kind
			break
		}
	}
	if a.OS == "Android" && !strings.Contains(ua, "Mobile") {
		a.Kind = "tablet"
	}
	for _, b := range browsers {
		if _, rest, ok := strings.Cut(ua, b.token); ok {
			a.Browser, a.Version = b.name, version(rest)
			break
		}
	}
	if a.Browser == "" {
		a.firstProduct()
	}
	for _, r := range robots {
		if strings.Contains(ua, r) {
			a.Kind = "bot"
			break
		}
	}
	a.hint(bounded(hints))
	return a
}

// firstProduct takes the name and version with which ua begins: RFC 9110 §10.1.5 puts what matters most first.
func (a *Agent) firstProduct() {
	name, rest, ok := strings.Cut(a.Raw, "/")
	if !ok || name == "Mozilla" || len(name) == 0 || len(name) > 32 || strings.ContainsAny(name, " ();,") {
		return
	}
	a.Browser, a.Version = name, version(rest)
}

// version is the digits and dots at the beginning of s.
func version(s string) string {
	i := 0
	for i < len(s) && i < 32 && (s[i] == '.' || s[i] >= '0' && s[i] <= '9') {
		i++
	}
	return s[:i]
}

// hinted are the brands of Sec-CH-UA that are not told by the header, as some hide in it.
var hinted = [...]struct{ brand, name string }{
	{`"Brave"`, "Brave"}, {`"Microsoft Edge"`, "Edge"}, {`"Opera"`, "Opera"}, {`"Samsung Internet"`, "Samsung Internet"},
	{`"HeadlessChrome"`, "Headless Chrome"}, {`"Vivaldi"`, "Vivaldi"}, {`"YaBrowser"`, "Yandex"}, {`"Google Chrome"`, "Chrome"},
}

var platforms = [...]struct{ hint, name string }{
	{`"Windows"`, "Windows"}, {`"macOS"`, "macOS"}, {`"Android"`, "Android"}, {`"iOS"`, "iOS"}, {`"Chrome OS"`, "ChromeOS"},
	{`"Chromium OS"`, "ChromeOS"}, {`"Linux"`, "Linux"},
}

// hint corrects a by client hints.
func (a *Agent) hint(hints string) {
	if hints == "" {
		return
	}
	for _, h := range hinted {
		if strings.Contains(hints, h.brand) {
			a.Browser = h.name
			break
		}
	}
	for _, p := range platforms {
		if strings.Contains(hints, p.hint) {
			a.OS = p.name
			break
		}
	}
	switch {
	case a.Kind == "bot":
	case strings.HasSuffix(hints, "?1"):
		a.Kind = "mobile"
	case strings.HasSuffix(hints, "?0") && a.Kind == "mobile":
		a.Kind = "tablet"
	}
}

// code is a name as entries write it; 0 for none. Two names with one code would only look alike.
func code(name string) uint16 {
	if name == "" {
		return 0
	}
	h := uint32(2166136261) // FNV-1a
	for i := range min(len(name), maxText) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return uint16(h>>16) ^ uint16(h) | 1
}

// packVersion is v as a number that grows with it: major, minor and the third part. 0 where v says nothing.
func packVersion(v string) uint32 {
	var parts [4]uint32
	p := 0
	for i := range min(len(v), 32) {
		switch b := v[i]; {
		case b == '.':
			if p++; p == len(parts) {
				return pack(parts)
			}
		case b >= '0' && b <= '9':
			parts[p] = min(parts[p]*10+uint32(b-'0'), 1<<16)
		default:
			return pack(parts)
		}
	}
	return pack(parts)
}

func pack(p [4]uint32) uint32 {
	return min(p[0], 1<<12-1)<<20 | min(p[1], 1<<6-1)<<14 | min(p[2], 1<<14-1)
}
