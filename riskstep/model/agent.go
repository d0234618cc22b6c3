package model

// Agent is a browser as it calls itself.
type Agent struct {
	OS      string // "Windows", "iOS", …; "" if unknown
	Browser string // family: "Chrome", "Safari", …; "" if unknown
	Kind    string // "desktop", "mobile", "tablet", "bot"; "" if unknown
	Version string // of the browser, full
	Raw     string // as it was sent, bounded
}

// ParseAgent reads a User-Agent header and the client hints that came with it.
func ParseAgent(ua, hints string) Agent { return Agent{Raw: ua} }
