package main

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/keys/transit"
)

// validate adds a fault for everything that is wrong with c as a whole. It opens no connection.
func (c *sourced) validate(fs *faults) {
	for _, s := range c.settings {
		if what := outOfBounds(s); what != "" {
			fs.add(*s.origin, s.path, "%s", what)
		}
	}
	bad := func(path, format string, args ...any) { fs.add(c.where(path), path, format, args...) }
	c.checkIssuer(bad)
	c.checkListeners(bad)
	c.checkStores(bad)
	c.checkSecrets(bad)
	c.checkTokens(bad)
	c.checkFiles(bad)
	c.checkPeople(bad)
	c.checkRegistration(bad)
	for _, l := range []struct {
		path string
		list []string
	}{{"proxies.trusted", c.Proxies.Trusted}, {"egress.allow", c.Egress.Allow}} {
		for _, p := range l.list {
			if _, err := netip.ParsePrefix(p); err != nil {
				bad(l.path, "%q is no CIDR range such as 10.0.0.0/8", p)
			}
		}
	}
	if h := c.Proxies.JA4Header; strings.Trim(h, "-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
		bad("proxies.ja4_header", "%q is no name of a header such as X-JA4", h)
	} else if h != "" && len(c.Proxies.Trusted) == 0 {
		bad("proxies.ja4_header", "is believed from proxies.trusted only, and there is none")
	}
	if e := c.Telemetry.Endpoint; e != "" {
		if u, err := url.Parse(e); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			bad("telemetry.endpoint", "must be an http or https URL")
		}
	}
}

type badFunc func(path, format string, args ...any)

// outOfBounds checks a setting against its tags: enum, min and max. It returns what is wrong, or "".
func outOfBounds(s setting) string {
	if enum := s.tag.Get("enum"); enum != "" {
		allowed := strings.Split(enum, ",")
		values, _ := s.value.Interface().([]string)
		if s.value.Kind() == reflect.String {
			values = []string{s.value.String()}
		}
		for _, v := range values {
			if !slices.Contains(allowed, v) {
				return strconv.Quote(v) + " must be one of " + strings.Join(allowed, ", ")
			}
		}
	}
	if lo := s.tag.Get("min"); lo != "" && compare(s.value, lo) < 0 {
		return "must be at least " + lo
	}
	if hi := s.tag.Get("max"); hi != "" && compare(s.value, hi) > 0 {
		return "must be at most " + hi
	}
	return ""
}

// compare orders the value of a setting and a bound, which is written as the setting would be.
func compare(v reflect.Value, bound string) int {
	b := reflect.New(v.Type()).Elem()
	if parseScalar(b, bound) != nil {
		panic("bad bound in a tag of Config: " + bound)
	}
	if v.Kind() == reflect.Float64 {
		return int(v.Float()*1e6 - b.Float()*1e6)
	}
	return int(max(-1, min(1, v.Int()-b.Int())))
}

func (c *sourced) checkIssuer(bad badFunc) {
	if c.Issuer == "" {
		bad("issuer", "is missing: set the public URL of this server, for example https://id.example.com")
		return
	}
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		bad("issuer", "must be a URL such as https://id.example.com")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery || strings.HasSuffix(c.Issuer, "#"):
		bad("issuer", "must have no user, query or fragment")
	case strings.HasSuffix(u.Path, "/") || u.Path != path.Clean(u.Path) && u.Path != "":
		bad("issuer", "must have no trailing slash and no dots in its path")
	case u.Host != strings.ToLower(u.Host):
		bad("issuer", "must be in lower case, as clients compare it byte by byte")
	case u.Scheme == "http" && !loopbackHost(u.Hostname()):
		bad("issuer", "must be https: http is for localhost only")
	case u.Scheme == "https" && !loopbackHost(u.Hostname()) && c.Listen.TLS.CertFile == "" && len(c.Proxies.Trusted) == 0:
		bad("issuer", "needs TLS: set listen.tls.cert_file and key_file, or name the proxy that terminates it in proxies.trusted")
	}
}

func (c *sourced) checkListeners(bad badFunc) {
	for _, l := range [][2]string{{"listen.address", c.Listen.Address}, {"management.address", c.Management.Address}} {
		where, addr := l[0], l[1]
		if addr == "" && where == "management.address" {
			continue
		}
		if _, port, err := net.SplitHostPort(addr); err != nil {
			bad(where, "must be host:port")
		} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			bad(where, "has no port between 0 and 65535")
		}
	}
	if t := c.Listen.TLS; (t.CertFile == "") != (t.KeyFile == "") {
		bad("listen.tls", "needs both cert_file and key_file")
	}
	if u, err := url.Parse(c.Issuer); err == nil && u.Scheme == "http" && c.Listen.TLS.CertFile != "" {
		bad("issuer", "is http, but listen.tls serves https")
	}
}

func (c *sourced) checkStores(bad badFunc) {
	if c.Database.DSN == "" {
		bad("database.dsn", "is missing")
	}
	if c.Database.Driver == "sqlite" && strings.Contains(c.Database.DSN, "://") {
		bad("database.dsn", "is a URL, but database.driver is sqlite")
	}
	if r := c.Redis.URL; r != "" {
		if u, err := url.Parse(r); err != nil || u.Host == "" || u.Scheme != "redis" && u.Scheme != "rediss" {
			bad("redis.url", "must be redis://host:port/db or rediss://…")
		}
	}
}

