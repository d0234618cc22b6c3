package main

import (
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/postern-id/postern/authn"
	"github.com/postern-id/postern/oauth"
)

// seed is what a seed file declares.
type seed struct {
	Clients   []seedClient
	Users     []seedUser
	Resources []*oauth.Resource
}

// seedClient is a client and the secret that it shall have; the secret is "" for clients without one.
type seedClient struct {
	*oauth.Client
	secret string
}

// seedUser is a person; what is nil or "" is left as it is.
type seedUser struct {
	where    string // for faults
	user     authn.User
	verified *bool
	password string
	totp     []byte
}

// profileClaims are the claims of OIDC Core §5.1 that a person can have, except those which the account itself holds.
var profileClaims = []string{"name", "given_name", "family_name", "middle_name", "nickname", "profile", "picture", "website",
	"gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address"}

var userFields = append([]string{"username", "email", "email_verified", "password", "totp_secret"}, profileClaims...)

// placeholderHash stands for the hash of a secret while a document is checked. No secret has it.
const placeholderHash = "hmac-sha256:"

// parseSeed reads a seed file in YAML or JSON strictly: everything unknown or wrong is in the error, a faults. name
// stands in front of every line number.
func parseSeed(name string, raw []byte) (*seed, error) {
	var fs faults
	root, err := parseEither(raw)
	if err != nil {
		fs.add(name, "", "%v", err)
		return nil, fs.err()
	}
	s := &seed{}
	if root == nil {
		return s, nil
	}
	seen := map[string]string{} // "clients demo" → where
	eachPair(name, "", root, &fs, func(where string, key string, val *yaml.Node) {
		parse := map[string]func(where, path string, n *yaml.Node, fs *faults) string{
			"clients": s.parseClient, "users": s.parseUser, "resources": s.parseResource,
		}[key]
		if parse == nil {
			fs.add(where, key, "unknown field%s", nearest(key, []string{"clients", "users", "resources"}))
			return
		}
		if val.Kind != yaml.SequenceNode && val.Tag != "!!null" {
			fs.add(where, key, "must be a list")
			return
		}
		for i, item := range val.Content {
			where, path := fmt.Sprintf("%s:%d", name, item.Line), fmt.Sprintf("%s[%d]", key, i)
			id := key + " " + parse(where, path, item, &fs)
			if first, dup := seen[id]; dup {
				fs.add(where, path, "is declared before, at %s", first)
			}
			seen[id] = where
		}
	})
	return s, fs.err()
}

// eachPair calls f for every member of a mapping. A repeated member, or another kind of node, is a fault.
func eachPair(name, path string, n *yaml.Node, fs *faults, f func(where, key string, val *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		fs.add(fmt.Sprintf("%s:%d", name, n.Line), path, "must be a mapping")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, where := n.Content[i].Value, fmt.Sprintf("%s:%d", name, n.Content[i].Line)
		if seen[key] {
			fs.add(where, strings.TrimPrefix(path+"."+key, "."), "is given twice")
			continue
		}
		seen[key] = true
		f(where, key, n.Content[i+1])
	}
}

func (s *seed) parseClient(where, path string, n *yaml.Node, fs *faults) string {
	doc, err := object(n)
	if err != nil {
		fs.add(where, path, "%v", err)
		return where
	}
	for name := range doc {
		if strings.HasPrefix(name, "client_secret_") {
			fs.add(where, path, "%s cannot be declared: give client_secret", name)
			delete(doc, name)
		}
	}
	secret, isText := doc["client_secret"].(string)
	if _, given := doc["client_secret"]; given {
		if !isText || secret == "" || len(secret) > 1024 {
			fs.add(where, path, "client_secret must be a text of 1 to 1024 bytes")
		}
		delete(doc, "client_secret")
		doc["client_secret_hash"] = placeholderHash
	}
	c, err := parseClientDoc(doc)
	if err != nil {
		fs.add(where, path, "%v", err)
		return fmt.Sprint(doc["client_id"])
	}
	s.Clients = append(s.Clients, seedClient{c, secret})
	return string(c.ID)
}

func parseClientDoc(doc map[string]any) (*oauth.Client, error) {
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	c, err := oauth.ParseClient(raw)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "client "))
	}
	return c, nil
}

func (s *seed) parseResource(where, path string, n *yaml.Node, fs *faults) string {
	doc, err := object(n)
	if err != nil {
		fs.add(where, path, "%v", err)
		return where
	}
	raw, _ := json.Marshal(doc)
	r, err := oauth.ParseResource(raw)
	if err != nil {
		fs.add(where, path, "%s", strings.TrimPrefix(err.Error(), "resource "))
		return fmt.Sprint(doc["resource"])
	}
	s.Resources = append(s.Resources, r)
	return r.ID
}

func (s *seed) parseUser(where, path string, n *yaml.Node, fs *faults) string {
	doc, err := object(n)
	if err != nil {
		fs.add(where, path, "%v", err)
		return where
	}
	u := seedUser{where: where, user: authn.User{Claims: map[string]json.RawMessage{}}}
	bad := func(field, format string, args ...any) { fs.add(where, path+"."+field, format, args...) }
	for field, v := range doc {
		if err := u.set(field, v); err != nil {
			bad(field, "%v", err)
		}
	}
	if u.user.Username == "" {
		bad("username", "is missing")
	} else if authn.NormalizeIdentifier(u.user.Username) == "" {
		bad("username", "cannot be a username: too long, or invisible characters")
	}
	s.Users = append(s.Users, u)
	return authn.NormalizeIdentifier(u.user.Username)
}

// set takes one declared field.
func (u *seedUser) set(field string, v any) error {
	text, isText := v.(string)
	flag, isFlag := v.(bool)
	switch field {
	case "username":
		u.user.Username = text
	case "email":
		u.user.Email = text
		if a, err := mail.ParseAddress(text); err != nil || a.Address != text {
			return errors.New("is not an e-mail address")
		}
	case "password":
		u.password = text
	case "totp_secret":
		secret, err := decodeTOTP(text)
		if err != nil {
			return err
		}
		u.totp = secret
	case "email_verified":
		if !isFlag {
			return errors.New("must be true or false")
		}
		u.verified = &flag
		return nil
	default:
		return u.setClaim(field, v)
	}
	if !isText || text == "" {
		return errors.New("must be a text")
	}
	return nil
}

func (u *seedUser) setClaim(field string, v any) error {
	if !slices.Contains(profileClaims, field) {
		return fmt.Errorf("unknown field%s", nearest(field, userFields))
	}
	var ok bool
	switch field { // OIDC Core §5.1
	case "address":
		_, ok = v.(map[string]any)
	case "phone_number_verified":
		_, ok = v.(bool)
	default:
		_, ok = v.(string)
	}
	if !ok {
		return errors.New("has the wrong type")
	}
	raw, err := json.Marshal(v)
	u.user.Claims[field] = raw
	return err
}

// decodeTOTP reads a shared secret as authenticator apps show it: base32, in any case, spaces allowed.
func decodeTOTP(text string) ([]byte, error) {
	plain := strings.TrimRight(strings.ToUpper(strings.ReplaceAll(text, " ", "")), "=")
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(plain)
	if err != nil {
		return nil, errors.New("must be base32 (A to Z, 2 to 7)")
	}
	if len(secret) < authn.MinTOTPSecret || len(secret) > 64 {
		return nil, fmt.Errorf("must have %d to 64 bytes, which are 32 to 103 characters", authn.MinTOTPSecret)
	}
	return secret, nil
}

func encodeTOTP(secret []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
}
