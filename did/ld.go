package did

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/piprate/json-gold/ld"
)

// Limits of what is read as JSON-LD.
const (
	maxLDValues   = 4096 // objects, lists and scalars
	maxLDObjects  = 512  // each may bring a scoped context
	maxLDTypes    = 16   // of one object
	maxLDContexts = 40   // @context members of one document: one for each credential of a presentation, and for its proofs
	maxLDQuads    = 4096
)

// ldKeywords are those that documents may use, beside @context; what others do to a document, no reader of JSON would see.
var ldKeywords = []string{"@id", "@type", "@value", "@language"}

// ldDocument is a document read as JSON-LD, all of whose terms are defined.
type ldDocument struct {
	root  object // expanded
	quads []rdfQuad
}

// readLD reads o as JSON-LD 1.1 with pinned contexts and makes RDF of it. Whatever would not become a statement is an error:
// terms that no context defines, relative IRIs, null, keywords that structure. Members that are no terms (IRIs, written in
// full or with a prefix) are refused too, since a holder could rename "validUntil" so that the signature holds and no reader
// of JSON finds it. JSON-LD API §5.1 and §7.1.
func (e *exam) readLD(o object) (d ldDocument, err error) {
	defer func() { // the library was not written for strangers' input; a panic of it is a refusal
		if recover() != nil {
			d, err = ldDocument{}, errors.New("it cannot be read as JSON-LD")
		}
	}()
	l := &ldLint{known: e.knownContext}
	if err := l.object(o); err != nil {
		return d, err
	}
	w := &rdfWriter{seen: map[rdfQuad]bool{}, subjects: map[string]int{}}
	root, _, err := e.expand(w, o, rdfNode{})
	if err != nil {
		return d, err
	}
	if id := text(root["@id"]); id != "" && w.subjects[id] > 1 {
		return d, errors.New("two objects say something about the document itself")
	}
	return ldDocument{root, w.quads}, nil
}

// expand makes statements of o in a graph. Credentials within a presentation are read on their own, each in a graph of its
// own, which is what their container and the null context of VCDM 2.0 say; the library mistakes the two together.
func (e *exam) expand(w *rdfWriter, o object, graph rdfNode) (root object, self rdfNode, err error) {
	urls, ok := texts(o["@context"])
	if !ok || len(urls) == 0 {
		return nil, self, errors.New("it has no @context")
	}
	types, _ := texts(o["type"])
	active, err := e.j.contexts.get(urls, types)
	if err != nil {
		return nil, self, err
	}
	body := without(o, "@context")
	var within []any
	if slices.Contains(types, "VerifiablePresentation") {
		within = list(body["verifiableCredential"])
		delete(body, "verifiableCredential")
	}
	expanded, err := ld.NewJsonLdApi().Expand(active, "", body, ldOptions(), true, nil) // true: the contexts of its types stay
	if err != nil {
		var known *ld.JsonLdError
		if errors.As(err, &known) && known.Code == ld.InvalidProperty {
			return nil, self, errors.New("a term that no context defines")
		}
		return nil, self, fmt.Errorf("JSON-LD: %s", reason(err))
	}
	if root, ok = expanded.(object); !ok {
		return nil, self, errors.New("it says nothing as JSON-LD")
	}
	if self, err = w.node(root, graph); err != nil {
		return nil, self, err
	}
	for _, v := range within {
		inner, ok := v.(object)
		if !ok {
			return nil, self, errors.New("a credential within is no object")
		}
		name := w.blank()
		if _, _, err := e.expand(w, inner, name); err != nil {
			return nil, self, fmt.Errorf("a credential within: %w", err)
		}
		if err := w.add(rdfQuad{self, name, graph, "<" + vocabulary + "verifiableCredential>"}); err != nil {
			return nil, self, err
		}
	}
	return root, self, nil
}

// ldLint checks the JSON before anything is expanded.
type ldLint struct {
	known                     func(url string) error
	values, objects, contexts int
}

func (l *ldLint) object(o object) error {
	l.objects++
	if types := list(o["type"]); l.objects > maxLDObjects || len(types) > maxLDTypes || len(list(o["@type"])) > maxLDTypes {
		return errors.New("too many objects or types")
	}
	for name, v := range o {
		switch {
		case name == "@context":
			l.contexts++
			urls, ok := texts(v)
			if !ok || l.contexts > maxLDContexts || len(urls) > maxLDTypes {
				return errors.New("an @context that stands inline defines terms that nobody knows")
			}
			for _, url := range urls {
				if err := l.known(url); err != nil {
					return err
				}
			}
			continue
		case strings.HasPrefix(name, "@"):
			if !slices.Contains(ldKeywords, name) {
				return fmt.Errorf("the keyword %q is not read here", name)
			}
		case name == "" || strings.Contains(name, ":"):
			return fmt.Errorf("the member %q is no term", name)
		}
		if err := l.value(v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (l *ldLint) value(v any) error {
	if l.values++; l.values > maxLDValues {
		return errors.New("too many values")
	}
	switch v := v.(type) {
	case nil:
		return errors.New("null says nothing that could be signed")
	case object:
		return l.object(v)
	case []any:
		for _, item := range v {
			if err := l.value(item); err != nil {
				return err
			}
		}
	}
	return nil
}