func (c *sourced) checkSecrets(bad badFunc) {
	s := c.Secrets
	switch {
	case s.Master == "" && s.KMS.URL == "":
		bad("secrets", "no master key: make one with 'postern secrets generate > master.key' and set secrets.master_file")
	case s.Master != "" && s.KMS.URL != "":
		bad("secrets", "both a master key and a KMS are given; move one of them to secrets.previous or remove it")
	}
	if s.Master != "" {
		if _, err := keys.ParseMaster(s.Master); err != nil {
			bad("secrets.master", "%v: 'postern secrets generate' prints one", trimPackage(err))
		}
	}
	for i, p := range s.Previous {
		if _, err := keys.ParseMaster(p); err != nil {
			bad("secrets.previous", "key %d: %v", i+1, trimPackage(err))
		}
	}
	if s.KMS.URL != "" {
		if s.KMS.Key == "" {
			bad("secrets.kms.key", "is missing")
		}
		if (s.KMS.Token == "") == (s.KMS.TokenFile == "") {
			bad("secrets.kms", "needs a token: set token or token_file, not both")
		} else if _, err := transit.New(transitOptions(s.KMS)); err != nil {
			bad("secrets.kms", "%v", trimPackage(err))
		}
	}
}

func (c *sourced) checkTokens(bad badFunc) {
	t := c.Tokens
	if len(t.Algs) == 0 {
		bad("tokens.algs", "must name at least one algorithm")
	} else if !slices.Contains(t.Algs, t.Alg) {
		bad("tokens.alg", "%s is not among tokens.algs", t.Alg)
	}
	for i, l := range []LifeConfig{c.Sessions.AAL1, c.Sessions.AAL2, c.Sessions.PHR, c.Sessions.PHRH} {
		if name := []string{"aal1", "aal2", "phr", "phrh"}[i]; l.Idle > l.Absolute {
			bad("sessions."+name+".idle", "is longer than sessions.%s.absolute", name)
		}
	}
	if longest := max(t.Access, t.ID); c.Keys.Overlap < longest {
		bad("keys.overlap", "is shorter than the lifetime of what the keys sign (%s)", longest)
	}
	if c.Password.MinLength2 > c.Password.MinLength {
		bad("password.min_length_with_second", "is longer than password.min_length")
	}
	if c.Keys.Ahead >= c.Keys.Rotate {
		bad("keys.ahead", "must be shorter than keys.rotate")
	}
}

// checkPeople checks how people sign in and how they are told.
func (c *sourced) checkPeople(bad badFunc) {
	if !c.Password.Enabled && !c.Passkeys.Enabled {
		bad("passkeys.enabled", "nobody could sign in: passwords are switched off too")
	}
	p := c.Passkeys
	if (p.Attestation == "direct" || p.Attestation == "enterprise") && p.MetadataFile == "" {
		bad("passkeys.metadata_file", "is missing: attestation cannot be demanded without metadata")
	}
	if (p.MetadataFile == "") != (p.MetadataRoot == "") {
		bad("passkeys.metadata_root", "metadata_file and metadata_root go together")
	}
	m := c.Mail
	if m.Host == "" {
		return
	}
	if err := smtp(m).Check(); err != nil {
		bad("mail", "%v", trimPackage(err))
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		bad("mail.from", "must be an address such as Example ID <no-reply@example.com>")
	}
}

func (c *sourced) checkRegistration(bad badFunc) {
	for _, s := range c.Registration.Scopes {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) { // RFC 6749 §3.3
			bad("registration.scopes", "%q is no scope", s)
		}
	}
	if _, err := statementKeys(c.Registration.Statements); err != nil {
		bad("registration.software_statement_issuers", "%v", err)
	}
}

func (c *sourced) checkFiles(bad badFunc) {
	for _, f := range [][2]string{
		{"listen.tls.cert_file", c.Listen.TLS.CertFile}, {"listen.tls.key_file", c.Listen.TLS.KeyFile},
		{"password.blocklist_file", c.Password.BlocklistFile}, {"geo.file", c.Geo.File}, {"geo.asn_file", c.Geo.ASNFile},
		{"geo.hosting_file", c.Geo.HostingFile}, {"geo.anonymous_file", c.Geo.AnonymousFile}, {"geo.tor_file", c.Geo.TorFile}, {"geo.mobile_file", c.Geo.MobileFile}, {"risk.rules_file", c.Risk.RulesFile}, {"approvers.attestation_roots", c.Approvers.Roots},
		{"password.breach_file", c.Password.BreachFile}, {"passkeys.metadata_file", c.Passkeys.MetadataFile}, {"passkeys.metadata_root", c.Passkeys.MetadataRoot},
	} {
		where, file := f[0], f[1]
		if file == "" {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			bad(where, "%s: %v", file, plainIO(err))
			continue
		}
		f.Close()
	}
}

// loopbackHost reports whether host can only be this machine.
func loopbackHost(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
