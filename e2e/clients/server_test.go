package clients

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The cast: one person, one protected resource with its server, and one client for each way of signing and of
// authenticating.
const (
	username = "ann"
	password = "plum-tractor-violin-17"
	email    = "ann@people.test"

	redirectURI = "https://app.example/cb"
	loggedOut   = "https://app.example/bye"
	plainSecret = "a-secret-without-anything-to-encode"
	secret      = "a secret + of: application/é%2B"
	resource    = "https://api.example"
	api         = "api"
	apiSecret   = "api-secret-9f8e7d6c5b4a"
)

// algs are the algorithms that a client may have its ID tokens signed with.
var algs = []string{"ES256", "RS256", "PS256", "EdDSA"}

// issuer is that of the server that TestMain started.
var issuer string

// clientKeys are the private keys of the clients "jwt-ES256", "jwt-RS256" and "jwt-EdDSA", and of "strict-…"; their key ID
// is "k1".
var clientKeys = map[string]any{}

const keyID = "k1"

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "postern-clients-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		stop, err := start(dir)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer stop()
		return m.Run()
	}())
}

// start runs the binary with the cast and waits until it serves.
func start(dir string) (stop func(), err error) {
	bin := os.Getenv("POSTERN_BIN")
	if bin == "" {
		bin = filepath.Join(dir, "postern")
		build := exec.Command("go", "build", "-o", bin, "./cmd/postern")
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	doc, err := seed()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "seed.json")
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, "dev", "--json", "--listen", "127.0.0.1:0", "--seed", file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	late.Stop()
	var ready struct {
		Ready  bool
		Issuer string
	}
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err == nil && !ready.Ready {
		err = errors.New("not ready")
	}
	stop = func() {
		cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		late.Stop()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("postern dev: %w: %s", err, line)
	}
	issuer = ready.Issuer
	return stop, nil
}

// object is a JSON object.
type object = map[string]any

// seed is the cast as a seed file. Private keys are made anew for every run.
func seed() ([]byte, error) {
	app := func(id string, more object) object {
		c := object{"client_id": id, "redirect_uris": []string{redirectURI}, "post_logout_redirect_uris": []string{loggedOut},
			"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"},
			"scope":       "openid profile email offline_access orders:read"}
		for k, v := range more {
			c[k] = v
		}
		return c
	}
	list := []object{
		{"client_id": api, "client_secret": apiSecret, "grant_types": []string{"client_credentials"}, "scope": "orders:read",
			"served_resources": []string{resource}},
		app("public", object{"token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token"}}),
		app("post", object{"token_endpoint_auth_method": "client_secret_post", "client_secret": secret}),
		app("apache", object{"client_secret": secret, "redirect_uris": []string{webServer + "/inside/back"},
			"post_logout_redirect_uris": []string{webServer + "/bye"}, "backchannel_logout_uri": webServer + "/inside/back?logout=backchannel"}),
		app("opaque", object{"client_secret": secret, "access_token_format": "opaque"}),
	}
	for _, alg := range algs {
		list = append(list, app("app-"+alg, object{"token_endpoint_auth_method": "client_secret_basic", "client_secret": secret,
			"id_token_signed_response_alg": alg, "access_token_signed_response_alg": alg}))
		// authlib sends secrets as they are, not form-encoded as RFC 6749 §2.3.1 has it.
		list = append(list, app("authlib-"+alg, object{"client_secret": plainSecret, "id_token_signed_response_alg": alg}))
	}
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		key, public, err := newKey(alg)
		if err != nil {
			return nil, err
		}
		clientKeys["jwt-"+alg] = key
		set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: keyID, Algorithm: alg, Use: "sig"}}}
		method := object{"token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": alg, "jwks": set,
			"served_resources": []string{resource}}
		list = append(list, app("strict-"+alg, method))
		// zitadel/oidc writes the aud of its assertions as a list and authlib names the token endpoint; the default profile
		// wants the issuer, as a string.
		method["profile"] = "oidc"
		list = append(list, app("jwt-"+alg, method))
	}
	return json.Marshal(object{
		"users": []object{{"username": username, "email": email, "email_verified": true, "password": password,
			"name": "Ann Lindqvist", "given_name": "Ann", "family_name": "Lindqvist"}},
		"resources": []object{{"resource": resource, "scopes": []string{"orders:read"}}},
		"clients":   list,
	})
}

func newKey(alg string) (private, public any, err error) {
	switch alg {
	case "RS256":
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, nil, err
		}
		return k, k.Public(), nil
	case "EdDSA":
		pub, k, err := ed25519.GenerateKey(rand.Reader)
		return k, pub, err
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	return k, k.Public(), nil
}
