package oauth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
)

func TestDocumentIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"https://app.example/client": true, "https://app.example/a/b.json": true, "https://app.example:8443/c": true, "https://app.example/a%20b": true,
		"http://app.example/client": false, "https://app.example": false, "https://app.example/": false, "https://app.example/c#f": false, "https://app.example/c#": false,
		"https://app.example/c?x=1": false, "https://app.example/c?": false, "https://u@app.example/c": false, "https://u:p@app.example/c": false,
		"https://app.example/../c": false, "https://app.example/./c": false, "https://app.example/%2e%2e/c": false, "https://app.example/a/..": false,
		"https:///c": false, "https:c": false, "app1": false, "": false, "HTTPS://app.example/c": false, "https://App.example/c": false, `https://app.example\c`: false,
		"https://app.example/" + strings.Repeat("c", 300): false, " https://app.example/c": false, "https://app.example/ c": false,
	} {
		if got := isDocument(ident.ClientID(id)); got != want {
			t.Errorf("%q: %v", id, got)
		}
	}
}

func TestCacheLife(t *testing.T) {
	for header, want := range map[string]time.Duration{"": documentMin, "max-age=1": documentMin, "max-age=3600": time.Hour, "public, Max-Age=3600": time.Hour,
		"max-age=99999999": documentMax, "max-age=3600, no-store": documentMin, "no-cache": documentMin, "max-age=-5": documentMin, "max-age=x": documentMin, `max-age="7200"`: 2 * time.Hour} {
		if got := cacheLife(http.Header{"Cache-Control": {header}}); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

func TestDocumentContents(t *testing.T) {
	const id = "https://app.example/client"
	o := &Outsiders{Profile: "oidc", Scopes: OpenIDScopes, SigningAlgs: []string{"ES256"}}
	for name, c := range map[string]struct {
		doc string
		ok  bool
	}{
		"good":               {`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"],"client_name":"App"}`, true},
		"keys":               {`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://app.example/jwks"}`, true},
		"policy is ignored":  {`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"],"skip_consent":true,"profile":"fapi2"}`, true},
		"another client_id":  {`{"client_id":"https://app.example/client2","redirect_uris":["https://app.example/cb"]}`, false},
		"its client_id, but": {`{"client_id":"https://app.example/Client","redirect_uris":["https://app.example/cb"]}`, false},
		"no client_id":       {`{"redirect_uris":["https://app.example/cb"]}`, false},
		"no redirect_uris":   {`{"client_id":"https://app.example/client"}`, false},
		"javascript":         {`{"client_id":"https://app.example/client","redirect_uris":["javascript:alert(1)"]}`, false},
		"a secret":           {`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"],"client_secret":"x"}`, false},
		"its end":            {`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"],"client_secret_expires_at":0}`, false},
		"basic":              {`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_basic"}`, false},
		"jwt by secret":      {`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"client_secret_jwt"}`, false},
		"sector":             {`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"],"sector_identifier_uri":"https://app.example/s"}`, false},
		"an array":           {`[]`, false},
		"nothing":            {``, false},
	} {
		got, err := o.document(id, []byte(c.doc))
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (got.Origin != ByDocument || got.Host() != "app.example" || got.SkipConsent || got.Profile != "oidc") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add("https://app.example/client", []byte(`{"client_id":"https://app.example/client","redirect_uris":["https://app.example/cb"]}`))
	f.Fuzz(func(t *testing.T, id string, doc []byte) {
		if !isDocument(ident.ClientID(id)) {
			return
		}
		o := &Outsiders{Profile: "oidc", Scopes: OpenIDScopes, SigningAlgs: []string{"ES256"}}
		if c, err := o.document(ident.ClientID(id), doc); err == nil && (string(c.ID) != id || c.SecretHash != "" || c.SkipConsent || len(c.RedirectURIs) == 0) {
			t.Errorf("%+v", c)
		}
	})
}

// TestDocumentsAreBounded: strangers' names do not fill the memory.
func TestDocumentsAreBounded(t *testing.T) {
	d := NewDocuments(DocumentsOptions{Now: time.Now})
	for i := range maxDocuments + 500 {
		e := d.entry(ident.ClientID(fmt.Sprint(i)))
		if i%2 == 0 {
			e.client, e.asked = &Client{}, time.Unix(int64(i), 0)
		}
	}
	if n := len(d.byID); n > maxDocuments {
		t.Errorf("%d are remembered", n)
	}
	if d.byID["1498"] == nil {
		t.Error("the newest was forgotten")
	}
}
