package notify

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// errHeader says that something would break out of its line of the header.
var errHeader = errors.New("notify: not fit for the header of a mail")

// printable says whether s can stand in one line of a header.
func printable(s string) bool {
	return len(s) <= 998 && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp)
	})
}

// address returns to as an addr-spec, or an error: exactly one address, without a name. RFC 5322 §3.4.1.
func address(to string) (string, error) {
	a, err := mail.ParseAddress(to)
	if err != nil || a.Name != "" || a.Address != to || !printable(to) || strings.ContainsAny(to, " <>\"") {
		return "", errHeader
	}
	return to, nil
}

// compose returns the mail as it goes over the wire: two alternative bodies, all of it in lines of ASCII.
// RFC 5322, RFC 2046 §5.1.4, RFC 3834 §5.
func (s *Service) compose(m Message, subject, text, html string) ([]byte, error) {
	to, err := address(m.To)
	if err != nil || !printable(subject) {
		return nil, errHeader
	}
	_, host, _ := strings.Cut(s.from.Address, "@")
	var out bytes.Buffer
	parts := multipart.NewWriter(&out)
	for _, h := range [][2]string{
		{"From", s.from.String()},
		{"To", "<" + to + ">"},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", m.CreatedAt.UTC().Format(time.RFC1123Z)},
		{"Message-ID", "<" + m.ID + "@" + host + ">"}, // the same with each attempt
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "multipart/alternative; boundary=" + parts.Boundary()},
	} {
		fmt.Fprintf(&out, "%s: %s\r\n", h[0], h[1])
	}
	out.WriteString("\r\n")
	for _, p := range [][2]string{{"text/plain", text}, {"text/html", html}} {
		w, err := parts.CreatePart(textproto.MIMEHeader{
			"Content-Type": {p[0] + "; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"},
		})
		if err != nil {
			return nil, fmt.Errorf("notify: compose: %w", err)
		}
		q := quotedprintable.NewWriter(w)
		if _, err := q.Write([]byte(p[1])); err != nil {
			return nil, fmt.Errorf("notify: compose: %w", err)
		}
		if err := q.Close(); err != nil {
			return nil, fmt.Errorf("notify: compose: %w", err)
		}
	}
	if err := parts.Close(); err != nil {
		return nil, fmt.Errorf("notify: compose: %w", err)
	}
	return out.Bytes(), nil
}
