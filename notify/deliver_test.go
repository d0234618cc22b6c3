package notify_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/notify"
	"github.com/postern-id/postern/notify/notifytest"
)

// A mail that fails is tried again after growing delays, and given up after a day; each time it is recorded, without the
// address.
func TestRetries(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   func(n int) notifytest.Fault
		sent    int
		atLeast int // attempts
		last    string
	}{
		{"busy twice", func(n int) notifytest.Fault {
			return []notifytest.Fault{notifytest.Busy, notifytest.Busy, notifytest.None}[min(n, 2)]
		}, 1, 3, "mail.sent"},
		{"hangs up once", func(n int) notifytest.Fault { return []notifytest.Fault{notifytest.HangUp, notifytest.None}[min(n, 1)] }, 1, 2, "mail.sent"},
		{"wrong password", func(int) notifytest.Fault { return notifytest.BadAuth }, 0, 20, "mail.given_up transport"},
		{"always busy", func(int) notifytest.Fault { return notifytest.Busy }, 0, 20, "mail.given_up transport"},
		{"nobody there", func(int) notifytest.Fault { return notifytest.UnknownUser }, 0, 1, "mail.given_up refused"},
		{"refused after the data", func(int) notifytest.Fault { return notifytest.Refuse }, 0, 1, "mail.given_up refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, nil)
			o.server.Fault(c.fault)
			o.tell(t, notify.Note{Kind: notify.PasswordChanged})
			attempts, waits := []string{}, []time.Duration{}
			var since time.Duration
			for range 26 * 60 {
				if _, err := o.Tick(ctx); err != nil {
					t.Fatal(err)
				}
				for _, e := range o.trail.Events() {
					if strings.Contains(fmt.Sprintf("%+v", e), "example.com") {
						t.Errorf("the trail tells the address: %+v", e)
					}
					attempts = append(attempts, strings.TrimSuffix(e.Type+" "+e.Reason, " "))
					waits, since = append(waits, since), 0
				}
				o.clock.Advance(time.Minute)
				since += time.Minute
			}
			if len(o.server.Mails()) != c.sent || len(attempts) < c.atLeast || c.atLeast == 1 && len(attempts) > 1 || attempts[len(attempts)-1] != c.last {
				t.Errorf("sent %d, attempts %v", len(o.server.Mails()), attempts)
			}
			if !slices.IsSorted(waits[1:]) || slices.Max(waits) > time.Hour+time.Minute {
				t.Errorf("waits %v", waits)
			}
		})
	}
}

// Of two workers one sends each mail.
func TestTwoWorkers(t *testing.T) {
	o := newOffice(t, nil)
	other, err := notify.New(o.opts)
	if err != nil {
		t.Fatal(err)
	}
	for range 12 {
		o.tell(t, notify.Note{Kind: notify.NewDevice})
	}
	var wg sync.WaitGroup
	sent, errs := make([]int, 2), make([]error, 2)
	for i, s := range []*notify.Service{o.Service, other} {
		wg.Go(func() { sent[i], errs[i] = s.Tick(ctx) })
	}
	wg.Wait()
	ids := map[string]bool{}
	for _, m := range o.server.Mails() {
		h, _ := parts(t, m.Data)
		ids[h.Get("Message-ID")] = true
	}
	if err := errors.Join(errs...); err != nil || sent[0]+sent[1] != 12 || len(o.server.Mails()) != 12 || len(ids) != 12 {
		t.Errorf("%v sent, %d taken, %d different, %v", sent, len(o.server.Mails()), len(ids), err)
	}
}

// A worker that ends in the middle leaves the mail to another; while its lease runs nobody else sends it.
func TestKilledInTheMiddle(t *testing.T) {
	o := newOffice(t, nil)
	o.server.Fault(func(n int) notifytest.Fault { return []notifytest.Fault{notifytest.Stall, notifytest.None}[min(n, 1)] })
	o.tell(t, notify.Note{Kind: notify.NewDevice})
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if sent, _ := o.Tick(short); sent != 0 {
		t.Fatal("sent")
	}
	if types := o.types(); len(types) != 0 {
		t.Errorf("who is stopped records nothing: %v", types)
	}
	o.tick(t, 0)
	o.clock.Advance(2 * time.Minute)
	o.tick(t, 1)
	if got := o.server.Mails(); len(got) != 1 {
		t.Errorf("%d mails", len(got))
	}
}

// Where the answer is lost it is sent again, under the same Message-ID: at least once, and found to be the same.
func TestLostAnswer(t *testing.T) {
	o := newOffice(t, nil)
	o.server.Fault(func(n int) notifytest.Fault { return []notifytest.Fault{notifytest.Lost, notifytest.None}[min(n, 1)] })
	o.tell(t, notify.Note{Kind: notify.NewDevice})
	o.tick(t, 0)
	o.clock.Advance(time.Minute)
	o.tick(t, 1)
	got := o.server.Mails()
	if len(got) != 2 {
		t.Fatalf("%d mails", len(got))
	}
	a, first := parts(t, got[0].Data)
	b, second := parts(t, got[1].Data)
	if a.Get("Message-ID") != b.Get("Message-ID") || first["text/plain; charset=utf-8"] != second["text/plain; charset=utf-8"] {
		t.Error("another mail, or another link")
	}
}

