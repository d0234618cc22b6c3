package notify_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/authn/authntest"
	"github.com/postern-id/postern/engine/sqldb"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/notify/notifytest"
)

var (
	ctx = context.Background()
	ann = authn.User{ID: "u-ann", Username: "ann", Email: "ann@example.com", Claims: map[string]json.RawMessage{"locale": json.RawMessage(`"zh-CN"`)}}
)

// office is a Service with what stands around it.
type office struct {
	*notify.Service
	db     *sqldb.DB
	clock  *authntest.Clock
	trail  *authntest.Trail
	server *notifytest.Server
	opts   notify.Options
}

func render(m notify.Message, link string) (subject, text, html string, err error) {
	return "Über " + string(m.Kind), m.Data[notify.Device] + "\n" + m.Data[notify.URL] + "\n" + link, `<p lang="` + m.Lang + `">` + m.Data[notify.Device], nil
}

func newOffice(t testing.TB, change func(*office)) *office {
	t.Helper()
	o := &office{clock: authntest.NewClock(), trail: &authntest.Trail{}, server: notifytest.New(t, notifytest.Options{})}
	db, err := sqldb.Open(ctx, sqldb.Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "db"), Now: o.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	o.db = db
	o.opts = notify.Options{
		Store: db, Sealer: authntest.NewSealer(), Ephemeral: db, Render: render, Audit: o.trail, Now: o.clock.Now,
		BaseURL: "https://id.example.org/", From: "Zoë <no-reply@example.org>",
		Transport: notify.SMTP{
			Host: o.server.Host, Port: o.server.Port, Security: notify.STARTTLS, Username: "postern", Password: "secret",
			TLS: &tls.Config{RootCAs: o.server.Roots},
		},
	}
	if change != nil {
		change(o)
	}
	if o.Service, err = notify.New(o.opts); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) tell(t testing.TB, n notify.Note) {
	t.Helper()
	if err := o.Tell(ctx, ann, n); err != nil {
		t.Fatal(err)
	}
}

func (o *office) tick(t testing.TB, want int) {
	t.Helper()
	if sent, err := o.Tick(ctx); err != nil || sent != want {
		t.Fatalf("sent %d, %v, want %d", sent, err, want)
	}
}

func (o *office) types() (out []string) {
	for _, e := range o.trail.Events() {
		out = append(out, strings.TrimSuffix(e.Type+" "+e.Reason, " "))
	}
	return out
}

// parts are the bodies of a mail by their type.
func parts(t testing.TB, raw string) (mail.Header, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		out[p.Header.Get("Content-Type")] = string(b)
	}
}

func TestTell(t *testing.T) {
	o := newOffice(t, nil)
	o.tell(t, notify.Note{Kind: notify.NewDevice, Data: map[string]string{notify.Device: "火狐 on Linux"}, Session: "s-1", Dedup: "d-1"})
	o.tell(t, notify.Note{Kind: notify.NewDevice, Data: map[string]string{notify.Device: "again"}, Dedup: "d-1"}) // once a day
	o.tick(t, 1)
	o.tick(t, 0)
	got := o.server.Mails()
	if len(got) != 1 || got[0].To != "ann@example.com" || got[0].From != "no-reply@example.org" || !got[0].TLS || got[0].Auth != "postern:secret" {
		t.Fatalf("%+v", got)
	}
	header, bodies := parts(t, got[0].Data)
	subject, err := new(mime.WordDecoder).DecodeHeader(header.Get("Subject"))
	if err != nil || subject != "Über new_device" {
		t.Errorf("%q %v", subject, err)
	}
	for name, want := range map[string]string{
		"To": "<ann@example.com>", "Auto-Submitted": "auto-generated", "Mime-Version": "1.0", "Date": "Tue, 24 Nov 2026 12:00:00 +0000",
	} {
		if header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, header.Get(name), want)
		}
	}
	if from, err := mail.ParseAddress(header.Get("From")); err != nil || from.Name != "Zoë" || !strings.HasSuffix(header.Get("Message-ID"), "@example.org>") {
		t.Errorf("From %v, %v, Message-ID %q", from, err, header.Get("Message-ID"))
	}
	text, html := bodies["text/plain; charset=utf-8"], bodies["text/html; charset=utf-8"]
	if !strings.HasPrefix(text, "火狐 on Linux") || html != `<p lang="zh-CN">火狐 on Linux` || !strings.Contains(text, "https://id.example.org/not-me?t=") {
		t.Errorf("%q %q", text, html)
	}
	if types := o.types(); !slices.Equal(types, []string{"mail.sent"}) {
		t.Errorf("%v", types)
	}
	o.clock.Advance(24 * time.Hour)
	o.tell(t, notify.Note{Kind: notify.NewDevice, Dedup: "d-1"})
	o.tick(t, 1)
	for _, nobody := range []authn.User{{}, {ID: "u-mute", Username: "mute"}} {
		if err := o.Tell(ctx, nobody, notify.Note{Kind: notify.NewDevice}); err != nil {
			t.Error(err)
		}
	}
	o.tick(t, 0)
}

