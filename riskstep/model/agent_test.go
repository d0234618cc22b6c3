package model

import "testing"

func TestParseAgent(t *testing.T) {
	for _, c := range []struct {
		name, ua, hints string
		want            Agent
	}{
		{"nothing", "", "", Agent{}},
		{"Chrome", chromeWindows, "", Agent{OS: "Windows", Browser: "Chrome", Kind: "desktop", Version: "143.0.0.0"}},
		{"Edge", chromeWindows + " Edg/143.0.3650.80", "", Agent{OS: "Windows", Browser: "Edge", Kind: "desktop", Version: "143.0.3650.80"}},
		{"Safari", agentsDrawn[3], "", Agent{OS: "iOS", Browser: "Safari", Kind: "mobile", Version: "18.5"}},
		{"Firefox", agentsDrawn[4], "", Agent{OS: "Linux", Browser: "Firefox", Kind: "desktop", Version: "145.0"}},
		{"Chrome on Android", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36", "",
			Agent{OS: "Android", Browser: "Chrome", Kind: "mobile", Version: "143.0.0.0"}},
		{"an Android tablet", "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36", "",
			Agent{OS: "Android", Browser: "Chrome", Kind: "tablet", Version: "143.0.0.0"}},
		{"Brave says so in hints only", chromeWindows, `"Brave";v="143", "Chromium";v="143"; "Windows"; ?0`, Agent{OS: "Windows", Browser: "Brave", Kind: "desktop", Version: "143.0.0.0"}},
		{"a system that only hints tell", "Mozilla/5.0 (Mystery) Chrome/143.0.0.0", `"Chromium";v="143"; "Chrome OS"; ?0`, Agent{OS: "ChromeOS", Browser: "Chrome", Version: "143.0.0.0"}},
		{"curl", "curl/8.5.0", "", Agent{Browser: "curl", Kind: "bot", Version: "8.5.0"}},
		{"a headless browser", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/143.0.0.0 Safari/537.36", "",
			Agent{OS: "Linux", Browser: "Headless Chrome", Kind: "bot", Version: "143.0.0.0"}},
		{"no product", "hello world", "", Agent{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Raw = c.ua
			if got := ParseAgent(c.ua, c.hints); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestVersionsGrow(t *testing.T) {
	list := []string{"", "9", "10.0.1", "10.1", "10.1.2", "18.5", "18.10", "142.0.0.0", "142.0.7444.60", "143.0.0.0", "99999.1"}
	for i := 1; i < len(list); i++ {
		if packVersion(list[i]) <= packVersion(list[i-1]) {
			t.Errorf("%q is no later than %q", list[i], list[i-1])
		}
	}
}

func FuzzParseAgent(f *testing.F) {
	for _, a := range agentsDrawn {
		f.Add(a, `"Chromium";v="143"; "Windows"; ?0`)
	}
	f.Add("/1", "")
	f.Fuzz(func(t *testing.T, ua, hints string) {
		a := ParseAgent(ua, hints)
		if len(a.Raw) > maxText || len(a.Version) > 32 || len(a.Browser) > 32 {
			t.Errorf("%+v", a)
		}
		packVersion(a.Version)
	})
}