// Nothing that a person or a page says leaves its line of the header, and there is one recipient.
func TestHeaderInjection(t *testing.T) {
	for _, c := range []struct{ name, to, subject string }{
		{"a second recipient", "ann@example.com, eve@example.net", "x"},
		{"a line", "ann@example.com\r\nBcc: eve@example.net", "x"},
		{"a name", "Ann <ann@example.com>", "x"},
		{"a command", "ann@example.com>\r\nRCPT TO:<eve@example.net", "x"},
		{"no address", "ann", "x"},
		{"a subject with a line", "ann@example.com", "x\r\nBcc: eve@example.net"},
		{"a subject with a bare line feed", "ann@example.com", "x\n\nhello"},
		{"a subject with a separator", "ann@example.com", "x\u2028y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t, func(o *office) {
				o.opts.Render = func(notify.Message, string) (string, string, string, error) { return c.subject, "text", "html", nil }
			})
			if err := o.Tell(ctx, authn.User{ID: "u-x", Username: "x", Email: c.to}, notify.Note{Kind: notify.NewDevice}); err != nil {
				t.Fatal(err)
			}
			o.tick(t, 0)
			if got := o.server.Mails(); len(got) != 0 {
				t.Errorf("%+v", got)
			}
			if types := o.types(); !slices.Equal(types, []string{"mail.given_up compose"}) {
				t.Errorf("%v", types)
			}
		})
	}
	// What stands in a body stays there: lines of dots, parts of other mails.
	o := newOffice(t, func(o *office) {
		o.opts.Render = func(notify.Message, string) (string, string, string, error) {
			return "x", "a\r\n.\r\nMAIL FROM:<eve@example.net>\r\n..b\r\n", strings.Repeat("雲", 2000), nil
		}
	})
	o.tell(t, notify.Note{Kind: notify.NewDevice})
	o.tick(t, 1)
	got := o.server.Mails()
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	_, bodies := parts(t, got[0].Data)
	if bodies["text/plain; charset=utf-8"] != "a\r\n.\r\nMAIL FROM:<eve@example.net>\r\n..b\r\n" || bodies["text/html; charset=utf-8"] != strings.Repeat("雲", 2000) {
		t.Errorf("%q", bodies)
	}
	for line := range strings.Lines(got[0].Data) {
		if len(line) > 1000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

// Mail goes only over the protection that was asked for.
func TestSecurity(t *testing.T) {
	for _, c := range []struct {
		name   string
		server notifytest.Options
		sec    notify.Security
		roots  bool
		want   bool
	}{
		{"starttls", notifytest.Options{}, notify.STARTTLS, true, true},
		{"starttls that is not offered", notifytest.Options{NoSTARTTLS: true}, notify.STARTTLS, true, false},
		{"starttls with a stranger's certificate", notifytest.Options{}, notify.STARTTLS, false, false},
		{"tls", notifytest.Options{Implicit: true}, notify.TLS, true, true},
		{"tls with a stranger's certificate", notifytest.Options{Implicit: true}, notify.TLS, false, false},
		{"none, to this machine", notifytest.Options{NoSTARTTLS: true}, notify.Plain, false, true},
		{"something else", notifytest.Options{}, "opportunistic", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := notifytest.New(t, c.server)
			smtp := notify.SMTP{Host: s.Host, Port: s.Port, Security: c.sec, Username: "u", Password: "p", TLS: &tls.Config{}}
			if c.roots {
				smtp.TLS.RootCAs = s.Roots
			}
			short, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			err := smtp.Send(short, "a@example.org", "b@example.org", []byte("Subject: x\r\n\r\nx\r\n"))
			if (err == nil) != c.want || (len(s.Mails()) == 1) != c.want {
				t.Errorf("%v, %d mails", err, len(s.Mails()))
			}
			if err != nil && errors.As(err, new(notify.Refused)) {
				t.Errorf("our set-up is not the mail's fault: %v", err)
			}
		})
	}
	if err := (notify.SMTP{Host: "mail.example.org", Port: 25, Security: notify.Plain}).Check(); err == nil {
		t.Error("unprotected mail to elsewhere")
	}
}

// Run delivers what is told while it runs, at once, and ends with its context.
func TestRun(t *testing.T) {
	o := newOffice(t, nil)
	running, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- o.Run(running, func(err error) { t.Error(err) }) }()
	o.tell(t, notify.Note{Kind: notify.NewDevice})
	for range 200 {
		if len(o.server.Mails()) == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(o.server.Mails()) != 1 {
		t.Error("not delivered")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
