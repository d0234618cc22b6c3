// Package notifytest is a small SMTP server for tests: it speaks RFC 5321 over a real connection, keeps what it takes,
// and can refuse, stall or hang up where it is told to. The product never imports it.
package notifytest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Mail is what a client gave.
type Mail struct {
	From, To string // envelope
	Auth     string // user and password, as "user:password"
	TLS      bool
	Data     string // with dots unstuffed
}

// Fault is what the server does instead of taking a mail.
type Fault int

// Faults.
const (
	None        Fault = iota
	Busy              // 451 to RCPT
	UnknownUser       // 550 to RCPT
	Refuse            // 554 after the data
	HangUp            // the connection ends in the middle of the data
	Stall             // it never answers the data
	Lost              // it takes the mail, and the answer is lost
	BadAuth           // 535 to AUTH
)

// Options of a Server.
type Options struct {
	Implicit   bool // TLS from the first byte
	NoSTARTTLS bool
}

// Server takes mails.
type Server struct {
	Host  string
	Port  int
	Roots *x509.CertPool // of its certificate

	opts  Options
	conf  *tls.Config
	ln    net.Listener
	mu    sync.Mutex
	mails []Mail
	fault func(n int) Fault
	n     int
	conns map[net.Conn]bool
}

// New starts a Server on loopback; it stops with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("notifytest: %v", err)
	}
	cert, roots := certificate(t)
	s := &Server{
		Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, Roots: roots, opts: o, ln: ln,
		conf: &tls.Config{Certificates: []tls.Certificate{cert}}, conns: map[net.Conn]bool{},
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.track(c, true)
			done.Go(func() {
				defer s.track(c, false)
				s.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		done.Wait()
	})
	return s
}

func (s *Server) track(c net.Conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[c] = open; !open {
		delete(s.conns, c)
		c.Close()
	}
}

// Fault says what is to be done with the n-th attempt (from 0) to give a mail.
func (s *Server) Fault(of func(n int) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.n = of, 0
}

// Mails returns what was taken.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

func (s *Server) next() Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.n
	s.n++
	if s.fault == nil {
		return None
	}
	return s.fault(n)
}

// talk is one connection.
type talk struct {
	s     *Server
	c     net.Conn
	r     *bufio.Reader
	fault Fault
	mail  Mail
}

func (s *Server) serve(c net.Conn) {
	k := &talk{s: s, c: c, fault: s.next()}
	if s.opts.Implicit {
		k.c, k.mail.TLS = tls.Server(c, s.conf), true
	}
	k.r = bufio.NewReader(k.c)
	k.say("220 mail.example.org ESMTP")
	for {
		line, err := k.r.ReadString('\n')
		if err != nil || !k.command(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

func (k *talk) say(lines ...string) { fmt.Fprint(k.c, strings.Join(lines, "\r\n")+"\r\n") }

// command answers one line and says whether the connection goes on.
func (k *talk) command(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO", "HELO":
		if !k.mail.TLS && !k.s.opts.NoSTARTTLS {
			k.say("250-mail.example.org", "250-8BITMIME", "250-STARTTLS", "250 AUTH PLAIN")
		} else {
			k.say("250-mail.example.org", "250-8BITMIME", "250 AUTH PLAIN")
		}
	case "STARTTLS":
		if k.s.opts.NoSTARTTLS {
			k.say("502 no")
			return true
		}
		k.say("220 go on")
		k.c, k.mail.TLS = tls.Server(k.c, k.s.conf), true
		k.r = bufio.NewReader(k.c)
	case "AUTH":
		k.auth(rest)
	case "MAIL":
		k.mail.From = between(rest)
		k.say("250 ok")
	case "RCPT":
		k.mail.To = between(rest)
		switch k.fault {
		case Busy:
			k.say("451 try " + k.mail.To + " later")
		case UnknownUser:
			k.say("550 no " + k.mail.To + " here")
		default:
			k.say("250 ok")
		}
	case "DATA":
		return k.data()
	case "QUIT":
		k.say("221 bye")
		return false
	default:
		k.say("500 what?")
	}
	return true
}

func (k *talk) auth(rest string) {
	_, blob, _ := strings.Cut(rest, " ")
	raw, _ := base64.StdEncoding.DecodeString(blob)
	parts := strings.Split(string(raw), "\x00")
	if k.fault == BadAuth || len(parts) != 3 {
		k.say("535 no")
		return
	}
	k.mail.Auth = parts[1] + ":" + parts[2]
	k.say("235 ok")
}

func (k *talk) data() bool {
	k.say("354 go on")
	var b strings.Builder
	for {
		line, err := k.r.ReadString('\n')
		if err != nil || k.fault == HangUp {
			return false
		}
		if line == ".\r\n" {
			break
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	switch k.fault {
	case Refuse:
		k.say("554 no")
		return true
	case Stall:
		_, _ = k.r.ReadString('\n')
		return false
	}
	k.mail.Data = b.String()
	k.s.mu.Lock()
	k.s.mails = append(k.s.mails, k.mail)
	k.s.mu.Unlock()
	if k.fault == Lost {
		return false
	}
	k.say("250 taken")
	return true
}

func between(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("notifytest: %v", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatalf("notifytest: %v", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("notifytest: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
