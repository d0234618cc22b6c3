// Package issue is the only minter: access tokens (RFC 9068 JWT or opaque), refresh tokens, ID tokens and codes leave the
// server through here, and access and refresh tokens that come back are read here. It never decides whether a token is due.
package issue

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/keys"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/span"
)

// Options of an Issuer.
type Options struct {
	Issuer   string
	Ring     *keys.Ring
	Derive   func(name string) [][]byte // keys.Sealer.Derive
	Anchor   func(name string) []byte   // keys.Sealer.Anchor
	Registry *oauth.Registry
	Keys     *oauth.ClientKeys // of clients that want what they get encrypted
	Users    authn.Store
	Now      func() time.Time
	Rand     io.Reader     // default crypto/rand
	Access   time.Duration // life of an access token; default 5 min
	IDToken  time.Duration // default 5 min
}

// Issuer mints and reads tokens. It is safe for concurrent use.
type Issuer struct {
	opt  Options
	seal *sealer
	id   string // jti of the one access token that it mints; "": each has its own
}

// New returns an Issuer.
func New(opt Options) *Issuer {
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	if opt.Access == 0 {
		opt.Access = 5 * time.Minute
	}
	if opt.IDToken == 0 {
		opt.IDToken = 5 * time.Minute
	}
	return &Issuer{opt: opt, seal: &sealer{derive: opt.Derive, rand: opt.Rand}}
}

// Once returns an issuer for the tokens of one grant that are sent rather than fetched, and may have to be sent again: minted at
// the instant at, with a jti that follows from secret. Whoever mints by the same, on whatever node, mints the same tokens but
// for their signatures and encryption.
func (i *Issuer) Once(grant ident.GrantID, secret string, at time.Time) *Issuer {
	sum := mac(i.opt.Anchor("pushed-tokens"), "jti", string(grant), []byte(secret))
	once := *i
	once.id = base64.RawURLEncoding.EncodeToString(sum[:16])
	once.opt.Now = func() time.Time { return at }
	return &once
}

// Access is what an access token says, in either format. RFC 9068 §2.2.
type Access struct {
	Issuer   string          `json:"iss"`
	Subject  string          `json:"sub"` // the person, as the client knows them, or the client where no person is involved
	Audience Audience        `json:"aud"`
	Client   ident.ClientID  `json:"client_id"`
	Scope    string          `json:"scope,omitempty"`
	IssuedAt int64           `json:"iat"` // seconds since 1970
	Expires  int64           `json:"exp"`
	ID       string          `json:"jti"`
	Session  ident.SessionID `json:"sid,omitempty"`
	Grant    ident.GrantID   `json:"gid,omitempty"` // "" for client credentials
	ACR      string          `json:"acr,omitempty"`
	AMR      []ident.AMR     `json:"amr,omitempty"`
	AuthTime int64           `json:"auth_time,omitempty"`
	Limited  string          `json:"limited_scope,omitempty"` // scope that the grant does without until the person proves more
}

// Audience is written as a string where it is one. RFC 7519 §4.1.3.
type Audience []string

// MarshalJSON implements json.Marshaler.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *Audience) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*a = make(Audience, 1)
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// Has says whether scope was given to the token.
func (a *Access) Has(scope string) bool { return slices.Contains(strings.Fields(a.Scope), scope) }

// Tokens is a successful answer of the token endpoint. RFC 6749 §5.1.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	Scope        string `json:"scope,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
}

// AccessTypes are the values of typ under which an access token is accepted. RFC 9068 §4.
var accessTypes = []string{"at+jwt"}

// AccessToken mints an access token of client c for scope and aud. g is the grant behind it, nil for client credentials.
func (i *Issuer) AccessToken(ctx context.Context, c *oauth.Client, g *oauth.Grant, scope, aud []string) (_ Tokens, err error) {
	ctx, end := span.Start(ctx, "issue.AccessToken")
	defer func() { end(err) }()
	now := i.opt.Now()
	life := i.opt.Access
	if c.TokenSeconds > 0 {
		life = time.Duration(c.TokenSeconds) * time.Second
	}
	a := Access{Issuer: i.opt.Issuer, Subject: string(c.ID), Audience: aud, Client: c.ID, Scope: strings.Join(scope, " "),
		IssuedAt: now.Unix(), Expires: now.Add(life).Unix(), ID: cmp.Or(i.id, i.NewID())}
	if g != nil {
		a.Subject, a.Session, a.Grant = i.Subject(c, g.User), g.Session, g.ID
		a.ACR, a.AMR, a.AuthTime = g.Assurance.ACR(), g.AMR, g.AuthTime.Unix()
		a.Limited = strings.Join(g.Granted(g.Limited), " ")
	}
	payload, err := json.Marshal(&a)
	if err != nil {
		return Tokens{}, err
	}
	t := Tokens{TokenType: "Bearer", ExpiresIn: int64(life / time.Second), Scope: a.Scope}
	if c.TokenFormat == "opaque" {
		t.AccessToken, err = i.seal.seal(payload)
	} else {
		t.AccessToken, err = i.opt.Ring.Sign(ctx, c.TokenAlg, "at+jwt", payload)
	}
	return t, err
}

// Read returns what an access token of ours says, if it is genuine and has not expired. Whether it still stands — the
// grant, the session, a revocation — is not asked here. Any other error means that it is no access token of ours.
func (i *Issuer) Read(token string) (Access, error) {
	var payload []byte
	if strings.HasPrefix(token, opaquePrefix) {
		b, err := i.seal.open(token)
		if err != nil {
			return Access{}, err
		}
		payload = b
	} else {
		v, err := i.opt.Ring.Verify(token, keys.Expect{Algs: oauth.SigningAlgs, Typ: accessTypes, MaxSize: 8 << 10})
		if err != nil {
			return Access{}, err
		}
		payload = v.Payload
	}
	var a Access
	if err := json.Unmarshal(payload, &a); err != nil {
		return Access{}, err
	}
	if a.Issuer != i.opt.Issuer {
		return Access{}, fmt.Errorf("issue: the token of another issuer")
	}
	if i.opt.Now().Unix() >= a.Expires {
		return Access{}, fmt.Errorf("issue: the token has expired")
	}
	return a, nil
}

// NewID returns 128 random bits as base64url, for `jti` and for names that are no secret.
func (i *Issuer) NewID() string { return i.random(16) }

// NewSecret returns 256 random bits as base64url.
func (i *Issuer) NewSecret() string { return i.random(32) }

func (i *Issuer) random(n int) string {
	b := make([]byte, n)
	if _, err := io.ReadFull(i.opt.Rand, b); err != nil {
		panic("issue: no randomness: " + err.Error()) // nothing sound can be issued any more
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// Issuer is our issuer identifier.
func (i *Issuer) Issuer() string { return i.opt.Issuer }
