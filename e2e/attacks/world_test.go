package attacks

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/postern-id/postern/e2e/harness"
)

// deafMail is a mail server that never answers: what people are told is tried, and on record.
var deafMail = map[string]string{"mail.host": "127.0.0.1", "mail.port": "1", "mail.security": "none", "mail.from": "no-reply@postern.test"}

// The servers are shared by all tests: plain is over http; secure is over TLS, knows countries, and has codes of ten seconds.
var (
	house = &keeper{}
	plain = sync.OnceValue(func() *harness.Server {
		return start(harness.Options{Engine: harness.SQLite, Seed: seed, Config: deafMail})
	})
	secure = sync.OnceValue(func() *harness.Server {
		return start(harness.Options{Engine: harness.SQLite, Seed: seed, TLS: true, Config: map[string]string{
			"geo.file": geoFile(house.TempDir()), "tokens.code": "10s"}})
	})
	esKey, otherKey = ecKey(), ecKey()
	rsKey           = func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	}()
)

func start(o harness.Options) *harness.Server {
	s := harness.Start(house, o)
	house.Cleanup(func() { leaks(s) })
	return s
}

func TestMain(m *testing.M) {
	code := m.Run()
	house.close()
	if house.failed && code == 0 {
		code = 1
	}
	os.Exit(code)
}

// keeper is the test to which the shared servers belong: it lasts as long as the process.
type keeper struct {
	testing.TB
	mu      sync.Mutex
	cleanup []func()
	failed  bool
}

func (k *keeper) Helper() {}
func (k *keeper) TempDir() string {
	dir, err := os.MkdirTemp("", "attacks")
	if err != nil {
		panic(err)
	}
	k.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
func (k *keeper) Cleanup(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cleanup = append(k.cleanup, f)
}
func (k *keeper) Errorf(format string, args ...any) {
	k.failed = true
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
func (k *keeper) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
func (k *keeper) close() {
	for i := len(k.cleanup) - 1; i >= 0; i-- {
		k.cleanup[i]()
	}
}

func ecKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

// geoFile maps 11.0.0.0/8 to Sweden, 12.0.0.0/8 to Brazil, 13.0.0.0/8 to Japan, and nothing else.
func geoFile(dir string) string {
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", BuildEpoch: time.Now().Unix(), RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		panic(err)
	}
	for cidr, code := range map[string]string{"11.0.0.0/8": "SE", "12.0.0.0/8": "BR", "13.0.0.0/8": "JP"} {
		_, n, err := net.ParseCIDR(cidr)
		if err != nil {
			panic(err)
		}
		if err := w.Insert(n, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code)}}); err != nil {
			panic(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		panic(err)
	}
	file := filepath.Join(dir, "geo.mmdb")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		panic(err)
	}
	return file
}

const (
	password   = "plum-tractor-violin-17" // of everybody in the seed
	oddClient  = "odd:id/+%25 &=?"
	oddSecret  = "s:e%c+r&e=t /ü€\"'"
	totpSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	xssName    = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
)

// secretOf is the secret of a client in the seed.
func secretOf(client string) string {
	if client == oddClient {
		return oddSecret
	}
	sum := sha256.Sum256([]byte("secret of " + client))
	return "secret-" + hex.EncodeToString(sum[:12])
}

