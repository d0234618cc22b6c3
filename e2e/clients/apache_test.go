package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// webServer is where apache2 will listen: known before Postern starts, since what it sends a sign-out to is registered.
var webServer = func() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port)
}()

const apacheConf = `
ServerRoot "%[1]s"
ServerName %[2]s
Listen 127.0.0.1:%[3]s
DefaultRuntimeDir "%[1]s"
PidFile "%[1]s/pid"
ErrorLog "%[1]s/log"
DocumentRoot "%[1]s/pages"
# who it is when root starts it
User nobody
Group nogroup
LoadModule mpm_event_module %[4]s/mod_mpm_event.so
LoadModule authn_core_module %[4]s/mod_authn_core.so
LoadModule authz_core_module %[4]s/mod_authz_core.so
LoadModule authz_user_module %[4]s/mod_authz_user.so
LoadModule headers_module %[4]s/mod_headers.so
LoadModule auth_openidc_module %[4]s/mod_auth_openidc.so

OIDCProviderMetadataURL %[5]s/.well-known/openid-configuration
OIDCClientID apache
OIDCClientSecret "%[6]s"
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCRedirectURI %[2]s/inside/back
OIDCScope "openid profile email offline_access"
OIDCPKCEMethod S256
OIDCIDTokenSignedResponseAlg ES256
OIDCRemoteUserClaim preferred_username
OIDCCryptoPassphrase "of this test"
OIDCInfoHook userinfo id_token access_token
<Location /inside>
  AuthType openid-connect
  Require valid-user
  Header set X-User "expr=%%{REMOTE_USER} %%{reqenv:OIDC_CLAIM_email}"
</Location>
<Location /inside/others>
  Require claim email:somebody@else.test
</Location>
`

// TestModAuthOpenIDC walks with libapache2-mod-auth-openidc of Debian: pages behind a sign-in, claims that decide who sees
// them, refresh, its sign-out, and a sign-out of which it is told by back channel.
func TestModAuthOpenIDC(t *testing.T) {
	serveApache(t)
	page, bye := webServer+"/inside/page", webServer+"/bye"
	b, other := newBrowser(), newBrowser()
	for _, each := range []*browser{b, other} {
		if _, err := each.walk(page, page); err != nil {
			t.Fatal(err)
		}
	}
	if resp, body := b.get(t, page); body != "the page" || resp.Header.Get("X-User") != username+" "+email {
		t.Errorf("%s: %q for %q, want the page for %s %s", resp.Status, body, resp.Header.Get("X-User"), username, email)
	}
	if resp, _ := b.get(t, webServer+"/inside/others"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a page for others: %s", resp.Status)
	}
	first := b.known(t)
	if first.UserInfo.Name != "Ann Lindqvist" || first.IDToken.Sid == "" {
		t.Errorf("the module knows %+v", first)
	}
	b.get(t, webServer+"/inside/back?"+url.Values{"refresh": {page}, "access_token": {first.AccessToken}}.Encode())
	if fresh := b.known(t); fresh.AccessToken == first.AccessToken {
		t.Error("a refresh brought the old token")
	}

	if _, err := b.walk(webServer+"/inside/back?"+url.Values{"logout": {bye}}.Encode(), bye); err != nil {
		t.Fatal(err)
	}
	if resp, _ := b.get(t, page); resp.StatusCode != http.StatusFound {
		t.Errorf("after a sign-out: %s", resp.Status)
	}
	if resp, _ := other.get(t, page); resp.StatusCode != http.StatusOK {
		t.Errorf("after a sign-out in another browser: %s", resp.Status)
	}
	if _, err := other.walk(issuer+"/logout?"+url.Values{"client_id": {"apache"}, "post_logout_redirect_uri": {bye}}.Encode(), bye); err != nil {
		t.Fatal(err)
	}
	within(t, "the module to be told of a sign-out", func() bool {
		resp, _ := other.get(t, page)
		return resp.StatusCode == http.StatusFound
	})
}

// serveApache runs apache2 until the test ends.
func serveApache(t *testing.T) {
	program, modules := "/usr/sbin/apache2", "/usr/lib/apache2/modules"
	dir, err := os.MkdirTemp("", "postern-apache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	conf := fmt.Sprintf(apacheConf, dir, webServer, strings.TrimPrefix(webServer, "http://localhost:"), modules, issuer, secret)
	for _, err := range []error{
		os.Chmod(dir, 0o755), // for whom root makes it
		os.Mkdir(filepath.Join(dir, "pages"), 0o755),
		os.Mkdir(filepath.Join(dir, "pages", "inside"), 0o755),
		os.WriteFile(filepath.Join(dir, "pages", "inside", "page"), []byte("the page"), 0o644),
		os.WriteFile(filepath.Join(dir, "pages", "inside", "others"), []byte("the page of others"), 0o644),
		os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-X", "-f", filepath.Join(dir, "conf"))
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: `make setup` installs what is missing", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && t.Failed() {
			t.Logf("apache2 says\n%s", log)
		}
	})
	within(t, "apache2 to serve", func() bool {
		resp, err := http.Get(webServer)
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	})
}

// known is what the module knows of the person in this browser, as its information hook tells.
type known struct {
	AccessToken string `json:"access_token"`
	UserInfo    struct{ Name string }
	IDToken     struct{ Sid string } `json:"id_token"`
}

func (b *browser) known(t *testing.T) (k known) {
	t.Helper()
	_, body := b.get(t, webServer+"/inside/back?info=json")
	if err := json.Unmarshal([]byte(body), &k); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return k
}

// get fetches a page and follows nothing.
func (b *browser) get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html") // the module sends nobody else to sign in
	resp, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// within waits for something for ten seconds at most.
func within(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for late := time.Now().Add(10 * time.Second); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}
