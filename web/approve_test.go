package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/oauth/oauthtest"
	"github.com/postern-id/postern/web/webtest"
)

// home is a house in which Pia has a passkey, and a phone that is signed in and approves.
type home struct {
	*webtest.Server
	t     *testing.T
	key   *authntest.Authenticator
	phone string // its cookies
}

func newHome(t *testing.T) *home {
	t.Helper()
	h := &home{Server: shell(t, nil), t: t, key: &authntest.Authenticator{Origin: oauthtest.Issuer}}
	h.Person("pia", passphrase)
	cookie := h.Cookie("pia", passphrase)
	csrf := hiddenOf(send(h.Server, http.MethodGet, "/account/passkeys", cookie, nil).Body.String()).Get("csrf")
	_, out := fetchJSON(h.Server, "/webauthn/create/options", cookie, csrf, map[string]any{"to": "/account/passkeys"})
	body := map[string]any{"to": "/account/passkeys", "handle": out["handle"], "response": json.RawMessage(h.key.Register(t, raw(t, out["options"])))}
	if w, out := fetchJSON(h.Server, "/webauthn/create", cookie, csrf, body); w.Code != http.StatusOK {
		t.Fatalf("create: %d %v", w.Code, out)
	}
	h.phone = h.byPasskey("/account/approvers")
	return h
}

// byPasskey signs Pia in with a new browser.
func (h *home) byPasskey(to string) string {
	h.t.Helper()
	login := send(h.Server, http.MethodGet, "/login?to="+to, "", nil)
	browser, form := cookies("", login), hiddenOf(login.Body.String())
	_, out := fetchJSON(h.Server, "/webauthn/get/options", browser, form.Get("csrf"), map[string]any{"to": to})
	w, out := fetchJSON(h.Server, "/webauthn/get", browser, form.Get("csrf"), map[string]any{"to": to, "handle": out["handle"], "response": json.RawMessage(h.key.Assert(h.t, raw(h.t, out["options"])))})
	if w.Code != http.StatusOK {
		h.t.Fatalf("sign-in by passkey: %d %v", w.Code, out)
	}
	return cookies(browser, w)
}

func (h *home) enrol() {
	h.t.Helper()
	page := send(h.Server, http.MethodGet, "/account/approvers", h.phone, nil)
	form := hiddenOf(page.Body.String())
	form.Set("enrol", "1")
	if w := send(h.Server, http.MethodPost, "/account/approvers", h.phone, form); w.Header().Get("Location") != "/account/approvers?done=approver" {
		h.t.Fatalf("enrol: %d %s", w.Code, w.Header().Get("Location"))
	}
}

// laptop signs in by password with a new browser, which comes to the page for a second factor.
func (h *home) laptop() (browser string, code url.Values) {
	h.t.Helper()
	login := send(h.Server, http.MethodGet, "/login", "", nil)
	browser = cookies("", login)
	form := with(hiddenOf(login.Body.String()), "identifier", "pia", "password", passphrase)
	w := send(h.Server, http.MethodPost, "/login", browser, form)
	at := w.Header().Get("Location")
	if !strings.HasPrefix(at, "/code?") {
		h.t.Fatalf("password: %d %s", w.Code, at)
	}
	page := send(h.Server, http.MethodGet, at, browser, nil)
	if !strings.Contains(page.Body.String(), `action="/push"`) {
		h.t.Fatalf("no other device is offered: %s", page.Body)
	}
	return browser, hiddenOf(page.Body.String())
}

