package static

import (
	"compress/gzip"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func get(method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestServe(t *testing.T) {
	css := Path("app.css")
	if !regexp.MustCompile(`^/static/app\.[0-9a-f]{12}\.css$`).MatchString(css) {
		t.Fatalf("path %q", css)
	}
	etag := get("GET", css).Header.Get("ETag")
	zipped := get("GET", css, "Accept-Encoding", "gzip").Header.Get("ETag")
	if etag == "" || etag == zipped {
		t.Errorf("etags %q and %q must differ", etag, zipped)
	}
	tests := []struct {
		name, method, path string
		header             []string
		status             int
		encoding           string
	}{
		{"plain", "GET", css, nil, 200, ""},
		{"gzip", "GET", css, []string{"Accept-Encoding", "br, GZIP;q=0.5"}, 200, "gzip"},
		{"gzip refused", "GET", css, []string{"Accept-Encoding", "gzip;q=0, *"}, 200, ""},
		{"head", "HEAD", css, nil, 200, ""},
		{"cached", "GET", css, []string{"If-None-Match", `"x", W/` + etag}, 304, ""},
		{"cached gzip", "GET", css, []string{"If-None-Match", zipped, "Accept-Encoding", "gzip"}, 304, ""},
		{"changed", "GET", css, []string{"If-None-Match", `"x"`}, 200, ""},
		{"post", "POST", css, nil, 405, ""},
		{"no hash", "GET", "/static/app.css", nil, 404, ""},
		{"up", "GET", "/static/../static.go", nil, 404, ""},
		{"folder", "GET", "/static/", nil, 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := get(tt.method, tt.path, tt.header...)
			if res.StatusCode != tt.status || res.Header.Get("Content-Encoding") != tt.encoding {
				t.Errorf("got %d %q", res.StatusCode, res.Header.Get("Content-Encoding"))
			}
			if tt.status != 200 {
				return
			}
			if got := res.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
				t.Errorf("Cache-Control %q", got)
			}
			var body io.Reader = res.Body
			if tt.encoding == "gzip" {
				z, err := gzip.NewReader(body)
				if err != nil {
					t.Fatal(err)
				}
				body = z
			}
			b, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile("app.css")
			if err != nil {
				t.Fatal(err)
			}
			if tt.method == "HEAD" {
				want = nil
			}
			if string(b) != string(want) {
				t.Errorf("body of %d bytes, want %d", len(b), len(want))
			}
		})
	}
}

func TestBudget(t *testing.T) {
	for name, most := range map[string]int{"app.css": 4 << 10, "app.js": 512, "passkey.js": 2560, "codes.js": 600, "bind.js": 2 << 10, "icon.svg": 512} {
		if n := len(assets.byPath[Path(name)].gzip); n > most {
			t.Errorf("%s: %d bytes compressed, want at most %d", name, n, most)
		}
	}
	if n := len(assets.byPath[Path("app.js")].gzip) + len(assets.byPath[Path("passkey.js")].gzip); n > 3<<10 {
		t.Errorf("script before a sign-in: %d bytes compressed, want at most 3 KiB", n)
	} else {
		t.Logf("script before a sign-in: %d bytes", n)
	}
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(hex string) float64 {
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	var l float64
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			return math.NaN()
		}
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		l += weight * c
	}
	return l
}

func TestContrast(t *testing.T) {
	b, err := os.ReadFile("app.css")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`\{[^{}]*--bg:[^{}]*\}`).FindAllString(string(b), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks of tokens, want light, dark by choice and dark by system", len(blocks))
	}
	token := regexp.MustCompile(`--([a-z-]+):#([0-9a-f]{3,6})`)
	var themes []map[string]string
	for _, block := range blocks {
		m := map[string]string{}
		for _, s := range token.FindAllStringSubmatch(block, -1) {
			m[s[1]] = s[2]
		}
		themes = append(themes, m)
	}
	for k, v := range themes[1] {
		if themes[2][k] != v {
			t.Errorf("--%s differs between the two dark blocks", k)
		}
	}
	pairs := []struct {
		fg, bg string
		least  float64
	}{
		{"text", "surface", 4.5}, {"text", "bg", 4.5}, {"muted", "surface", 4.5}, {"muted", "bg", 4.5},
		{"accent", "surface", 4.5}, {"accent", "bg", 4.5}, {"accent", "soft", 4.5}, {"hover", "surface", 4.5},
		{"on", "accent", 4.5}, {"on", "hover", 4.5},
		{"ok", "ok-soft", 4.5}, {"warn", "warn-soft", 4.5}, {"bad", "bad-soft", 4.5}, {"bad", "surface", 4.5},
		{"field", "surface", 3}, {"field", "bg", 3},
	}
	for i, name := range []string{"light", "dark"} {
		for _, p := range pairs {
			a, b := luminance(themes[i][p.fg])+.05, luminance(themes[i][p.bg])+.05
			if c := max(a, b) / min(a, b); !(c >= p.least) {
				t.Errorf("%s: %s on %s is %.2f, want %.1f", name, p.fg, p.bg, c, p.least)
			}
		}
	}
}

// What the policy of the pages forbids must not be in the files.
func TestNothingForeign(t *testing.T) {
	for path, a := range assets.byPath {
		for _, bad := range []string{"@import", "url(", "https://", "eval(", "innerHTML"} {
			if strings.Contains(string(a.plain), bad) {
				t.Errorf("%s contains %q", path, bad)
			}
		}
	}
}

// Comments and indentation are not served, and nothing else is left out.
func TestSlim(t *testing.T) {
	in := "// says\n\n/** @type {X} */\nconst a = /** @type {Y} */ (b);\n  // why\n\tf(\"https://x\"); // stays\n\n\nconst re = /\\/\\//;\n"
	want := "\n\nconst a = (b);\nf(\"https://x\"); // stays\nconst re = /\\/\\//;\n"
	if got := string(slim([]byte(in))); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
