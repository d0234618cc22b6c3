package attacks

import (
	"bufio"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/postern-id/postern/audit"
	"github.com/postern-id/postern/e2e/harness"
)

var inner = regexp.MustCompile(`goroutine \d|runtime error|panic:|\.go:\d+|/[a-z]+/postern/|SQLITE|sql:|sqlite|fosite|pq:|constraint failed|0x[0-9a-f]{6,}`)

// quiet checks what holds for every answer whatever was asked: nothing of the inside shows, the headers are those of its
// kind, and the server was not at a loss.
func quiet(t testing.TB, what string, r reply) {
	t.Helper()
	bad := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%.120s: %d: "+format+"\n%.600s", append(append([]any{what, r.StatusCode}, args...), r.body)...)
	}
	if m := inner.FindString(r.body); m != "" {
		bad("the inside shows: %q", m)
	}
	if r.StatusCode >= 500 {
		bad("the server is at a loss")
	}
	h := r.Header
	if h.Get("X-Content-Type-Options") != "nosniff" {
		bad("no nosniff")
	}
	if h.Get("Server") != "" || h.Get("X-Powered-By") != "" {
		bad("the server introduces itself")
	}
	if strings.HasPrefix(h.Get("Content-Type"), "text/html") {
		framed(bad, h)
	}
	if r.StatusCode >= 400 {
		if h.Get("Cache-Control") != "no-store" {
			bad("an error may be cached: %q", h.Get("Cache-Control"))
		}
		if h.Get("Location") != "" {
			bad("an error redirects")
		}
	}
	if r.StatusCode == http.StatusTemporaryRedirect || r.StatusCode == http.StatusPermanentRedirect {
		bad("a redirect that repeats the body") // A22
	}
	if strings.HasPrefix(h.Get("Content-Type"), "application/json") && r.StatusCode >= 400 && r.Request.Method != http.MethodHead {
		if ourScript.MatchString(r.Request.URL.Path) {
			inAWord(bad, r)
		} else {
			wellSaid(bad, r)
		}
	}
}

// ourScript are the paths that the scripts of our pages speak to.
var ourScript = regexp.MustCompile(`^/(webauthn/.*|push/state|device-key/prove|approve/[^/]*/(options|sign)|account/approvers/push)$`)

// inAWord: the script of our pages gets one word, and where to go on.
func inAWord(bad func(string, ...any), r reply) {
	var m map[string]string
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		bad("not JSON: %v", err)
	}
	for name, v := range m {
		if name == "error" && !errorCode.MatchString(v) || name == "to" && !strings.HasPrefix(v, "/login?to=/a") && !strings.HasPrefix(v, "/approve") || name != "error" && name != "to" {
			bad("an error carries %q: %q", name, v)
		}
	}
}

// framed: A20, A21.
func framed(bad func(string, ...any), h http.Header) {
	csp, _, _ := strings.Cut(h.Get("Content-Security-Policy"), "; frame-src ")  // TestFrontChannel looks at the rest
	csp = strings.Replace(csp, "form-action https:;", "form-action 'self';", 1) // the page that posts to a client, see TestA27_FormPost
	for _, want := range []string{"frame-ancestors 'none'", "default-src 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, want) {
			bad("the policy lacks %s: %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
		bad("the policy is loose: %s", csp)
	}
	for name, want := range map[string]string{"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if h.Get(name) != want {
			bad("%s is %q", name, h.Get(name))
		}
	}
}

var (
	errorCode        = regexp.MustCompile(`^[a-z_]+$`)
	errorDescription = regexp.MustCompile(`^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,300}$`)
)

// wellSaid: C31, RFC 6749 §5.2.
func wellSaid(bad func(string, ...any), r reply) {
	var m map[string]any
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		bad("not JSON: %v", err)
		return
	}
	code, _ := m["error"].(string)
	description, _ := m["error_description"].(string)
	if !errorCode.MatchString(code) || !errorDescription.MatchString(description) {
		bad("error %q, error_description %q", code, description)
	}
	for name := range m {
		if name != "error" && name != "error_description" {
			bad("an error carries %q", name)
		}
	}
}

// refused: an error for a program, with one of the codes.
func refused(t testing.TB, r reply, status int, codes ...string) {
	t.Helper()
	if r.StatusCode != status || !slices.Contains(codes, r.field("error")) || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		t.Errorf("%s %.100s: %d %s %.300s, want %d %v in JSON", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.Header.Get("Content-Type"), r.body, status, codes)
	}
	if r.StatusCode == http.StatusUnauthorized && r.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("401 without WWW-Authenticate: %s", r.body)
	}
	if strings.Contains(r.body, "_token\":") {
		t.Errorf("a token in a refusal: %s", r.body)
	}
}