func with(form url.Values, pairs ...string) url.Values {
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

var shownNumber = regexp.MustCompile(`<p class="number">(?:<span[^>]*>[^<]*</span>)?(\d+)</p>`)

// ask sends the request; at is the page that waits, handle its request.
func (h *home) ask(browser string, form url.Values) (at, handle, number string) {
	h.t.Helper()
	w := send(h.Server, http.MethodPost, "/push", browser, with(form, "decision", "ask"))
	at = w.Header().Get("Location")
	u, err := url.Parse(at)
	if err != nil || u.Path != "/push" {
		h.t.Fatalf("ask: %d %s", w.Code, at)
	}
	page := send(h.Server, http.MethodGet, at, browser, nil)
	m := shownNumber.FindStringSubmatch(page.Body.String())
	if m == nil || !strings.Contains(page.Body.String(), `http-equiv="refresh"`) {
		h.t.Fatalf("the page that waits: %s", page.Body)
	}
	return at, u.Query().Get("r"), m[1]
}

// options takes a number to the server, and sign what the passkey made of the answer.
func (h *home) options(handle, number string) (*httptest.ResponseRecorder, map[string]any, string) {
	h.t.Helper()
	csrf := hiddenOf(send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String()).Get("csrf")
	w, out := fetchJSON(h.Server, "/approve/"+handle+"/options", h.phone, csrf, map[string]any{"number": number})
	return w, out, csrf
}

func (h *home) sign(handle, csrf string, out map[string]any) (*httptest.ResponseRecorder, map[string]any) {
	h.t.Helper()
	return fetchJSON(h.Server, "/approve/"+handle+"/sign", h.phone, csrf, map[string]any{"handle": out["handle"], "response": json.RawMessage(h.key.Assert(h.t, raw(h.t, out["options"])))})
}

func TestApproveElsewhere(t *testing.T) {
	h := newHome(t)
	if page := send(h.Server, http.MethodGet, "/approve", h.phone, nil).Body.String(); !strings.Contains(page, "No requests waiting") {
		t.Errorf("an empty inbox: %s", page)
	}
	h.enrol()
	messages, _, err := h.Notify.Outbox(t.Context(), 10)
	if err != nil || !slices.ContainsFunc(messages, func(m notify.Message) bool {
		return m.Kind == notify.FactorAdded && m.Data[notify.Factor] == "approver"
	}) {
		t.Errorf("the owner is not told: %v %v", messages, err)
	}
	laptop, form := h.laptop()
	at, handle, number := h.ask(laptop, form)
	if len(number) != 3 {
		t.Errorf("on an unknown device the number is %q", number)
	}
	if page := send(h.Server, http.MethodGet, "/approve", h.phone, nil).Body.String(); !strings.Contains(page, "/approve/"+handle) {
		t.Errorf("the inbox: %s", page)
	}
	page := send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String()
	if no, yes := strings.Index(page, `value="deny"`), strings.Index(page, "Approve</button>"); no < 0 || yes < no {
		t.Error("to deny does not come first")
	}
	w, out, csrf := h.options(handle, number)
	if w.Code != http.StatusOK {
		t.Fatalf("options: %d %v", w.Code, out)
	}
	if w := send(h.Server, http.MethodGet, at, laptop, nil); w.Code != http.StatusOK {
		t.Fatalf("before it is signed: %d %s", w.Code, w.Header().Get("Location"))
	}
	if w, out := h.sign(handle, csrf, out); w.Code != http.StatusOK || out["to"] != "/approve/"+handle {
		t.Fatalf("sign: %d %v", w.Code, out)
	}
	if page := send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String(); !strings.Contains(page, "You can go back to your other device") {
		t.Errorf("afterwards: %s", page)
	}
	if w := send(h.Server, http.MethodHead, at, laptop, nil); w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
	if w := send(h.Server, http.MethodGet, at, h.phone, nil); w.Header().Get("Location") == "/account" {
		t.Error("another browser took it")
	}
	w = send(h.Server, http.MethodGet, at, laptop, nil)
	if w.Header().Get("Location") != "/account" {
		t.Fatalf("it does not go on: %d %s", w.Code, w.Header().Get("Location"))
	}
	if w := send(h.Server, http.MethodGet, at, laptop, nil); w.Header().Get("Location") == "/account" {
		t.Error("a second time")
	}
	laptop = cookies(laptop, w)
	if w := send(h.Server, http.MethodGet, "/account", laptop, nil); w.Code != http.StatusOK {
		t.Errorf("not signed in: %d", w.Code)
	}
	// Now the device is known: the sign-in page itself offers it, and two digits are enough.
	out2 := send(h.Server, http.MethodGet, "/login?to=/account/sessions", laptop, nil)
	form = hiddenOf(out2.Body.String())
	if form.Get("identifier") != "pia" || !strings.Contains(out2.Body.String(), `action="/push"`) {
		t.Fatalf("the sign-in page: %s", out2.Body)
	}
	if _, _, number := h.ask(laptop, form); len(number) != 2 {
		t.Errorf("on a known device the number is %q", number)
	}
}

// What does not lead to an approval, as both sides see it.
func TestNotApproved(t *testing.T) {
	for _, tt := range []struct {
		name     string
		act      func(h *home, handle, number string)
		here     string // what the page that waits says
		there    string // … and the one that is asked
		redirect string
	}{
		{"a wrong number", func(h *home, handle, number string) {
			w, out, _ := h.options(handle, map[bool]string{true: "111", false: "222"}[number != "111"])
			if w.Code != http.StatusConflict || out["to"] != "/approve/"+handle {
				h.t.Errorf("a wrong number: %d %v", w.Code, out)
			}
			if w, _, _ := h.options(handle, number); w.Code == http.StatusOK {
				h.t.Error("a second guess")
			}
		}, "Another number was entered", "That number doesn&#39;t match", ""},
		{"not me", func(h *home, handle, _ string) {
			form := hiddenOf(send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String())
			if w := send(h.Server, http.MethodPost, "/approve/"+handle, h.phone, with(form, "decision", "deny")); w.Header().Get("Location") != "/approve/"+handle {
				h.t.Errorf("deny: %d", w.Code)
			}
		}, "denied on your other device", "Request blocked", ""},
		{"too late", func(h *home, _, _ string) { h.Clock = h.Clock.Add(2*time.Minute + time.Second) }, "The request expired", "The request expired", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHome(t)
			h.enrol()
			laptop, form := h.laptop()
			at, handle, number := h.ask(laptop, form)
			h.t = t
			tt.act(h, handle, number)
			if page := send(h.Server, http.MethodGet, at, laptop, nil); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), tt.here) || strings.Contains(page.Body.String(), `http-equiv="refresh"`) {
				t.Errorf("here: %d %s", page.Code, page.Body)
			}
			if page := send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), tt.there) {
				t.Errorf("there: %d %s", page.Code, page.Body)
			}
		})
	}
}

