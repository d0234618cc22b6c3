package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/store"
)

// The bounds on documents. OAuth Client ID Metadata Document §4.3, §4.4, §8.6.
const (
	DocumentSize = 5 << 10 // bytes of one; for the egress.Client of DocumentsOptions

	documentMin   = 5 * time.Minute // how long one is used at least, whatever its host says
	documentMax   = 24 * time.Hour  // … and at most, even where its host does not answer
	documentPause = time.Minute     // before one that could not be had is asked for again
	maxDocuments  = 1000            // remembered at once
	maxFetches    = 8               // under way at once
	documentLimit = 30              // fetches in documentPause that one network may cause
)

// DocumentsOptions are all needed.
type DocumentsOptions struct {
	Fetch    *egress.Client // with MaxBody DocumentSize
	Counters store.Counters
	Allow    Outsiders
	Now      func() time.Time
}

// Documents are clients whose client_id is the URL of a document in which they describe themselves: nobody registered
// them. They are fetched when they are first named, and kept in memory only. It is safe for concurrent use.
// OAuth Client ID Metadata Document.
type Documents struct {
	opt   DocumentsOptions
	slots chan struct{}
	mu    sync.Mutex
	byID  map[ident.ClientID]*described
}

type described struct {
	mu      sync.Mutex // one fetch at a time for one document
	client  *Client    // guarded by Documents.mu, as the rest: nil while there is none
	err     error
	fetched time.Time // when client was
	asked   time.Time // when it was last tried
	until   time.Time // when to ask again
}

// NewDocuments returns an empty cache.
func NewDocuments(opt DocumentsOptions) *Documents {
	return &Documents{opt: opt, slots: make(chan struct{}, maxFetches), byID: map[ident.ClientID]*described{}}
}