var seed = func() string {
	type object = map[string]any
	app := func(id string, more object) object {
		c := object{"client_id": id, "client_secret": secretOf(id), "redirect_uris": []string{"https://" + id + ".example/cb"},
			"grant_types": []string{"authorization_code", "refresh_token"}, "scope": "openid profile email offline_access orders:read"}
		for k, v := range more {
			c[k] = v
			if v == nil {
				delete(c, k)
			}
		}
		return c
	}
	own := []string{"client_credentials"}
	devices := []string{"urn:ietf:params:oauth:grant-type:device_code", "refresh_token"}
	jwks := func(key any) json.RawMessage {
		switch k := key.(type) {
		case *ecdsa.PrivateKey:
			return json.RawMessage(harness.PublicJWKS(k, "es-1", "ES256"))
		case *rsa.PrivateKey:
			return json.RawMessage(harness.PublicJWKS(k, "rs-1", "RS256"))
		}
		panic("no such key")
	}
	doc := object{
		"clients": []object{
			app("web", object{"post_logout_redirect_uris": []string{"https://web.example/bye", "https://web.example/bye?a=1"}}),
			app("house", object{"skip_consent": true, "post_logout_redirect_uris": []string{"https://house.example/bye"}}),
			app("house2", object{"skip_consent": true}),
			app("two", object{"skip_consent": true, "redirect_uris": []string{"https://two.example/Path/cb", "https://two.example/q?x=1"}}),
			app("spa", object{"client_secret": nil, "token_endpoint_auth_method": "none", "skip_consent": true,
				"redirect_uris": []string{"https://spa.example/cb", "http://127.0.0.1/cb", "http://[::1]/cb"}}),
			app("tv", object{"client_secret": nil, "token_endpoint_auth_method": "none", "skip_consent": true, "grant_types": devices, "redirect_uris": nil}),
			app("tv2", object{"client_secret": nil, "token_endpoint_auth_method": "none", "skip_consent": true, "grant_types": devices, "redirect_uris": nil}),
			app("opaque", object{"skip_consent": true, "access_token_format": "opaque", "grant_types": []string{"authorization_code", "refresh_token", "client_credentials"}}),
			app("strict", object{"skip_consent": true, "minimum_acr": "urn:postern:acr:aal2"}),
			app("xss", object{"client_name": xssName, "policy_uri": "https://xss.example/p?\"><script>alert(3)</script>"}),
			app("post", object{"token_endpoint_auth_method": "client_secret_post", "grant_types": own, "scope": "orders:read", "redirect_uris": nil}),
			app("basic", object{"token_endpoint_auth_method": "client_secret_basic", "grant_types": own, "scope": "orders:read", "redirect_uris": nil}),
			app("svc", object{"grant_types": own, "scope": "orders:read stock:read", "redirect_uris": []string{"https://svc.example/cb"}}),
			app("brute", object{"grant_types": own, "scope": "orders:read", "redirect_uris": nil}),
			app("short", object{"grant_types": own, "scope": "orders:read", "redirect_uris": nil, "access_token_lifetime": 1}),
			app(oddClient, object{"grant_types": own, "scope": "orders:read", "redirect_uris": nil}),
			app("key-es", object{"client_secret": nil, "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
				"jwks": jwks(esKey), "grant_types": own, "scope": "orders:read", "redirect_uris": nil}),
			app("key-rs", object{"client_secret": nil, "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(rsKey), "grant_types": own,
				"scope": "orders:read", "redirect_uris": nil}),
			app("key-oidc", object{"client_secret": nil, "token_endpoint_auth_method": "private_key_jwt", "profile": "oidc", "jwks": jwks(esKey),
				"grant_types": own, "scope": "orders:read", "redirect_uris": nil}),
			app("jar", object{"skip_consent": true, "jwks": jwks(esKey), "request_object_signing_alg": "ES256", "request_uris": []string{"https://jar.example/r"}}),
			app("jar-only", object{"skip_consent": true, "jwks": jwks(esKey), "require_signed_request_object": true}),
			app("jar-oidc", object{"skip_consent": true, "jwks": jwks(esKey), "profile": "oidc", "grant_types": []string{"authorization_code", "implicit"},
				"response_types": []string{"code", "id_token", "id_token token", "code id_token", "code id_token token"}}),
			app("posts", object{"skip_consent": true, "response_modes": []string{"query", "form_post"}}),
			app("orders", object{"grant_types": own, "scope": "stock:read", "redirect_uris": nil, "served_resources": []string{"https://orders.example"}}),
			app("stock", object{"grant_types": own, "scope": "orders:read", "redirect_uris": nil, "served_resources": []string{"https://stock.example"}}),
		},
		"resources": []object{
			{"resource": "https://orders.example", "scopes": []string{"orders:read", "orders:write"}},
			{"resource": "https://stock.example", "scopes": []string{"stock:read"}},
		},
	}
	var users []object
	for _, name := range []string{"ann", "bob", "cat", "dan", "eve", "fay", "target", "sprayed1", "sprayed2", "geo-pwd",
		"h1a", "h1b", "h1c", "h2a", "h2b", "h3a", "h3b", "h4a", "h4b", "h5a", "h5b", "h9a", "h9b", "h9c", "h9d", "h10a", "h10b", "h10c", "h11a", "h11b",
		"h15", "h15b", "h15c", "h15d", "h16", "h17", "i1", "i3", "i8p", "dev-pwd", "dev-key"} {
		users = append(users, object{"username": name, "email": name + "@people.test", "password": password, "name": strings.ToUpper(name)})
	}
	for _, name := range []string{"tia", "tom", "tess", "geo-otp", "geo-new", "h17b", "i8"} {
		users = append(users, object{"username": name, "email": name + "@people.test", "password": password, "totp_secret": totpSecret})
	}
	doc["users"] = users
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return string(raw)
}()

var networks struct {
	sync.Mutex
	n int
}

// freshNetwork is an address in a /24 that no other test uses.
func freshNetwork() string {
	networks.Lock()
	defer networks.Unlock()
	networks.n++
	return netip.AddrFrom4([4]byte{198, byte(18 + networks.n/256), byte(networks.n), 7}).String()
}