// What lies in the database tells no address, no link and nothing of what happened.
func TestOutboxIsSealed(t *testing.T) {
	o := newOffice(t, func(o *office) { o.opts.Transport = nil })
	o.tell(t, notify.Note{Kind: notify.RecoveryStarted, Data: map[string]string{notify.Secret: "topsecret", notify.Device: "Firefox"}})
	o.tick(t, 0) // nowhere to send it
	records, err := o.db.Mails(ctx, 10)
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	for _, hidden := range []string{"ann@example.com", "topsecret", "Firefox"} {
		if strings.Contains(fmt.Sprintf("%q", records[0].Sealed), hidden) {
			t.Errorf("%s lies open", hidden)
		}
	}
	messages, links, err := o.Outbox(ctx, 10)
	if err != nil || len(messages) != 1 || messages[0].To != "ann@example.com" || messages[0].Data[notify.URL] != "https://id.example.org/recover/go?t=topsecret" ||
		messages[0].Data[notify.Secret] != "" || messages[0].Data[notify.Account] != "ann" {
		t.Fatalf("%+v %v", messages, err)
	}
	again, same, err := o.Outbox(ctx, 10)
	if err != nil || len(again) != 1 || same[0] != links[0] {
		t.Errorf("each look makes another link: %v", err)
	}
}

func secretOf(link string) string { return link[strings.LastIndex(link, "=")+1:] }

