package authn

import "strings"

// agentFamily is the family of browser and system that a User-Agent names, "Chrome on Windows"; "" for none.
func agentFamily(agent string) string {
	find := func(names []struct{ token, name string }) string {
		for _, n := range names {
			if strings.Contains(agent, n.token) {
				return n.name
			}
		}
		return ""
	}
	browser, system := find(browsers), find(systems)
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + " on " + system
}

// The first that fits counts: all of them claim to be Safari, and most to be Chrome.
var (
	browsers = []struct{ token, name string }{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox", "Firefox"}, {"FxiOS", "Firefox"},
		{"CriOS", "Chrome"}, {"Chrome", "Chrome"}, {"Safari", "Safari"},
	}
	systems = []struct{ token, name string }{
		{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
		{"Macintosh", "Mac"}, {"Linux", "Linux"},
	}
)
