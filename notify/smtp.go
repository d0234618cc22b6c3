package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strconv"
)

// Transport sends one mail.
type Transport interface {
	// Send returns nil once the other side has taken msg over, Refused where trying again is of no use, and any other
	// error where it is. It ends with ctx.
	Send(ctx context.Context, from, to string, msg []byte) error
}

// Refused says that a mail will never be taken: RFC 5321 §4.2.1 (5yz).
type Refused struct{ Err error }

func (r Refused) Error() string { return "notify: refused: " + r.Err.Error() }
func (r Refused) Unwrap() error { return r.Err }

// Security is how the way to the mail server is protected.
type Security string

// Securities. Opportunistic STARTTLS is not among them: who stands between could take it away.
const (
	STARTTLS Security = "starttls" // RFC 3207, and refuse a server that does not offer it
	TLS      Security = "tls"      // from the first byte: RFC 8314 §3
	Plain    Security = "none"     // for a server on this machine
)

// SMTP is a Transport. RFC 5321.
type SMTP struct {
	Host     string
	Port     int
	Security Security
	Username string // "" for no authentication; only over TLS, or to this machine
	Password string
	Hello    string      // name of this machine: localhost
	TLS      *tls.Config // nil: the roots of the system
}

// Check returns an error for what cannot work.
func (s SMTP) Check() error {
	switch {
	case s.Host == "" || s.Port < 1 || s.Port > 65535:
		return errors.New("notify: a mail server has a host and a port")
	case s.Security != STARTTLS && s.Security != TLS && s.Security != Plain:
		return fmt.Errorf("notify: unknown security %q: want starttls, tls or none", s.Security)
	case s.Security == Plain && !loopback(s.Host):
		return errors.New("notify: mail goes unprotected only to this machine")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send implements Transport.
func (s SMTP) Send(ctx context.Context, from, to string, msg []byte) error {
	if err := s.Check(); err != nil {
		return err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)))
	if err != nil {
		return fmt.Errorf("notify: smtp: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c, err := s.greet(conn)
	if err != nil {
		return fmt.Errorf("notify: smtp: %w", err)
	}
	if err := transaction(c, from, to, msg); err != nil {
		if te, ok := errors.AsType[*textproto.Error](err); ok && te.Code >= 500 {
			// Without the words of the server, which repeat the address.
			return Refused{fmt.Errorf("notify: smtp: code %d", te.Code)}
		}
		if te, ok := errors.AsType[*textproto.Error](err); ok {
			return fmt.Errorf("notify: smtp: code %d", te.Code)
		}
		return fmt.Errorf("notify: smtp: %w", err)
	}
	_ = c.Quit() // it is theirs already
	return nil
}

// greet brings the connection to where mail can be sent. What it refuses is our set-up, never this one mail.
func (s SMTP) greet(conn net.Conn) (*smtp.Client, error) {
	conf := &tls.Config{}
	if s.TLS != nil {
		conf = s.TLS.Clone()
	}
	conf.ServerName, conf.MinVersion = s.Host, tls.VersionTLS12
	if s.Security == TLS {
		conn = tls.Client(conn, conf)
	}
	c, err := smtp.NewClient(conn, s.Host)
	if err != nil {
		return nil, err
	}
	if s.Hello != "" {
		if err := c.Hello(s.Hello); err != nil {
			return nil, err
		}
	}
	if s.Security == STARTTLS {
		if err := c.StartTLS(conf); err != nil {
			return nil, err
		}
	}
	if s.Username != "" {
		if err := c.Auth(smtp.PlainAuth("", s.Username, s.Password, s.Host)); err != nil { // RFC 4616
			return nil, err
		}
	}
	return c, nil
}

func transaction(c *smtp.Client, from, to string, msg []byte) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(msg); err != nil {
		return err
	}
	return w.Close()
}