// A link is looked at as often as scanners like, used once, for seven days, and stands for nothing else.
func TestDisown(t *testing.T) {
	o := newOffice(t, nil)
	tell := func() string {
		t.Helper()
		o.tell(t, notify.Note{Kind: notify.NewDevice, Session: "s-1", Data: map[string]string{notify.Device: "Firefox"}})
		_, links, err := o.Outbox(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		o.clock.Advance(time.Second)
		return secretOf(links[0])
	}
	happened := o.clock.Now()
	secret := tell()
	o.tick(t, 1)
	o.trail.Events()
	for range 3 {
		a, err := o.Peek(ctx, secret)
		if err != nil || a.User != "u-ann" || a.Kind != notify.NewDevice || a.Session != "s-1" || a.Data[notify.Device] != "Firefox" || !a.At.Equal(happened) {
			t.Fatalf("%+v %v", a, err)
		}
	}
	var wg sync.WaitGroup
	won := make([]bool, 12)
	for i := range won {
		wg.Go(func() { _, err := o.Disown(ctx, secret, ident.Env{}); won[i] = err == nil })
	}
	wg.Wait()
	if n := len(slices.DeleteFunc(won, func(w bool) bool { return !w })); n != 1 {
		t.Errorf("%d used it", n)
	}
	if types := o.types(); len(types) == 0 || types[0] != "notice.disowned new_device" {
		t.Errorf("%v", types)
	}
	for name, s := range map[string]string{"used": secret, "empty": "", "unknown": "unknown", "long": strings.Repeat("x", 1<<16)} {
		if _, err := o.Peek(ctx, s); !errors.Is(err, notify.ErrLink) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := o.Disown(ctx, s, ident.Env{}); !errors.Is(err, notify.ErrLink) {
			t.Errorf("%s: %v", name, err)
		}
	}
	late := tell()
	o.trail.Down(true)
	if _, err := o.Disown(ctx, late, ident.Env{}); err == nil {
		t.Error("disowned without a trail")
	}
	o.trail.Down(false)
	o.clock.Advance(notify.LinkLife)
	if _, err := o.Disown(ctx, late, ident.Env{}); !errors.Is(err, notify.ErrLink) {
		t.Errorf("after a week: %v", err)
	}
}

// A sign-in is disowned once, whoever asks at the same time, and the trail says so first.
func TestDisownSignIn(t *testing.T) {
	o := newOffice(t, nil)
	about := notify.About{User: "u-ann", Session: "s-1", At: o.clock.Now()}
	o.trail.Down(true)
	if err := o.DisownSignIn(ctx, about, ident.Env{}); err == nil {
		t.Error("disowned without a trail")
	}
	o.trail.Down(false)
	var wg sync.WaitGroup
	won := make([]bool, 12)
	for i := range won {
		wg.Go(func() { won[i] = o.DisownSignIn(ctx, about, ident.Env{}) == nil })
	}
	wg.Wait()
	if n := len(slices.DeleteFunc(won, func(w bool) bool { return !w })); n != 1 {
		t.Errorf("%d disowned it", n)
	}
	o.trail.Events()
	if err := o.DisownSignIn(ctx, about, ident.Env{}); !errors.Is(err, notify.ErrLink) {
		t.Errorf("again: %v", err)
	}
	if types := o.types(); len(types) != 0 {
		t.Errorf("what was refused is in the trail: %v", types)
	}
	other := about
	other.At = about.At.Add(time.Hour) // the same session, raised later
	if err := o.DisownSignIn(ctx, other, ident.Env{}); err != nil {
		t.Error(err)
	}
	if err := o.OwnSignIn(ctx, about, ident.Env{}); err != nil {
		t.Error(err)
	}
	if types := o.types(); !slices.Equal(types, []string{"notice.disowned", "notice.confirmed"}) {
		t.Errorf("%v", types)
	}
}

// Each step of a recovery is told; what would lead nowhere any more is not.
func TestRecoveryNews(t *testing.T) {
	o := newOffice(t, func(o *office) {
		o.opts.Country = func(ip netip.Addr) string { return map[string]string{"192.0.2.7": "DE"}[ip.String()] }
	})
	ready := o.clock.Now().Add(24 * time.Hour)
	tell := func(n authn.RecoveryNews) {
		t.Helper()
		n.ID = "r-1"
		if err := o.Recovery(ctx, ann, n); err != nil {
			t.Fatal(err)
		}
	}
	chrome := ident.Env{IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"}
	tell(authn.RecoveryNews{Step: authn.RecoveryRequested, Secret: "s1", ReadyAt: ready, Env: chrome})
	messages, _, err := o.Outbox(ctx, 1)
	if err != nil || messages[0].Data[notify.Device] != "Chrome on Windows" || messages[0].Data[notify.Country] != "DE" {
		t.Errorf("where it was asked for: %v %v", messages, err)
	}
	tell(authn.RecoveryNews{Step: authn.RecoveryOpened, Secret: "s1", ReadyAt: ready})
	o.tick(t, 1) // the other has time
	_, bodies := parts(t, o.server.Mails()[0].Data)
	if !strings.Contains(bodies["text/plain; charset=utf-8"], "https://id.example.org/recover/go?t=s1") {
		t.Errorf("%v", bodies)
	}
	tell(authn.RecoveryNews{Step: authn.RecoveryCancelled})
	o.clock.Advance(25 * time.Hour)
	o.tick(t, 1)
	tell(authn.RecoveryNews{Step: authn.RecoveryOpened, Secret: "s2", ReadyAt: o.clock.Now()})
	tell(authn.RecoveryNews{Step: authn.RecoveryDone})
	o.tick(t, 1)
	var subjects []string
	for _, m := range o.server.Mails() {
		h, _ := parts(t, m.Data)
		s, _ := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
		subjects = append(subjects, strings.TrimPrefix(s, "Über "))
	}
	if !slices.Equal(subjects, []string{"recovery_started", "recovery_cancelled", "recovery_done"}) {
		t.Errorf("%v", subjects)
	}
	if err := o.Recovery(ctx, authn.User{}, authn.RecoveryNews{Step: authn.RecoveryRequested, Secret: "s3"}); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	o := newOffice(t, nil)
	for name, change := range map[string]func(*notify.Options){
		"no store": func(p *notify.Options) { p.Store = nil }, "no address": func(p *notify.Options) { p.From = "" },
		"two addresses": func(p *notify.Options) { p.From = "a@example.org, b@example.org" }, "a header": func(p *notify.Options) { p.From = "a@example.org\r\nBcc: b@example.org" },
	} {
		p := o.opts
		change(&p)
		if _, err := notify.New(p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := o.Tell(ctx, ann, notify.Note{Kind: notify.NewDevice, Data: map[string]string{"x": strings.Repeat("x", 9000)}}); err == nil {
		t.Error("a novel was told")
	}
}
