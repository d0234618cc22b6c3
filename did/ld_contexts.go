package did

import (
	files "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	aries "github.com/hyperledger/aries-framework-go/component/models/ld/context/embed"
	"github.com/piprate/json-gold/ld"
)

//go:embed contexts/*.jsonld
var contextFiles files.FS

// ownContexts are those that no module brings.
var ownContexts = map[string]string{
	contextV2: "credentials-v2",
	"https://w3id.org/security/data-integrity/v1":          "data-integrity-v1",
	"https://w3id.org/security/data-integrity/v2":          "data-integrity-v2",
	"https://w3id.org/security/multikey/v1":                "multikey-v1",
	"https://www.w3.org/ns/credentials/status/v1":          "status-v1",
	"https://www.w3.org/2018/credentials/examples/v1":      "examples-v1",
	"https://www.w3.org/ns/credentials/examples/v2":        "examples-v2",
	"https://www.w3.org/ns/credentials/undefined-terms/v2": "undefined-terms-v2",
}

// ariesContexts are those of aries-framework-go that are used here; it embeds others, which no credential of ours needs.
var ariesContexts = []string{contextV1, "https://www.w3.org/ns/did/v1", "https://w3id.org/security/v1", "https://w3id.org/security/v2",
	"https://w3id.org/security/suites/ed25519-2018/v1", "https://w3id.org/security/suites/ed25519-2020/v1",
	"https://w3id.org/vc/status-list/2021/v1", "https://www.w3.org/ns/odrl.jsonld"}

// pinnedContexts are all that a document may name, as they were when this was built: never the network.
var pinnedContexts = sync.OnceValue(func() map[string]any {
	all := map[string]any{}
	keep := func(url string, text []byte, err error) {
		var doc any
		if err == nil {
			err = json.Unmarshal(text, &doc)
		}
		if err != nil { // what is built in cannot be wrong at run time only
			panic(fmt.Sprintf("did: context %s: %v", url, err))
		}
		all[url] = doc
	}
	for url, name := range ownContexts {
		text, err := contextFiles.ReadFile("contexts/" + name + ".jsonld")
		keep(url, text, err)
	}
	for _, d := range aries.Contexts {
		for _, url := range ariesContexts {
			if d.URL == url {
				keep(url, d.Content, nil)
			}
		}
	}
	return all
})

// pinned is the document loader of JSON-LD that knows the pinned set and nothing else.
type pinned struct{}

func (pinned) LoadDocument(url string) (*ld.RemoteDocument, error) {
	doc, ok := pinnedContexts()[url]
	if !ok {
		return nil, fmt.Errorf("@context %q is not pinned", url)
	}
	return &ld.RemoteDocument{DocumentURL: url, Document: doc}, nil
}

// maxActive is how many combinations of contexts and types are kept ready.
const maxActive = 64

// activeContexts keeps combinations of contexts that were read: reading one costs more than a signature.
type activeContexts struct {
	mu    sync.Mutex
	known map[string]*ld.Context
}

// get returns the active context of a list of pinned URLs for a document of these types: with the contexts of the types in
// it, which the library would read again for each document. Nobody may change it. JSON-LD API §5.1.2 (11).
func (a *activeContexts) get(urls, types []string) (*ld.Context, error) {
	base, err := a.keep(fmt.Sprintf("%q", urls), func() (*ld.Context, error) {
		items := make([]any, len(urls))
		for i, url := range urls {
			items[i] = url
		}
		return ld.NewContext(nil, ldOptions()).Parse(items)
	})
	if err != nil {
		return nil, err
	}
	var scoped []string // only those: others are a stranger's words, which nobody should keep
	for _, t := range types {
		if td := base.GetTermDefinition(t); td != nil && td.HasContext {
			scoped = append(scoped, t)
		}
	}
	if len(scoped) == 0 {
		return base, nil
	}
	slices.Sort(scoped)
	scoped = slices.Compact(scoped)
	return a.keep(fmt.Sprintf("%q %q", urls, scoped), func() (*ld.Context, error) { return withTypes(base, scoped) })
}

// keep returns what is known under key, or what read finds.
func (a *activeContexts) keep(key string, read func() (*ld.Context, error)) (*ld.Context, error) {
	a.mu.Lock()
	c, ok := a.known[key]
	a.mu.Unlock()
	if ok {
		return c, nil
	}
	c, err := read()
	if err != nil {
		return nil, errors.New("its contexts contradict each other")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= maxActive {
		a.known = map[string]*ld.Context{}
	}
	a.known[key] = c
	return c, nil
}

// withTypes applies the contexts of types, which hold for the one object that has them, and marks them as applied.
func withTypes(base *ld.Context, types []string) (*ld.Context, error) {
	c := base
	for _, t := range types {
		local, ok := base.GetTermDefinition(t).Context.(map[string]any)
		if _, says := local["@propagate"]; !ok || says {
			return nil, errors.New("a type whose context is not of the usual form")
		}
		local = maps.Clone(local)
		local["@propagate"] = false
		var err error
		if c, err = c.Parse(local); err != nil {
			return nil, err
		}
	}
	for _, t := range types { // c is new, and its own map, once a context was applied
		if td := c.TermDefinitions[t]; td != nil {
			done := *td
			done.Context, done.HasContext = nil, false
			c.TermDefinitions[t] = &done
		}
	}
	return c, nil
}

func ldOptions() *ld.JsonLdOptions {
	o := ld.NewJsonLdOptions("")
	o.DocumentLoader, o.SafeMode = pinned{}, true
	return o
}
