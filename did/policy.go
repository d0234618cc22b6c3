package did

import (
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Rule says whether something must hold. The zero value is the strict one.
type Rule int

// The rules.
const (
	Required Rule = iota // must hold
	Ignored              // is not asked for
)

// HolderRule says when the holder must prove that a credential is theirs. The zero value: whoever presents must prove it; what
// is no presentation is verified as what it is, a credential, and makes no Presentation.
type HolderRule int

// The rules about holders.
const (
	PresentationsBound HolderRule = iota
	OnlyPresentations             // a credential alone is refused
	HolderIgnored                 // not even a presentation must be bound: it then makes no Presentation
)

// Policy says what must hold. The zero Policy trusts nobody and visits nothing: it refuses everything.
type Policy struct {
	Trust    Trust
	At       time.Time     // the moment for which dates are judged; zero: now. Status lists are always judged now
	Leeway   time.Duration // of all dates; 0: one minute
	MaxAge   time.Duration // of the holder's proof; 0: five minutes
	Status   Rule          // what a credential says about its status must be looked up, and be good
	Holder   HolderRule
	Audience string           // who the presentation must be for; presentations are refused where it is empty
	Nonce    string           // as Audience
	Types    []string         // acceptable `type`, `vct` or `docType`; empty: any
	Typ      []string         // `typ` of acceptable plain SD-JWTs, RFC 9901 §9.11; empty: none
	Contexts []string         // @context values that are known beside those of the W3C
	Keys     map[string][]Key // keys known ahead, by the identifier of their issuer or holder: nothing is visited for them
	Visit    []string         // hosts that may be visited for documents, keys and status lists; "*": every public one

	Transcript Transcript       // what the device of an mdoc signed; its presentations are refused where it is zero
	ReaderKey  *ecdh.PrivateKey // of this session, for a device that made a MAC and no signature; nil: MACs are refused
}

// Trust says whose credentials are believed. The zero value: nobody's.
type Trust struct {
	Any     bool                // anybody's, authentic or not: to look at a credential, never to act on it
	Issuers []string            // identifiers: DIDs or URLs, byte by byte
	Roots   []*x509.Certificate // where the chains of `x5c` must end
}

// Limits of a policy.
const (
	maxPolicy    = 1 << 20
	maxKnownKeys = 16 // for one issuer
)

func (p Policy) leeway() time.Duration { return orDefault(p.Leeway, time.Minute) }
func (p Policy) maxAge() time.Duration { return orDefault(p.MaxAge, 5*time.Minute) }

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// visits says whether the policy lets host be visited.
func (p Policy) visits(host string) bool {
	return slices.ContainsFunc(p.Visit, func(v string) bool { return v == "*" || strings.EqualFold(v, host) })
}

// trusts says whether the issuer named id is on the list.
func (t Trust) trusts(id string) bool { return t.Any || id != "" && slices.Contains(t.Issuers, id) }

// trustID is a fingerprint of all that decides whether an issuer is believed, so that what was verified under one policy is
// never taken from a cache for another.
func (p Policy) trustID() string {
	h := sha256.New()
	fmt.Fprintf(h, "%v %q", p.Trust.Any, p.Trust.Issuers)
	for _, c := range p.Trust.Roots {
		sum := sha256.Sum256(c.Raw)
		h.Write(sum[:])
	}
	for _, id := range slices.Sorted(maps.Keys(p.Keys)) {
		fmt.Fprintf(h, "%q", id)
		for _, k := range p.Keys[id] {
			fmt.Fprintf(h, "%s", k.Thumbprint())
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// policyMembers are what a policy file may say.
var policyMembers = map[string]func(*Policy, any) error{
	"trust": func(p *Policy, v any) error { return p.Trust.read(v) },
	"at": func(p *Policy, v any) (err error) {
		p.At, err = time.Parse(time.RFC3339, text(v))
		return err
	},
	"leeway":  func(p *Policy, v any) error { return readDuration(&p.Leeway, v) },
	"max_age": func(p *Policy, v any) error { return readDuration(&p.MaxAge, v) },
	"status":  func(p *Policy, v any) error { return readWord(&p.Status, v, "required", "ignored") },
	"holder":  func(p *Policy, v any) error { return readWord(&p.Holder, v, "presentations", "required", "ignored") },
	"audience": func(p *Policy, v any) error {
		p.Audience = text(v)
		return need(p.Audience != "")
	},
	"nonce": func(p *Policy, v any) error {
		p.Nonce = text(v)
		return need(p.Nonce != "")
	},
	"types":    func(p *Policy, v any) error { return readTexts(&p.Types, v) },
	"typ":      func(p *Policy, v any) error { return readTexts(&p.Typ, v) },
	"contexts": func(p *Policy, v any) error { return readTexts(&p.Contexts, v) },
	"visit":    func(p *Policy, v any) error { return readTexts(&p.Visit, v) },
	"keys":     readKeys,
	"transcript": func(p *Policy, v any) error {
		raw, err := b64.DecodeString(text(v))
		if err == nil {
			p.Transcript, err = ParseTranscript(raw)
		}
		return err
	},
	"reader_key": readReaderKey,
}

// ParsePolicy reads a policy from JSON of at most 1 MiB; members that it does not know are refused, since each would be a rule
// that nobody keeps.
//
//	{"trust": {"issuers": ["did:web:issuer.example"], "roots": ["-----BEGIN CERTIFICATE-----…"]}, "visit": ["issuer.example"],
//	 "types": ["urn:eudi:pid:1"], "audience": "https://verifier.example", "nonce": "…", "status": "required"}
func ParsePolicy(text []byte) (p Policy, err error) {
	if len(text) > maxPolicy {
		return p, fmt.Errorf("did: a policy of more than %d bytes", maxPolicy)
	}
	o, err := parseObject(text)
	if err != nil {
		return p, fmt.Errorf("did: policy: %w", err)
	}
	for name, v := range o {
		read, ok := policyMembers[name]
		if !ok {
			return Policy{}, fmt.Errorf("did: policy: %q is nothing that a policy says; it says %s", name,
				strings.Join(slices.Sorted(maps.Keys(policyMembers)), ", "))
		}
		if err := read(&p, v); err != nil {
			return Policy{}, fmt.Errorf("did: policy: %s: %w", name, err)
		}
	}
	return p, nil
}

func (t *Trust) read(v any) error {
	if text(v) == "any" {
		t.Any = true
		return nil
	}
	o, ok := v.(object)
	if !ok {
		return errors.New(`"any", or an object with issuers and roots`)
	}
	for name, v := range o {
		items, ok := texts(v)
		switch {
		case !ok || name != "issuers" && name != "roots":
			return fmt.Errorf("%q: issuers and roots are lists of strings", name)
		case name == "issuers":
			t.Issuers = items
		default:
			for _, item := range items {
				certs, err := readPEM(item)
				if err != nil {
					return err
				}
				t.Roots = append(t.Roots, certs...)
			}
		}
	}
	return nil
}

func readPEM(s string) (out []*x509.Certificate, err error) {
	for rest := []byte(s); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("roots: %w", err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("roots: no certificate in PEM")
	}
	return out, nil
}

func readKeys(p *Policy, v any) error {
	o, ok := v.(object)
	if !ok {
		return errors.New("an object: identifier → list of JWKs")
	}
	p.Keys = map[string][]Key{}
	for id, v := range o {
		for _, item := range list(v) {
			jwk, _ := item.(object)
			k, err := jwkOf(jwk)
			if err != nil {
				return err
			}
			p.Keys[id] = append(p.Keys[id], k)
		}
		if len(p.Keys[id]) > maxKnownKeys {
			return fmt.Errorf("more than %d for one identifier", maxKnownKeys)
		}
	}
	return nil
}

// readReaderKey reads a private JWK of a curve of the standard library, RFC 7518 §6.2.2.1.
func readReaderKey(p *Policy, v any) (err error) {
	o, _ := v.(object)
	curve, known := map[string]ecdh.Curve{"P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521(), "X25519": ecdh.X25519()}[text(o["crv"])]
	d, err := b64.DecodeString(text(o["d"]))
	if !known || err != nil {
		return errors.New("a private JWK with crv and d")
	}
	p.ReaderKey, err = curve.NewPrivateKey(d)
	return err
}

func readDuration(to *time.Duration, v any) (err error) {
	if *to, err = time.ParseDuration(text(v)); err != nil || *to <= 0 {
		return errors.New("a duration such as 90s")
	}
	return nil
}

func readWord[T ~int](to *T, v any, words ...string) error {
	i := slices.Index(words, text(v))
	*to = T(i)
	if i < 0 {
		return errors.New(strings.Join(words, " or "))
	}
	return nil
}

func readTexts(to *[]string, v any) error {
	items, ok := texts(v)
	*to = items
	return need(ok && len(items) > 0)
}

func need(ok bool) error {
	if !ok {
		return errors.New("unfit value")
	}
	return nil
}

// hostOf is the host name of a URL, "" if it is none that may be visited.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return ""
	}
	return u.Hostname()
}
