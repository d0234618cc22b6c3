package conformance

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
)

// sessionLogout: the frame says that nothing changed, and after the logout that something did. Session Management §3.2.
func sessionLogout(m *run) {
	m.text("check_session_iframe")
	l := m.signIn("")
	state := l.Get("session_state")
	if state == "" || strings.ContainsAny(state, " ") {
		m.stop("session_state is %q", state)
	}
	if got := m.frameSays(m.client.id + " " + state); got != "unchanged" {
		m.fail("the frame says %q while the session lasts", got)
	}
	if got := m.frameSays("no such message"); got != "error" {
		m.fail("the frame says %q to a message that is none", got)
	}
	m.returned(l, m.out(l, true))
	if got := m.frameSays(m.client.id + " " + state); got != "changed" {
		m.fail("the frame says %q after the logout", got)
	}
}

var scriptPattern = regexp.MustCompile(`<script src="([^"]+)"`)

// frame runs the script of the frame, read from standard input as JSON, without any page: it posts one message, and prints
// the answer. What the script may use is what a frame of a stranger's page has: cookies it can read, digests, messages.
const frame = `
const { script, cookie, message, origin } = JSON.parse(require("fs").readFileSync(0));
const heard = [];
const context = { document: { cookie }, crypto: globalThis.crypto ?? require("crypto").webcrypto, TextEncoder, Uint8Array, Array,
	addEventListener: (type, f) => { if (type === "message") heard.push(f); } };
context.window = context.self = context.globalThis = context;
require("vm").runInNewContext(script, context);
const source = { postMessage: (answer, to) => { if (to === origin) process.stdout.write(String(answer)); } };
for (const f of heard) f({ data: message, origin, source });
`

// frameSays posts a message of the relying party to the server's frame in the visitor's browser, and returns its answer.
func (m *run) frameSays(message string) string {
	at := m.text("check_session_iframe")
	page := m.call(http.MethodGet, at, "", nil)
	csp := page.header.Get("Content-Security-Policy")
	if page.status != http.StatusOK || page.header.Get("X-Frame-Options") != "" || strings.Contains(csp, "frame-ancestors 'none'") ||
		strings.Contains(csp, "frame-ancestors 'self'") {
		m.stop("no relying party can hold the frame: %d, X-Frame-Options %q, CSP %q", page.status, page.header.Get("X-Frame-Options"), csp)
	}
	src := scriptPattern.FindStringSubmatch(page.body)
	if src == nil {
		m.stop("the frame has no script: %s", page.body)
	}
	script := m.call(http.MethodGet, m.absolute(at, src[1]), "", nil)
	input, err := json.Marshal(map[string]string{"script": script.body, "cookie": m.visitor.readable(at), "message": message, "origin": m.w.host.URL})
	m.must(err)
	cmd := exec.Command("node", "-e", frame)
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &complaint
	out, err := cmd.Output()
	if err != nil {
		m.stop("the script of the frame: %v\n%s", err, complaint.String())
	}
	return string(out)
}
