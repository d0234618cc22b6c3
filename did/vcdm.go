package did

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The contexts that come first, VCDM 2.0 §4.3 and VCDM 1.1 §4.1.
const (
	contextV2 = "https://www.w3.org/ns/credentials/v2"
	contextV1 = "https://www.w3.org/2018/credentials/v1"
)

// knownContexts are those of the W3C that add nothing a verifier must know. Others a policy names.
var knownContexts = []string{contextV2, contextV1, "https://www.w3.org/ns/credentials/status/v1", "https://w3id.org/vc/status-list/2021/v1",
	"https://www.w3.org/ns/did/v1", "https://w3id.org/security/data-integrity/v1", "https://w3id.org/security/data-integrity/v2", "https://w3id.org/security/multikey/v1",
	"https://w3id.org/security/suites/ed25519-2018/v1", "https://w3id.org/security/suites/ed25519-2020/v1"}

// contexts checks that nothing of the credential means what a stranger's context says: every @context is a URL that is known.
func (e *exam) contexts(o object) error {
	for _, v := range list(o["@context"]) {
		url, ok := v.(string)
		if !ok {
			return errors.New("an @context that stands inline defines terms that nobody knows")
		}
		if err := e.knownContext(url); err != nil {
			return err
		}
	}
	return nil
}

func (e *exam) knownContext(url string) error {
	if !slices.Contains(knownContexts, url) && !slices.Contains(e.p.Contexts, url) {
		return fmt.Errorf("@context %q is unknown here", url)
	}
	return nil
}

// model checks a credential or presentation against the data model: what of it both versions have, or only 2.0.
// VCDM 2.0 §4, VCDM 1.1 §4.
type model struct {
	v2       bool
	problems []error
}

func (m *model) fail(format string, args ...any) {
	m.problems = append(m.problems, fmt.Errorf(format, args...))
}

func (m *model) err() error {
	if len(m.problems) == 0 {
		return nil
	}
	return m.problems[0]
}

// credentialModel checks a credential.
func credentialModel(o object, v2 bool) error {
	m := &model{v2: v2}
	m.head(o, "VerifiableCredential")
	if m.issuer(o["issuer"]) == "" {
		m.fail("it has no issuer")
	}
	m.subjects(o["credentialSubject"])
	m.times(o)
	m.typed(o, "credentialStatus", false)
	m.typed(o, "credentialSchema", true)
	m.typed(o, "refreshService", false)
	m.typed(o, "termsOfUse", false)
	m.typed(o, "evidence", false)
	m.resources(o["relatedResource"])
	if v2 {
		m.words(o, "name")
		m.words(o, "description")
		if issuer, ok := o["issuer"].(object); ok {
			m.words(issuer, "name")
			m.words(issuer, "description")
		}
	}
	return m.err()
}

// presentationModel checks a presentation, not the credentials within.
func presentationModel(o object, v2 bool) error {
	m := &model{v2: v2}
	m.head(o, "VerifiablePresentation")
	if v, found := o["holder"]; found {
		m.issuer(v)
	}
	return m.err()
}

// head checks what credentials and presentations begin with.
func (m *model) head(o object, typ string) {
	first := contextV1
	if m.v2 {
		first = contextV2
	}
	ctx := list(o["@context"])
	if len(ctx) == 0 || ctx[0] != any(first) {
		m.fail("the first @context is not %s", first)
	}
	for _, c := range ctx {
		_, inline := c.(object)
		if s, ok := c.(string); !inline && (!ok || !isURL(s)) {
			m.fail("@context holds what is no URL")
		}
	}
	if v, found := o["id"]; found && !isURL(text(v)) {
		m.fail("id is no URL")
	}
	types, ok := texts(o["type"])
	if !ok || !slices.Contains(types, typ) {
		m.fail("type has no %s", typ)
	}
	m.typed(o, "proof", false)
}

// issuer is the identifier of an issuer or holder: a URL, or an object with one as its id.
func (m *model) issuer(v any) string {
	id := entity(v)
	if !isURL(id) {
		m.fail("issuer or holder is no URL")
		return ""
	}
	return id
}

// entity is the identifier of v: v itself, or its id.
func entity(v any) string {
	if o, ok := v.(object); ok {
		return text(o["id"])
	}
	return text(v)
}

func (m *model) subjects(v any) {
	items := list(v)
	if len(items) == 0 {
		m.fail("it has no credentialSubject")
	}
	for _, item := range items {
		s, ok := item.(object)
		if !ok || len(s) == 0 {
			m.fail("a credentialSubject is an object that says something")
		}
		if id, found := s["id"]; found && !isURL(text(id)) {
			m.fail("the id of a credentialSubject is no URL")
		}
	}
}

// times checks the dates, which dateSpan reads.
func (m *model) times(o object) {
	from, until, err := dateSpan(o, m.v2)
	switch {
	case err != nil:
		m.fail("%w", err)
	case !from.IsZero() && !until.IsZero() && until.Before(from):
		m.fail("it ends before it begins")
	}
}

// dateSpan reads validFrom and validUntil, or issuanceDate and expirationDate of version 1.1.
func dateSpan(o object, v2 bool) (from, until time.Time, err error) {
	names := [2]string{"issuanceDate", "expirationDate"}
	if v2 {
		names = [2]string{"validFrom", "validUntil"}
	}
	for i, to := range []*time.Time{&from, &until} {
		v, found := o[names[i]]
		if !found {
			continue
		}
		if *to, err = time.Parse(time.RFC3339, strings.ToUpper(text(v))); err != nil {
			return from, until, fmt.Errorf("%s is no date with a time zone", names[i])
		}
	}
	return from, until, nil
}

// typed checks a member whose objects each have a type; a schema also an id.
func (m *model) typed(o object, name string, needsID bool) {
	v, found := o[name]
	if found && len(list(v)) == 0 {
		m.fail("%s is empty", name)
	}
	for _, item := range list(v) {
		x, ok := item.(object)
		types, okTypes := texts(x["type"])
		id, hasID := x["id"]
		switch {
		case !ok:
			m.fail("%s is no object", name)
		case !okTypes || len(types) == 0 || types[0] == "":
			m.fail("%s has no type", name)
		case needsID && !hasID, hasID && !isURL(text(id)):
			m.fail("the id of %s is no URL", name)
		}
	}
}

func (m *model) resources(v any) {
	seen := map[string]bool{}
	for _, item := range list(v) {
		r, ok := item.(object)
		id := text(r["id"])
		digests, ok1 := texts(r["digestSRI"])
		multi, ok2 := texts(r["digestMultibase"])
		if !ok || !isURL(id) || seen[id] || !ok1 || !ok2 || len(digests)+len(multi) == 0 {
			m.fail("relatedResource has one id each, and a digest")
		}
		seen[id] = true
	}
}

// words checks a text that may have a language, VCDM 2.0 §11.1.
func (m *model) words(o object, name string) {
	for _, item := range list(o[name]) {
		w, ok := item.(object)
		if _, plain := item.(string); !plain && !ok {
			m.fail("%s is no text", name)
		}
		_, valued := w["@value"].(string)
		if ok && !valued {
			m.fail("%s has no @value", name)
		}
		for member := range w {
			if member != "@value" && member != "@language" && member != "@direction" {
				m.fail("%s has more than @value, @language and @direction", name)
			}
		}
	}
}

// subjectOf is the one identifier of whom a credential is about; "" where there is none, or more than one.
func subjectOf(o object) string {
	items := list(o["credentialSubject"])
	if len(items) != 1 {
		return ""
	}
	return entity(items[0])
}
