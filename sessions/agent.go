package sessions

import "strings"

type family struct{ token, name string }

// Which names stand for which browser or system; the first that occurs counts, so what pretends to
// be something else (Edge says Chrome, Chrome says Safari) stands before it.
var (
	browsers = []family{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Vivaldi/", "Vivaldi"}, {"SamsungBrowser/", "Samsung Internet"},
		{"YaBrowser/", "Yandex Browser"}, {"DuckDuckGo/", "DuckDuckGo"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
		{"curl/", "curl"},
	}
	systems = []family{
		{"Windows", "Windows"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"}, {"Macintosh", "macOS"}, {"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"}, {"Linux", "Linux"},
	}
)

// FamilyOf names the browser and the system of a User-Agent header, such as "Chrome on Windows", out of
// a closed list of words; "" where it knows neither.
func FamilyOf(userAgent string) string {
	if len(userAgent) > 512 {
		userAgent = userAgent[:512]
	}
	b, s := first(browsers, userAgent), first(systems, userAgent)
	if b != "" && s != "" {
		return b + " on " + s
	}
	return b + s
}

func first(fs []family, s string) string {
	for _, f := range fs {
		if strings.Contains(s, f.token) {
			return f.name
		}
	}
	return ""
}
