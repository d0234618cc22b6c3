// Package egress is the only door through which Postern visits what somebody else named: it fetches keys of clients,
// documents of issuers and lists, and tells clients what happened. It refuses addresses that are not public, follows no redirect, and bounds time and size. It never
// interprets what it brings.
package egress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ErrRefused says that the address or the URL is not one we may visit.
var ErrRefused = errors.New("egress: refused")

// Options of a Client. The zero value is safe.
type Options struct {
	Allow   []netip.Prefix // addresses that are allowed although they are not public, and for which plain http is
	Timeout time.Duration  // of a whole fetch; default 5 s
	MaxBody int64          // bytes; default 1 MiB
}

// Client fetches under guard. It is safe for concurrent use.
type Client struct {
	opt  Options
	http *http.Client
}

// New returns a Client.
func New(opt Options) *Client {
	if opt.Timeout == 0 {
		opt.Timeout = 5 * time.Second
	}
	if opt.MaxBody == 0 {
		opt.MaxBody = 1 << 20
	}
	c := &Client{opt: opt}
	dialer := &net.Dialer{Timeout: opt.Timeout, ControlContext: c.control}
	c.http = &http.Client{
		Timeout: opt.Timeout,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			Proxy:                  nil, // a proxy would resolve names behind our back
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        30 * time.Second,
			TLSHandshakeTimeout:    opt.Timeout,
			ResponseHeaderTimeout:  opt.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// control sees the address that is really dialled, after name resolution, so that a name cannot be rebound between a
// check and its use.
func (c *Client) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrRefused, address)
	}
	if a := ap.Addr().Unmap(); !Public(a) && !c.allowed(a) {
		return fmt.Errorf("%w: %s is not a public address", ErrRefused, a)
	}
	return nil
}

func (c *Client) allowed(a netip.Addr) bool {
	for _, p := range c.opt.Allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Get fetches an https URL and returns its body; any status but 200, a redirect, a body over the limit or an address
// that is not public is an error.
func (c *Client) Get(ctx context.Context, raw, accept string) ([]byte, http.Header, error) {
	res, err := c.do(ctx, http.MethodGet, raw, http.Header{"Accept": {accept}}, nil)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("egress: %s answered %d", res.Request.URL.Host, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, c.opt.MaxBody+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(body)) > c.opt.MaxBody {
		return nil, nil, fmt.Errorf("egress: %s sent more than %d bytes", res.Request.URL.Host, c.opt.MaxBody)
	}
	return body, res.Header, nil
}

// maxReply is how much of the answer to what we send anybody wants to know, in bytes.
const maxReply = 4 << 10

// Post sends a form to an https URL and returns the status of the answer, whatever it is (a redirect is not followed), and
// the first 4 KiB of its body. ErrRefused where the address is not one we may visit, and nothing was sent.
func (c *Client) Post(ctx context.Context, raw string, form url.Values) (status int, body []byte, err error) {
	return c.Send(ctx, raw, http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()))
}

// Send is Post of any body under any headers.
func (c *Client) Send(ctx context.Context, raw string, header http.Header, body []byte) (status int, reply []byte, err error) {
	res, err := c.do(ctx, http.MethodPost, raw, header, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	reply, err = io.ReadAll(io.LimitReader(res.Body, maxReply))
	return res.StatusCode, reply, err
}

// do sends a request under guard. The caller closes the body of the answer.
func (c *Client) do(ctx context.Context, method, raw string, h http.Header, content io.Reader) (*http.Response, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%w: not a plain URL", ErrRefused)
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && len(c.opt.Allow) > 0 && c.literalAllowed(u.Hostname())) {
		return nil, fmt.Errorf("%w: only https is visited", ErrRefused)
	}
	req, err := http.NewRequestWithContext(ctx, method, raw, content)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, h)
	req.Header.Set("User-Agent", "postern")
	return c.http.Do(req)
}

func (c *Client) literalAllowed(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return c.allowed(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	a, err := netip.ParseAddr(host)
	return err == nil && c.allowed(a.Unmap())
}

// special are the networks which the standard library does not name, and which no public service lives in:
// IANA IPv4 and IPv6 Special-Purpose Address Registries.
var special = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
	"2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10")

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// Public says whether an address belongs to the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}
