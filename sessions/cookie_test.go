package sessions

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
)

func TestDevice(t *testing.T) {
	one, two := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	keys := [][]byte{one}
	m := &Manager{rand: rand.Reader, deviceKey: func() [][]byte { return keys }}
	cookie := m.NewDevice()
	id := m.Device(cookie)
	if id == "" || m.NewDevice() == cookie || strings.Contains(cookie, string(id)) {
		t.Fatalf("%q names %q", cookie, id)
	}
	keys = [][]byte{two, one}
	if got := m.Device(cookie); got != id {
		t.Errorf("after a rotation %q, want %q", got, id)
	}
	if later := m.NewDevice(); m.Device(later) == "" || m.Device(later) == id {
		t.Errorf("a new device is %q", m.Device(later))
	}
	keys = [][]byte{two}
	if got := m.Device(cookie); got != "" {
		t.Errorf("under a key that is gone: %q", got)
	}
	keys = [][]byte{one}
	h, secret, _ := strings.Cut(cookie, ".")
	for _, bad := range []string{"", ".", secret, h + ".", "." + secret, h + "." + secret[1:], h + "." + secret + "A", h + "." + secret[:21] + "\n", "x" + cookie, strings.Repeat(cookie, 1000)} {
		if got := m.Device(bad); got != "" {
			t.Errorf("%q is device %q", bad, got)
		}
	}
	keys = nil
	if m.NewDevice() != "" || m.Device(cookie) != "" {
		t.Error("a device without a key")
	}
}

func FuzzCookies(f *testing.F) {
	keys := [][]byte{bytes.Repeat([]byte{1}, 32)}
	m := &Manager{rand: rand.Reader, deviceKey: func() [][]byte { return keys }}
	f.Add(m.NewDevice())
	f.Add(strings.Repeat("A", 22) + "." + strings.Repeat("A", 43))
	f.Add("..\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		if id, secret, ok := splitCookie(s); ok && (string(id)+"."+secret != s || len(s) != 66) {
			t.Fatalf("%q became %q and %q", s, id, secret)
		}
		if d := m.Device(s); d != "" && len(s) != 4+1+22 {
			t.Fatalf("%q is device %q", s, d)
		}
		if got := FamilyOf(s); len(got) > 40 {
			t.Fatalf("%q", got)
		}
	})
}

func TestFamilyOf(t *testing.T) {
	for in, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                        "Chrome on Windows",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":          "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15":                  "Safari on macOS",
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                 "Firefox on Linux",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                  "Chrome on Android",
		"Mozilla/5.0 (Linux; Android 15; SM-S931B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36": "Samsung Internet on Android",
		"curl/8.9.1":                "curl",
		"<script>alert(1)</script>": "",
		"":                          "",
		strings.Repeat("x", 600) + "Chrome/1 Windows": "",
	} {
		if got := FamilyOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