// G: whoever types a name in a browser that is not known disturbs nobody, and learns nothing.
func TestPushIsNotForStrangers(t *testing.T) {
	h := newHome(t)
	h.enrol()
	for _, name := range []string{"pia", "nobody", ""} {
		login := send(h.Server, http.MethodGet, "/login", "", nil)
		form := with(hiddenOf(login.Body.String()), "decision", "ask", "identifier", name)
		w := send(h.Server, http.MethodPost, "/push", cookies("", login), form)
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != "/login?to=%2Faccount" {
			t.Errorf("%q: %d %s", name, w.Code, got)
		}
	}
	if list, err := h.Authn.PendingApprovals(t.Context(), "id-pia"); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	// The only device that approves is not asked about itself.
	page := send(h.Server, http.MethodGet, "/login", h.phone, nil)
	if strings.Contains(page.Body.String(), `action="/push"`) {
		t.Error("the device is offered to itself")
	}
	w := send(h.Server, http.MethodPost, "/push", h.phone, with(hiddenOf(page.Body.String()), "decision", "ask", "identifier", "pia"))
	if !strings.HasPrefix(w.Header().Get("Location"), "/login?") {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
}

// Again is three times, then there are other ways; and each new request ends the one before.
func TestPushAgain(t *testing.T) {
	h := newHome(t)
	h.enrol()
	laptop, form := h.laptop()
	_, first, _ := h.ask(laptop, form)
	at, second, _ := h.ask(laptop, with(form, "r", first))
	if page := send(h.Server, http.MethodGet, "/approve/"+first, h.phone, nil).Body.String(); !strings.Contains(page, "A newer request") {
		t.Errorf("the first: %s", page)
	}
	_, last, _ := h.ask(laptop, with(form, "r", second))
	w := send(h.Server, http.MethodPost, "/push", laptop, with(form, "decision", "ask"))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "Too many requests") {
		t.Errorf("a fourth: %d %s", w.Code, w.Body)
	}
	if w := send(h.Server, http.MethodGet, at, laptop, nil); !strings.Contains(w.Body.String(), "withdrawn") {
		t.Errorf("the second: %s", w.Body)
	}
	if w := send(h.Server, http.MethodPost, "/push", laptop, with(form, "decision", "other", "r", last)); !strings.HasPrefix(w.Header().Get("Location"), "/code?") {
		t.Errorf("another way: %d %s", w.Code, w.Header().Get("Location"))
	}
	if page := send(h.Server, http.MethodGet, "/approve/"+last, h.phone, nil).Body.String(); !strings.Contains(page, "has withdrawn") {
		t.Errorf("what was given up: %s", page)
	}
}

