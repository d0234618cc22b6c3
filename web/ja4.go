package web

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// JA4 returns the fingerprint of the TLS client that says h over TCP, 36 bytes or fewer such as
// t13d1516h2_8daaf6152771_e5627efa2ab1. It names a kind of software, not a person, and whoever wants to can
// imitate another's: it shows that what a client says of itself does not fit, and never that it does.
// FoxIO JA4: TLS Client Fingerprinting.
func JA4(h *tls.ClientHelloInfo) string {
	ciphers, extensions, schemes := greaseless(h.CipherSuites), greaseless(h.Extensions), greaseless(h.SignatureSchemes)
	sni := "i"
	if slices.Contains(extensions, 0) {
		sni = "d"
	}
	a := "t" + ja4Version(greaseless(h.SupportedVersions)) + sni + ja4Count(ciphers) + ja4Count(extensions) + ja4ALPN(h.SupportedProtos)
	slices.Sort(ciphers)
	slices.Sort(extensions)
	hashed := slices.DeleteFunc(extensions, func(e uint16) bool { return e == 0 || e == 16 }) // SNI and ALPN stand in the first part
	c := hexes(hashed)
	if c != "" && len(schemes) > 0 {
		c += "_" + hexes(schemes) // in the order in which they came
	}
	return a + "_" + ja4Hash(hexes(ciphers)) + "_" + ja4Hash(c)
}

// greaseless is a copy of list without GREASE. RFC 8701 §2.
func greaseless[T ~uint16](list []T) []uint16 {
	out := make([]uint16, 0, len(list))
	for _, v := range list {
		if v&0x0f0f != 0x0a0a || v>>8 != v&0xff {
			out = append(out, uint16(v))
		}
	}
	return out
}

func ja4Version(offered []uint16) string {
	if len(offered) == 0 {
		return "00"
	}
	switch slices.Max(offered) {
	case tls.VersionTLS13:
		return "13"
	case tls.VersionTLS12:
		return "12"
	case tls.VersionTLS11:
		return "11"
	case tls.VersionTLS10:
		return "10"
	case 0x0300:
		return "s3"
	}
	return "00"
}

func ja4Count(list []uint16) string { return fmt.Sprintf("%02d", min(len(list), 99)) }

// ja4ALPN is the first and the last character of the first protocol, or of its hex where one of those bytes is neither
// letter nor digit.
func ja4ALPN(protos []string) string {
	if len(protos) == 0 || protos[0] == "" {
		return "00"
	}
	p := protos[0]
	if !alphanumeric(p[0]) || !alphanumeric(p[len(p)-1]) {
		p = hex.EncodeToString([]byte(p))
	}
	return string([]byte{p[0], p[len(p)-1]})
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// hexes is list in lower case hex, four digits each, with commas between.
func hexes(list []uint16) string {
	if len(list) == 0 {
		return ""
	}
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 5*len(list))
	for _, v := range list {
		b = append(b, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15], ',')
	}
	return string(b[:len(b)-1])
}

func ja4Hash(list string) string {
	if list == "" {
		return "000000000000"
	}
	sum := sha256.Sum256([]byte(list))
	return hex.EncodeToString(sum[:6])
}

// readJA4 returns what a trusted proxy says the fingerprint is; "" for what has not the form of one.
func readJA4(s string) string {
	a, rest, _ := strings.Cut(s, "_")
	b, c, _ := strings.Cut(rest, "_")
	if len(s) != 36 || len(a) != 10 || len(b) != 12 || len(c) != 12 || !strings.ContainsRune("tqd", rune(a[0])) || !strings.ContainsRune("di", rune(a[3])) {
		return ""
	}
	for i := range len(s) {
		if i != 10 && i != 23 && !alphanumeric(s[i]) || i > 10 && 'A' <= s[i] && s[i] <= 'Z' {
			return ""
		}
	}
	return s
}

// greeted is a connection that keeps the fingerprint of the client's hello.
type greeted struct {
	net.Conn
	ja4 atomic.Pointer[string]
}

type greetings struct{ net.Listener }

func (l greetings) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &greeted{Conn: c}, nil
}

type connKey struct{}

// ServeTLS serves srv on l with conf, which has its certificate, and gives every request the JA4 of its connection. It is
// worked out once a connection, in the handshake.
func ServeTLS(srv *http.Server, l net.Listener, conf *tls.Config) error {
	conf = conf.Clone()
	conf.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if c, ok := h.Conn.(*greeted); ok {
			print := JA4(h)
			c.ja4.Store(&print)
		}
		return nil, nil // goes on with conf
	}
	srv.TLSConfig = conf
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if t, ok := c.(*tls.Conn); ok {
			return context.WithValue(ctx, connKey{}, t.NetConn())
		}
		return ctx
	}
	return srv.ServeTLS(greetings{l}, "", "")
}

// ja4 is the fingerprint of who ended the connection of r with TLS: the client itself, or what a trusted proxy says it was.
func (s *Server) ja4(r *http.Request, trusted bool) string {
	if trusted {
		if v := r.Header.Values(s.opt.JA4Header); s.opt.JA4Header != "" && len(v) == 1 { // two are one too many: which is the proxy's?
			return readJA4(v[0])
		}
		return "" // the connection is the proxy's own
	}
	if c, ok := r.Context().Value(connKey{}).(*greeted); ok {
		if print := c.ja4.Load(); print != nil {
			return *print
		}
	}
	return ""
}

const maxHints = 256

// hints are the low-entropy client hints of r as sent, joined by "; ". User-Agent Client Hints §3.
func hints(r *http.Request) string {
	var b strings.Builder
	for _, name := range []string{"Sec-Ch-Ua", "Sec-Ch-Ua-Platform", "Sec-Ch-Ua-Mobile"} {
		v := r.Header.Get(name)
		if len(v) > 128 {
			v = v[:128]
		}
		if v == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		for i := range len(v) {
			if c := v[i]; ' ' <= c && c <= '~' {
				b.WriteByte(c)
			}
		}
	}
	out := b.String()
	return out[:min(len(out), maxHints)]
}