// shown: an error page of ours; nothing is sent anywhere.
func shown(t testing.TB, r reply, status int) {
	t.Helper()
	if r.StatusCode != status || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s %.200s: %d %s to %q, want a page with %d", r.Request.Method, r.Request.URL, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Location"), status)
	}
	if strings.Contains(r.body, "http-equiv=\"refresh\"") || strings.Contains(r.body, "code=pac_") {
		t.Errorf("an error page leads on: %s", r.body)
	}
}

// toClient: an error that travels to the client. A23.
func toClient(t testing.TB, s *harness.Server, r reply, redirect, state string, codes ...string) {
	t.Helper()
	u := r.location()
	q := u.Query()
	if r.StatusCode != http.StatusSeeOther || !strings.HasPrefix(r.Header.Get("Location"), redirect) || !slices.Contains(codes, q.Get("error")) {
		t.Errorf("%.200s: %d to %q, want an error of %v at %s", r.Request.URL.RawQuery, r.StatusCode, r.Header.Get("Location"), codes, redirect)
		return
	}
	if q.Get("iss") != s.Issuer || q.Get("state") != state || u.Fragment != "" || q.Has("code") || q.Has("access_token") || q.Has("id_token") {
		t.Errorf("the error response is %s", u)
	}
	if !errorDescription.MatchString(q.Get("error_description")) {
		t.Errorf("error_description %q", q.Get("error_description"))
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the response may be cached")
	}
}

// accepted is the other half of every attack: what is right succeeds.
func accepted(t testing.TB, r reply) reply {
	t.Helper()
	if r.StatusCode != http.StatusOK {
		t.Fatalf("what is right is refused: %s %s: %d %s", r.Request.Method, r.Request.URL.Path, r.StatusCode, r.body)
	}
	if r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s may be cached", r.Request.URL.Path)
	}
	return r
}

// trail is the audit trail of a server.
func trail(t testing.TB, s *harness.Server) []audit.Event {
	t.Helper()
	out, err := s.Command("audit", "export")
	if err != nil {
		t.Fatal(err)
	}
	var events []audit.Event
	sc := bufio.NewScanner(strings.NewReader(out))
	sc.Buffer(nil, 4<<20)
	for sc.Scan() {
		var line struct{ Body, IP string }
		var e audit.Event
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line.Body), &e); err != nil {
			t.Fatal(err)
		}
		e.IP = line.IP // beside what is chained
		events = append(events, e)
	}
	return events
}

// recorded checks that what the visitor did, known by the address, is in the audit trail n times at least.
func (v *visitor) recorded(typ string, outcome audit.Outcome, n int) {
	v.t.Helper()
	got := 0
	for _, e := range trail(v.t, v.s) {
		if e.Type == typ && e.Outcome == outcome && e.IP == v.ip {
			got++
		}
	}
	if got < n {
		v.t.Errorf("%d events %s %s from %s, want %d", got, typ, outcome, v.ip, n)
	}
}

var authenticators = struct {
	sync.Mutex
	of map[string]*harness.TOTP
}{of: map[string]*harness.TOTP{}}

// codeOf is a code of the person's authenticator that was not used before.
func codeOf(user string) string {
	authenticators.Lock()
	a := authenticators.of[user]
	if a == nil {
		a = harness.NewTOTP(totpSecret)
		authenticators.of[user] = a
	}
	authenticators.Unlock()
	return a.Code()
}

var secretWords = regexp.MustCompile(`pac_|prt_|pat_|prm_|pit_|pdc_|pcr_|eyJ[A-Za-z0-9_-]{10}|` + password + `|secret-[0-9a-f]{24}|@people\.test|198\.18\.|dBjftJeZ4CVP|` + totpSecret)

// leaks: L11, over all that the server logged for all the tests.
func leaks(s *harness.Server) {
	for line := range strings.Lines(s.Log()) {
		if m := secretWords.FindString(line); m != "" {
			house.Errorf("the log holds %q: %s", m, line)
		}
		if len(line) > 4<<10 {
			house.Errorf("a log line of %d bytes: %.300s", len(line), line)
		}
		if !json.Valid([]byte(line)) {
			house.Errorf("a log line that is no JSON: %q", line)
		}
	}
	metrics, err := s.Metrics()
	if err != nil || secretWords.MatchString(metrics) {
		house.Errorf("metrics: %v %s", err, secretWords.FindString(metrics))
	}
}
