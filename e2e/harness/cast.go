package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed cast.yaml
var castText string

// Cast is who plays in the journeys: people, clients and resources, as cast.yaml declares them.
type Cast struct {
	Seed   string // for Options.Seed
	people map[string]Person
	rps    map[string]RP
}

// Person is somebody with an account.
type Person struct {
	Username, Email, Password string
	Name                      string
	TOTP                      *TOTP // nil where they have none
}

// NewCast returns the cast. Clients' keys are made once for this process; each cast has authenticator apps of its own.
func NewCast() *Cast {
	es, rs := castKeys()
	text := strings.NewReplacer("$ES256_JWKS", PublicJWKS(es, "es-1", "ES256"), "$RS256_JWKS", PublicJWKS(rs, "rs-1", "RS256")).Replace(castText)
	var doc struct {
		Users []struct {
			Username, Email, Password, Name string
			TOTP                            string `yaml:"totp_secret"`
		}
		Clients []struct {
			ID        string   `yaml:"client_id"`
			Secret    string   `yaml:"client_secret"`
			Auth      string   `yaml:"token_endpoint_auth_method"`
			Redirects []string `yaml:"redirect_uris"`
		}
	}
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		panic("harness: cast.yaml: " + err.Error())
	}
	c := &Cast{Seed: text, people: map[string]Person{}, rps: map[string]RP{}}
	for _, u := range doc.Users {
		p := Person{Username: u.Username, Email: u.Email, Password: u.Password, Name: u.Name}
		if u.TOTP != "" {
			p.TOTP = NewTOTP(u.TOTP)
		}
		c.people[u.Username] = p
	}
	for _, d := range doc.Clients {
		rp := RP{ID: d.ID, Secret: d.Secret, Auth: d.Auth}
		if len(d.Redirects) > 0 {
			rp.Redirect = d.Redirects[0]
		}
		switch d.ID {
		case "key-es":
			rp.Key, rp.KeyID, rp.Alg = es, "es-1", "ES256"
		case "key-rs":
			rp.Key, rp.KeyID, rp.Alg = rs, "rs-1", "RS256"
		}
		c.rps[d.ID] = rp
	}
	return c
}

// Person returns a person of the cast by username.
func (c *Cast) Person(username string) Person {
	p, ok := c.people[username]
	if !ok {
		panic(fmt.Sprintf("harness: nobody in the cast is called %q", username))
	}
	return p
}

// Has says whether a client with this id is in the cast.
func (c *Cast) Has(client string) bool { _, ok := c.rps[client]; return ok }

// Add takes a client into the cast that registered itself.
func (c *Cast) Add(name string, rp RP) { c.rps[name] = rp }

// RP returns a client of the cast at server s, by client_id.
func (c *Cast) RP(s *Server, client string) *RP {
	rp, ok := c.rps[client]
	if !ok {
		panic(fmt.Sprintf("harness: no client in the cast is called %q", client))
	}
	return s.RP(rp)
}

var castKeys = sync.OnceValues(func() (*ecdsa.PrivateKey, *rsa.PrivateKey) {
	es, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return es, rs
})