// isDocument says whether a client_id is the URL of a document: https, with a path, without a fragment, user
// information, dot segments or a query. OAuth Client ID Metadata Document §3.
func isDocument(id ident.ClientID) bool {
	raw := string(id)
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxClientID || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(raw, "#?\\") || u.String() != raw {
		return false
	}
	if u.Path == "" || u.Path == "/" || u.Host != strings.ToLower(u.Host) {
		return false
	}
	for segment := range strings.SplitSeq(u.Path, "/") { // decoded: %2e counts too
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// known returns the client without asking anybody.
func (d *Documents) known(id ident.ClientID) (*Client, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.byID[id]
	if e == nil || e.client == nil || d.opt.Now().Sub(e.fetched) >= documentMax {
		return nil, false
	}
	return e.client, true
}

// origin says whether a page of that origin is one of a known client.
func (d *Documents) origin(origin string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.byID {
		if e.client != nil && slices.ContainsFunc(e.client.RedirectURIs, func(raw string) bool {
			u, err := url.Parse(raw)
			return err == nil && u.Host != "" && u.Scheme+"://"+u.Host == origin
		}) {
			return true
		}
	}
	return false
}

// Find returns the client that the document at id describes, or store.ErrNotFound with the cause. A document that was
// read before stays in use for a day while its host does not answer.
func (d *Documents) Find(ctx context.Context, id ident.ClientID) (*Client, error) {
	e := d.entry(id)
	if c, err, ok := d.settled(e); ok {
		return c, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, err, ok := d.settled(e); ok { // somebody fetched it while we waited
		return c, err
	}
	if err := d.admit(ctx); err != nil {
		if c, ok := d.known(id); ok {
			return c, nil
		}
		return nil, fmt.Errorf("%w: %w", errNoClient, err)
	}
	defer func() { <-d.slots }()
	c, life, err := d.fetch(ctx, id)
	if ctx.Err() != nil { // the caller went away: that says nothing about the document
		return nil, fmt.Errorf("%w: %w", errNoClient, ctx.Err())
	}
	now := d.opt.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	e.asked, e.err = now, err
	if err == nil {
		e.client, e.fetched, e.until = c, now, now.Add(life)
		return c, nil
	}
	e.until = now.Add(documentPause)
	if e.client != nil && now.Sub(e.fetched) < documentMax {
		return e.client, nil
	}
	e.client = nil
	return nil, fmt.Errorf("%w: %w", errNoClient, err)
}

// settled returns what is known of an entry that need not be asked for again.
func (d *Documents) settled(e *described) (*Client, error, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.opt.Now()
	switch {
	case !now.Before(e.until):
		return nil, nil, false
	case e.client != nil && now.Sub(e.fetched) < documentMax:
		return e.client, nil, true
	}
	return nil, fmt.Errorf("%w: %w", errNoClient, e.err), true
}

func (d *Documents) entry(id ident.ClientID) *described {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.byID[id]; e != nil {
		return e
	}
	if len(d.byID) >= maxDocuments {
		d.forget()
	}
	e := &described{}
	d.byID[id] = e
	return e
}

// forget drops what failed and, if that is nothing, the document that was asked for the longest ago. d.mu is held.
func (d *Documents) forget() {
	var oldest ident.ClientID
	for id, e := range d.byID {
		if e.client == nil {
			delete(d.byID, id)
		} else if oldest == "" || e.asked.Before(d.byID[oldest].asked) {
			oldest = id
		}
	}
	if len(d.byID) >= maxDocuments {
		delete(d.byID, oldest)
	}
}

var errManyDocuments = errors.New("oauth: too many documents are asked for")

// admit takes a slot for one fetch. What a stranger can make us send is bounded, for each network and in all.
func (d *Documents) admit(ctx context.Context) error {
	if ip := EnvOf(ctx).IP; ip.IsValid() {
		n, err := d.opt.Counters.Add(ctx, "client-document:"+ident.Network(ip), 1, documentPause)
		if err != nil {
			return err
		}
		if n > documentLimit {
			return errManyDocuments
		}
	}
	select {
	case d.slots <- struct{}{}:
		return nil
	default:
		return errManyDocuments
	}
}

func (d *Documents) fetch(ctx context.Context, id ident.ClientID) (*Client, time.Duration, error) {
	body, header, err := d.opt.Fetch.Get(ctx, string(id), "application/json")
	if err != nil {
		return nil, 0, err
	}
	c, err := d.opt.Allow.document(id, body)
	return c, cacheLife(header), err
}

// document reads the metadata that the client at id publishes of itself. OAuth Client ID Metadata Document §4.1.
func (o *Outsiders) document(id ident.ClientID, body []byte) (*Client, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, InvalidMetadata("The document is not a JSON object.").Because(err)
	}
	var self string
	if json.Unmarshal(m["client_id"], &self) != nil || self != string(id) {
		return nil, InvalidMetadata("The client_id in the document is not its URL.")
	}
	for _, secret := range []string{"client_secret", "client_secret_expires_at"} {
		if _, ok := m[secret]; ok {
			return nil, InvalidMetadata("The document has %s: nothing in it is secret.", secret)
		}
	}
	c, err := o.Read(m)
	if err != nil {
		return nil, err
	}
	switch c.AuthMethod {
	case "":
		c.AuthMethod = "none"
	case "none", "private_key_jwt":
	default:
		return nil, InvalidMetadata("A client that describes itself can have no secret to authenticate with.")
	}
	if len(c.RedirectURIs) == 0 {
		return nil, InvalidRedirectURI("The document has no redirect_uris.")
	}
	if c.SectorURI != "" { // its check would be another fetch, and pairwise subjects have the host of the redirection URIs
		return nil, InvalidMetadata("A client that describes itself has no sector_identifier_uri.")
	}
	c.ID, c.Origin = id, ByDocument
	return o.Check(c)
}

// cacheLife is how long a document may be used, as its host says, within our bounds. RFC 9111 §5.2.2.
func cacheLife(h http.Header) time.Duration {
	life := documentMin
	for part := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "no-store", "no-cache", "private":
			return documentMin
		case "max-age":
			if n, err := strconv.ParseInt(strings.Trim(v, `"`), 10, 32); err == nil {
				life = time.Duration(n) * time.Second
			}
		}
	}
	return min(max(life, documentMin), documentMax)
}
