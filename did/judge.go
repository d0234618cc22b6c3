package did

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/span"
)

// maxInput is how much of a stranger's credential is looked at, in bytes.
const maxInput = 512 << 10

// Verifier verifies one format. Only this package makes one: whoever verifies also makes evidence.
type Verifier interface {
	// Format is its name as OpenID4VP §B gives it.
	Format() string
	// Recognises says whether input claims to be of this format, by its form and its `typ` alone.
	Recognises(input []byte) bool
	verify(ctx context.Context, e *exam, input string)
}

// Options make a Judge.
type Options struct {
	Resolver *Resolver
	Fetch    Fetch // what the policies' Visit goes through; nil: nothing is ever visited
	Now      func() time.Time
}

// Judge verifies credentials and presentations of every format. It is safe for concurrent use.
type Judge struct {
	resolver  *Resolver
	visit     Fetch
	now       func() time.Time
	lists     *listCache
	contexts  activeContexts
	verifiers []Verifier
}

// New returns a Judge.
func New(o Options) *Judge {
	return &Judge{resolver: o.Resolver, visit: o.Fetch, now: o.Now, lists: newListCache(),
		verifiers: []Verifier{sdJWTVC{}, vcSDJWT{}, vcJWT{}, jwtVC{}, plainSDJWT{}, dataIntegrity{}, mdoc{}}}
}

// Verify recognises what input is and looks at everything that policy asks for. It never fails: what cannot be verified is a
// report that does not hold. Input of more than 512 KiB is refused unread.
func (j *Judge) Verify(ctx context.Context, input []byte, policy Policy) Report {
	ctx, end := span.Start(ctx, "did.Verify")
	e := &exam{j: j, p: policy, now: j.now(), fetch: j.visit}
	e.at = policy.At
	if e.at.IsZero() {
		e.at = e.now
	}
	if len(input) > maxInput {
		e.check("format", fmt.Errorf("more than %d bytes", maxInput))
		end(e.r.Failed())
		return e.r
	}
	if !isMap(input) { // of CBOR, each byte counts
		input = bytes.TrimSpace(input)
	}
	i := slices.IndexFunc(j.verifiers, func(v Verifier) bool { return v.Recognises(input) })
	if i < 0 {
		e.r.Format = sniff(input)
		e.check("format", fmt.Errorf("%s is not verified here", e.r.Format))
		end(e.r.Failed())
		return e.r
	}
	e.r.Format = j.verifiers[i].Format()
	j.verifiers[i].verify(ctx, e, string(input))
	end(e.r.Failed())
	return e.r
}

// sniff names what we do not verify.
func sniff(input []byte) string {
	o, err := parseObject(input)
	switch {
	case len(input) == 0:
		return "an empty input"
	case err == nil && o["proof"] != nil:
		return "a credential under Data Integrity (JSON-LD with proof)"
	case err == nil && (o["signatures"] != nil || o["signature"] != nil):
		return "a JWS in JSON serialization"
	case err == nil && o["@context"] != nil:
		return "a credential that nobody signed"
	case err == nil:
		return "JSON of an unknown kind"
	case input[0]&0xe0 == 0xa0 || input[0]&0xe0 == 0x80 || input[0] == 0xd2:
		return "CBOR that is no mdoc"
	}
	if t, err := parseJWS(firstPart(input)); err == nil {
		return fmt.Sprintf("a JWS of typ %q", t.typ)
	}
	return "an unknown format"
}

// firstPart is the issuer's JWS of an SD-JWT, or the whole.
func firstPart(input []byte) string {
	first, _, _ := strings.Cut(string(input), "~")
	return first
}

// exam is one verification under way.
type exam struct {
	j        *Judge
	p        Policy
	now, at  time.Time
	fetch    Fetch
	r        Report
	prefix   string // of the names of checks
	depth    int    // of lists that have lists
	stranger bool   // the issuer is not trusted: nothing more is visited
}

// check notes whether something held, and returns that. Every check is noted once, in the order in which it was made.
func (e *exam) check(name string, err error, why ...string) bool {
	c := Check{Name: e.prefix + name, Held: err == nil, Why: strings.Join(why, " ")}
	if err != nil {
		c.Why = reason(err)
	}
	e.r.Checks = append(e.r.Checks, c)
	return c.Held
}

// reason is what an error says, at most 300 bytes of it: strangers wrote parts of it.
func reason(err error) string {
	s := strings.ToValidUTF8(strings.TrimPrefix(err.Error(), "did: "), "?")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// get visits a URL, if the policy allows its host.
func (e *exam) get(ctx context.Context, url, accept string) ([]byte, http.Header, error) {
	host := hostOf(url)
	if host == "" {
		return nil, nil, fmt.Errorf("%q is no https URL", url)
	}
	if !e.p.visits(host) || e.fetch == nil {
		return nil, nil, fmt.Errorf("%w: %s", ErrOffline, host)
	}
	return e.fetch(ctx, url, accept)
}

// fetchFor is what may be visited to learn the key of id: nothing, unless the policy trusts id. Otherwise every stranger
// could send us where they like.
func (e *exam) fetchFor(id string) Fetch {
	if !e.p.Trust.trusts(id) {
		return nil
	}
	return e.get
}

// dates checks that the moment asked about lies within both, and that what was issued was issued by now.
func (e *exam) dates(from, until, issued time.Time) error {
	l := e.p.leeway()
	switch {
	case !from.IsZero() && e.at.Add(l).Before(from):
		return fmt.Errorf("not valid before %s", stamp(from))
	case !until.IsZero() && !e.at.Add(-l).Before(until):
		return fmt.Errorf("expired at %s", stamp(until))
	case !from.IsZero() && !until.IsZero() && until.Before(from):
		return errors.New("it ends before it begins")
	case !issued.IsZero() && e.at.Add(l).Before(issued):
		return fmt.Errorf("issued at %s, which is yet to come", stamp(issued))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// validity describes dates that held.
func validity(from, until time.Time) string {
	switch {
	case from.IsZero() && until.IsZero():
		return "it names no dates"
	case until.IsZero():
		return "valid from " + stamp(from)
	case from.IsZero():
		return "valid until " + stamp(until)
	}
	return "valid from " + stamp(from) + " until " + stamp(until)
}

// acceptable checks the types that the policy asks for.
func (e *exam) acceptable(types []string) error {
	if len(e.p.Types) == 0 || slices.ContainsFunc(types, func(t string) bool { return slices.Contains(e.p.Types, t) }) {
		return nil
	}
	return fmt.Errorf("%q is none of those asked for", types)
}

// challenge checks that a presentation is for us, and for this request. RFC 9901 §7.3; OpenID4VP §14.1.
func (e *exam) challenge(aud []string, nonce string) bool {
	var errAud, errNonce error
	switch {
	case e.p.Audience == "":
		errAud = errors.New("the policy names no audience")
	case len(aud) != 1 || aud[0] != e.p.Audience:
		errAud = errors.New("it is for somebody else")
	}
	switch {
	case e.p.Nonce == "":
		errNonce = errors.New("the policy names no nonce")
	case !equal(nonce, e.p.Nonce):
		errNonce = errors.New("it answers another request")
	}
	a := e.check("audience", errAud, "it is for", e.p.Audience)
	return e.check("nonce", errNonce, "it answers this request") && a
}