// Two windows approve the same request, and one denies it: exactly one outcome stands.
func TestApproveRace(t *testing.T) {
	h := newHome(t)
	h.enrol()
	laptop, form := h.laptop()
	at, handle, number := h.ask(laptop, form)
	var answers []map[string]any
	var csrf string
	for range 4 {
		w, out, c := h.options(handle, number)
		if w.Code != http.StatusOK {
			t.Fatalf("options: %d %v", w.Code, out)
		}
		csrf = c
		answers = append(answers, map[string]any{"handle": out["handle"], "response": json.RawMessage(h.key.Assert(t, raw(t, out["options"])))})
	}
	page := hiddenOf(send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String())
	var all sync.WaitGroup
	var mu sync.Mutex
	approved := 0
	for _, body := range answers {
		all.Go(func() {
			if w, _ := fetchJSON(h.Server, "/approve/"+handle+"/sign", h.phone, csrf, body); w.Code == http.StatusOK {
				mu.Lock()
				approved++
				mu.Unlock()
			}
		})
	}
	all.Go(func() {
		send(h.Server, http.MethodPost, "/approve/"+handle, h.phone, url.Values{"csrf": page["csrf"], "decision": {"deny"}})
	})
	all.Wait()
	a, err := h.Authn.Approval(t.Context(), "id-pia", handle)
	if err != nil || approved > 1 || (approved == 1) != (a.State == "approved") || approved == 0 && a.State != "denied" {
		t.Fatalf("%d approved, and it stands at %s, %v", approved, a.State, err)
	}
	went := 0
	for range 4 {
		all.Go(func() {
			if w := send(h.Server, http.MethodGet, at, laptop, nil); w.Header().Get("Location") == "/account" {
				mu.Lock()
				went++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if went != approved {
		t.Errorf("%d approved, %d went on", approved, went)
	}
}

// The page of approvers: what it takes, and from whom.
func TestApprovers(t *testing.T) {
	h := newHome(t)
	h.enrol()
	page := send(h.Server, http.MethodGet, "/account/approvers", h.phone, nil)
	form := hiddenOf(page.Body.String())
	list, err := h.Authn.Approvers(t.Context(), "id-pia")
	if err != nil || len(list) != 1 || !strings.Contains(page.Body.String(), "This browser") {
		t.Fatalf("%v %v %s", list, err, page.Body)
	}
	csrf := form.Get("csrf")
	target := map[string]any{"endpoint": "https://push.example/1", "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "auth": "BTBZMqHH6r4Tts7J_aSIgg"}
	for name, change := range map[string]map[string]any{"no point": {"p256dh": "AAAA"}, "no secret": {"auth": ""}, "no keys": {"p256dh": "", "auth": ""}, "in the clear": {"endpoint": "http://push.example/1"}} {
		bad := map[string]any{}
		for k, v := range target {
			bad[k] = v
		}
		for k, v := range change {
			bad[k] = v
		}
		if w, out := fetchJSON(h.Server, "/account/approvers/push", h.phone, csrf, bad); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %v", name, w.Code, out)
		}
	}
	if w, out := fetchJSON(h.Server, "/account/approvers/push", h.phone, csrf, target); w.Code != http.StatusOK {
		t.Errorf("a subscription: %d %v", w.Code, out)
	}
	if list, _ = h.Authn.Approvers(t.Context(), "id-pia"); len(list[0].Push) == 0 {
		t.Error("it is not kept")
	}
	other := h.byPasskey("/account/approvers")
	theirs := hiddenOf(send(h.Server, http.MethodGet, "/account/approvers", other, nil).Body.String()).Get("csrf")
	if w, _ := fetchJSON(h.Server, "/account/approvers/push", other, theirs, target); w.Code != http.StatusBadRequest {
		t.Errorf("a browser that is none: %d", w.Code)
	}
	if w := send(h.Server, http.MethodPost, "/account/approvers", h.phone, url.Values{"csrf": {csrf}, "rename": {list[0].ID}, "name": {"Pia's phone"}}); w.Header().Get("Location") != "/account/approvers?done=named" {
		t.Errorf("rename: %d", w.Code)
	}
	h.Clock = h.Clock.Add(11 * time.Minute)
	if w := send(h.Server, http.MethodPost, "/account/approvers", h.phone, url.Values{"csrf": {csrf}, "remove": {list[0].ID}}); !strings.HasPrefix(w.Header().Get("Location"), "/login?to=") {
		t.Errorf("I8 removed with an old proof: %d %s", w.Code, w.Header().Get("Location"))
	}
	h.phone = h.byPasskey("/account/approvers")
	csrf = hiddenOf(send(h.Server, http.MethodGet, "/account/approvers", h.phone, nil).Body.String()).Get("csrf")
	if w := send(h.Server, http.MethodPost, "/account/approvers", h.phone, url.Values{"csrf": {csrf}, "remove": {list[0].ID}}); w.Header().Get("Location") != "/account/approvers?done=gone" {
		t.Errorf("remove: %d %s", w.Code, w.Header().Get("Location"))
	}
}

// What a phone needs to put the page on its home screen, and to be told.
func TestManifestAndWorker(t *testing.T) {
	s := shell(t, nil)
	w := send(s, http.MethodGet, "/manifest.webmanifest", "", nil)
	var m struct {
		Start   string `json:"start_url"`
		Display string
	}
	if w.Header().Get("Content-Type") != "application/manifest+json" || json.Unmarshal(w.Body.Bytes(), &m) != nil || m.Start != "/approve" || m.Display != "standalone" {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
	w = send(s, http.MethodGet, "/sw.js", "", nil)
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-cache" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") || !strings.Contains(w.Body.String(), "notificationclick") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if strings.Contains(w.Body.String(), "actions") {
		t.Error("a notification offers to approve")
	}
}

// A client that asks by itself: what it says is quoted, what is compared is shown, and nothing is typed. CIBA Core §7.1.
func TestApproveForClient(t *testing.T) {
	h := newHome(t)
	h.enrol()
	ask := func() (handle, code string) {
		t.Helper()
		handle, code, err := h.Authn.AskApproval(t.Context(), authn.Ask{Kind: authn.ApproveBackchannel, User: "id-pia", Bind: "auth_req_id", Client: "bank", App: "The <Bank>",
			Host: "bank.example", Text: "Order <4711>", Amount: "1,250.00", Currency: "EUR", Payee: "Merel & Co", Compare: true})
		if err != nil {
			t.Fatal(err)
		}
		return handle, code
	}
	handle, code := ask()
	page := send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String()
	for _, want := range []string{"The &lt;Bank&gt; asks you to approve", "bank.example", "Order &lt;4711&gt;", "1,250.00 EUR", "Merel &amp; Co", `<p class="number">` + code + "</p>", "Approve with passkey"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q: %s", want, page)
		}
	}
	if strings.Contains(page, `name="number"`) {
		t.Error("a number is to be typed")
	}
	w, out, csrf := h.options(handle, "")
	if w.Code != http.StatusOK {
		t.Fatalf("options: %d %v", w.Code, out)
	}
	if w, out := h.sign(handle, csrf, out); w.Code != http.StatusOK {
		t.Fatalf("sign: %d %v", w.Code, out)
	}
	if page := send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String(); !strings.Contains(page, "told the app that you approved") {
		t.Errorf("afterwards: %s", page)
	}
	handle, _ = ask()
	form := hiddenOf(send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String())
	send(h.Server, http.MethodPost, "/approve/"+handle, h.phone, with(form, "decision", "deny"))
	if page := send(h.Server, http.MethodGet, "/approve/"+handle, h.phone, nil).Body.String(); !strings.Contains(page, "told the app that you did not approve") {
		t.Errorf("denied: %s", page)
	}
	// Another person sees nothing of it, whatever they know.
	h.Person("max", passphrase)
	theirs := h.Cookie("max", passphrase)
	if w := send(h.Server, http.MethodGet, "/approve/"+handle, theirs, nil); w.Code != http.StatusNotFound {
		t.Errorf("another person: %d", w.Code)
	}
	csrf = hiddenOf(send(h.Server, http.MethodGet, "/account/settings", theirs, nil).Body.String()).Get("csrf")
	for _, path := range []string{"/options", "/sign"} {
		if w, _ := fetchJSON(h.Server, "/approve/"+handle+path, theirs, csrf, map[string]any{"number": code, "handle": "x", "response": map[string]any{}}); w.Code < 400 || w.Code >= 500 {
			t.Errorf("another person %s: %d", path, w.Code)
		}
	}
	if w := send(h.Server, http.MethodPost, "/approve/"+handle, theirs, url.Values{"csrf": {csrf}, "decision": {"deny"}}); w.Code != http.StatusNotFound {
		t.Errorf("another person denies: %d", w.Code)
	}
}
