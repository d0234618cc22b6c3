package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/postern-id/postern/e2e/harness"
	"github.com/postern-id/postern/verify"
)

// command does what a line says. bare says that the line expects nothing in particular, so that the ordinary success is due.
type command func(st *stage, args []string, bare bool) (*outcome, error)

// commands are the words of the journeys; journeys/README.md explains them.
var commands map[string]command

func init() {
	commands = map[string]command{
		// the person at the browser
		"browser": (*stage).cmdBrowser, "open": (*stage).cmdOpen, "login": (*stage).cmdLogin, "authorize": (*stage).cmdAuthorize,
		"sign-in": (*stage).cmdSignIn, "enter-code": (*stage).cmdCode, "consent": (*stage).cmdConsent, "press": (*stage).cmdPress,
		"device": (*stage).cmdDevice, "enter-device": (*stage).cmdEnterDevice,
		"page": (*stage).cmdPage, "logout": (*stage).cmdLogout, "withdraw": (*stage).cmdWithdraw, "end-session": (*stage).cmdEndSession,
		"language": (*stage).cmdLanguage, "from": (*stage).cmdFrom, "agent": (*stage).cmdAgent, "steal": (*stage).cmdSteal, "follow": (*stage).cmdFollow,
		// the client and the resource server
		"token": (*stage).cmdToken, "introspect": (*stage).cmdIntrospect, "revoke": (*stage).cmdRevoke, "log": (*stage).cmdLog, "userinfo": (*stage).cmdUserInfo,
		"decode": (*stage).cmdDecode, "check": (*stage).cmdCheck, "assertion": (*stage).cmdAssertion, "get": (*stage).cmdGet,
		"ciba": (*stage).cmdCIBA, "poll": (*stage).cmdPoll, "decide": (*stage).cmdDecide,
		"compare": (*stage).cmdCompare, "register": (*stage).cmdRegister, "manage": (*stage).cmdManage,
		// the operator, and time
		"postern": (*stage).cmdPostern, "wait": (*stage).cmdWait,
	}
}

func ok() *outcome { return &outcome{status: http.StatusOK} }

// params splits NAME=VALUE arguments from the others.
func params(args []string) (rest []string, v url.Values) {
	v = url.Values{}
	for _, a := range args {
		if name, value, found := strings.Cut(a, "="); found {
			v.Add(name, value)
		} else {
			rest = append(rest, a)
		}
	}
	return rest, v
}

// one returns the only argument without "=".
func one(args []string) string {
	rest, _ := params(args)
	if len(rest) == 0 {
		return ""
	}
	return rest[0]
}

// shown is the page that the browser shows, as an outcome.
func (st *stage) shown(p *harness.Page, err error) (*outcome, error) {
	if err != nil {
		return nil, err
	}
	f := map[string]any{"page": p.Name(), "title": p.Title, "lang": p.Lang, "path": p.URL.Path, "url": p.URL.String()}
	if form, ok := p.Form("login"); ok {
		f["identifier"] = form.Values.Get("identifier")
	}
	if p.Client != nil {
		base := *p.Client
		base.RawQuery = ""
		f["to"] = base.String()
		for name := range p.Params() {
			f[name] = p.Params().Get(name)
		}
		if code := p.Params().Get("code"); code != "" {
			st.vars["code"] = code
		}
	}
	return &outcome{status: p.Status, fields: f, text: p.Text}, nil
}

// done is shown, but anything else than the page is an error where nothing else is expected.
func (st *stage) done(bare bool, page string, p *harness.Page, err error) (*outcome, error) {
	o, err := st.shown(p, err)
	if err == nil && bare && o.fields["page"] != page {
		return nil, fmt.Errorf("should lead to %s, but came to %v", page, o)
	}
	return o, err
}

func (st *stage) cmdBrowser(args []string, _ bool) (*outcome, error) {
	st.switchTo(one(args))
	return ok(), nil
}

func (st *stage) cmdFrom(args []string, _ bool) (*outcome, error) {
	st.b.Move(one(args))
	return ok(), nil
}

func (st *stage) cmdAgent(args []string, _ bool) (*outcome, error) {
	st.b.Extra.Set("User-Agent", one(args))
	return ok(), nil
}

func (st *stage) cmdSteal(args []string, _ bool) (*outcome, error) {
	rest, v := params(args)
	if len(rest) != 1 || st.browsers[rest[0]] == nil {
		return nil, errors.New("steal from which browser?")
	}
	if st.b.Steal(st.browsers[rest[0]], v.Get("cookie")) == 0 {
		return nil, errors.New("there is no such cookie to steal")
	}
	return ok(), nil
}

// cmdFollow follows the first link of the page whose address holds a text.
func (st *stage) cmdFollow(args []string, _ bool) (*outcome, error) {
	if st.b.Page != nil {
		for _, to := range st.b.Page.Links {
			if strings.Contains(to, args[0]) {
				return st.shown(st.b.Go(to))
			}
		}
	}
	return nil, fmt.Errorf("the page has no link with %q in it", args[0])
}

func (st *stage) cmdLanguage(args []string, _ bool) (*outcome, error) {
	st.b.Extra.Set("Accept-Language", one(args))
	return ok(), nil
}

func (st *stage) cmdOpen(args []string, _ bool) (*outcome, error) {
	path := args[0]
	if strings.HasPrefix(path, st.s.Issuer) {
		path = strings.TrimPrefix(path, st.s.Issuer)
	}
	return st.shown(st.b.Go(path))
}

func (st *stage) cmdPage([]string, bool) (*outcome, error) {
	if st.b.Page == nil {
		return nil, errors.New("the browser shows nothing yet")
	}
	return st.shown(st.b.Page, nil)
}

// cmdLogin signs a person in for their own account, with a code where one is asked for.
func (st *stage) cmdLogin(args []string, bare bool) (*outcome, error) {
	if _, err := st.b.Go("/login?to=/account"); err != nil {
		return nil, err
	}
	p, err := st.signIn(args)
	if who := st.cast.Person(one(args)); err == nil && bare && p.Name() == "code" && who.TOTP != nil {
		p, err = st.b.Code(who.TOTP.Code())
	}
	return st.done(bare, "account", p, err)
}

func (st *stage) signIn(args []string) (*harness.Page, error) {
	_, v := params(args)
	who := st.cast.Person(one(args))
	if v.Has("password") {
		who.Password = v.Get("password")
	}
	if v.Has("identifier") {
		who.Username = v.Get("identifier")
	}
	return st.b.SignIn(who.Username, who.Password)
}

func (st *stage) cmdSignIn(args []string, _ bool) (*outcome, error) { return st.shown(st.signIn(args)) }

// cmdCode enters the code of a person's authenticator app, or the one given by code=.
func (st *stage) cmdCode(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	if v.Has("code") {
		return st.shown(st.b.Code(v.Get("code")))
	}
	code := st.cast.Person(one(args)).TOTP.Code()
	st.vars["entered"] = code
	return st.shown(st.b.Code(code))
}

func (st *stage) cmdConsent(args []string, _ bool) (*outcome, error) {
	return st.shown(st.b.Consent(one(args)))
}

func (st *stage) cmdPress(args []string, _ bool) (*outcome, error) {
	name, value := "", ""
	if len(args) > 1 {
		name, value, _ = strings.Cut(args[1], "=")
	}
	return st.shown(st.b.Press(args[0], name, value))
}

// cmdDevice asks for a person as a device does, and keeps $device_code.
func (st *stage) cmdDevice(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	a, err := st.cast.RP(st.s, one(args)).Post("/device_authorization", v)
	if err == nil && a.OK() {
		st.vars["device_code"] = a.Get("device_code")
	}
	return answered(a, err)
}

// cmdEnterDevice types the code of a device into the page, as people type: small, and without the dash.
func (st *stage) cmdEnterDevice(args []string, _ bool) (*outcome, error) {
	p, err := st.b.Go("/device")
	if err != nil {
		return nil, err
	}
	f, found := p.Form("device")
	if !found {
		return nil, fmt.Errorf("the browser shows %s, which asks for no code: %s", p.Name(), p.Text)
	}
	return st.shown(st.b.Submit(f, "", "", url.Values{"user_code": {strings.ToLower(strings.ReplaceAll(one(args), "-", " "))}}))
}

// cmdAuthorize sends the browser to a client's authorization request. Where nothing is expected it walks on to the code,
// and allows on the consent page.
func (st *stage) cmdAuthorize(args []string, bare bool) (*outcome, error) {
	client := one(args)
	_, v := params(args)
	st.asked, st.client = st.cast.RP(st.s, client).Authorize(v), client
	st.vars["state"], st.vars["nonce"] = st.asked.State, st.asked.Nonce
	p, err := st.b.Go(st.asked.URL)
	if err == nil && bare && p.Name() == "consent" {
		p, err = st.b.Consent("allow")
	}
	o, err := st.done(bare, "client", p, err)
	if err == nil && bare && o.fields["code"] == nil {
		return nil, fmt.Errorf("the client got no code: %v", o)
	}
	return o, err
}

func (st *stage) cmdLogout(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	return st.shown(st.b.Go("/logout?" + v.Encode()))
}

// cmdWithdraw takes a client's consent back on the account page.
func (st *stage) cmdWithdraw(args []string, _ bool) (*outcome, error) {
	return st.shown(st.pressWith("/account/apps", "client", one(args)))
}

// cmdEndSession ends a session on the account page: one by its sid, or all "others".
func (st *stage) cmdEndSession(args []string, _ bool) (*outcome, error) {
	if one(args) == "others" {
		return st.shown(st.pressWith("/account/sessions", "others", "1"))
	}
	return st.shown(st.pressWith("/account/sessions", "session", one(args)))
}

func (st *stage) pressWith(page, field, value string) (*harness.Page, error) {
	p, err := st.b.Go(page)
	if err != nil {
		return nil, err
	}
	f, found := p.FormWith(field, value)
	if !found {
		return nil, fmt.Errorf("%s shows no form with %s=%s: %s", page, field, value, p.Text)
	}
	return st.b.Submit(f, "", "", nil)
}

func answered(a *harness.Answer, err error) (*outcome, error) {
	if err != nil {
		return nil, err
	}
	return &outcome{status: a.Status, fields: a.Fields, text: a.Body}, nil
}

// cmdToken asks for tokens: with code=, with refresh_token=, or for the client itself. The client is the last one that
// authorized, unless one is named; with-secret= and with-method= let it prove itself otherwise than is registered.
func (st *stage) cmdToken(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	client := one(args)
	if client == "" {
		client = st.client
	}
	if client == "" {
		return nil, errors.New("name the client")
	}
	rp := st.cast.RP(st.s, client)
	if v.Has("with-secret") {
		rp.Secret = v.Get("with-secret")
	}
	if v.Has("with-method") {
		rp.Auth = v.Get("with-method")
	}
	v.Del("with-secret")
	v.Del("with-method")
	var a *harness.Answer
	var err error
	switch {
	case v.Has("grant_type"):
		a, err = rp.Token(v)
	case v.Has("code"):
		a, err = rp.Exchange(st.asked, v.Get("code"), v)
	case v.Has("refresh_token"):
		a, err = rp.Refresh(v.Get("refresh_token"), v)
	default:
		a, err = rp.ClientCredentials(v)
	}
	if err == nil && a.OK() {
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			if tok := a.Get(name); tok != "" {
				st.vars[name] = tok
			}
		}
	}
	return answered(a, err)
}

// about splits "[CLIENT] TOKEN".
func (st *stage) about(args []string, client string) (*harness.RP, string, error) {
	if len(args) == 2 {
		client, args = args[0], args[1:]
	}
	if len(args) != 1 || client == "" {
		return nil, "", errors.New("name a token, and before it the client that asks")
	}
	return st.cast.RP(st.s, client), args[0], nil
}

func (st *stage) cmdIntrospect(args []string, _ bool) (*outcome, error) {
	client := st.client
	if client == "" || client == "spa" {
		client = "orders"
	}
	rp, tok, err := st.about(args, client)
	if err != nil {
		return nil, err
	}
	return answered(rp.Introspect(tok))
}

func (st *stage) cmdRevoke(args []string, _ bool) (*outcome, error) {
	rp, tok, err := st.about(args, st.client)
	if err != nil {
		return nil, err
	}
	return answered(rp.Revoke(tok))
}

func (st *stage) cmdUserInfo(args []string, _ bool) (*outcome, error) {
	method := http.MethodGet
	if len(args) == 2 && args[1] == "post" {
		method = http.MethodPost
	}
	return answered(st.s.UserInfo(method, args[0]))
}

func (st *stage) cmdDecode(args []string, _ bool) (*outcome, error) {
	header, claims, err := harness.DecodeJWT(one(args))
	if err != nil {
		return nil, err
	}
	claims["header"] = header
	return &outcome{status: http.StatusOK, fields: claims}, nil
}

type checker interface {
	Verify(ctx context.Context, token string) (verify.Token, error)
}

// cmdCheck validates an access token as a resource server does that has cached the keys.
func (st *stage) cmdCheck(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	aud := v.Get("aud")
	if st.checks[aud] == nil {
		rs, err := verify.NewResourceServer(context.Background(), st.s.Issuer, verify.Audience(aud), verify.Resource(st.s.Issuer),
			verify.HTTPClient(&http.Client{Transport: st.s.Transport}))
		if err != nil {
			return nil, err
		}
		st.checks[aud] = rs
	}
	tok, err := st.checks[aud].Verify(context.Background(), args[0])
	f := map[string]any{"valid": err == nil, "sub": tok.Subject, "client_id": tok.ClientID}
	return &outcome{status: http.StatusOK, fields: f, text: fmt.Sprint(err)}, nil
}

// cmdAssertion makes a client assertion and keeps it as $assertion; claims can be replaced, "exp=-60" is relative to now.
func (st *stage) cmdAssertion(args []string, _ bool) (*outcome, error) {
	_, v := params(args)
	claims := map[string]any{}
	for name := range v {
		claims[name] = v.Get(name)
		if n, err := strconv.ParseInt(v.Get(name), 10, 64); err == nil && (name == "exp" || name == "iat" || name == "nbf") {
			claims[name] = time.Now().Unix() + n
		}
	}
	tok, err := st.cast.RP(st.s, one(args)).Assertion(claims)
	st.vars["assertion"] = tok
	return ok(), err
}

func (st *stage) cmdGet(args []string, _ bool) (*outcome, error) {
	return answered(st.s.Get(args[0], nil))
}

func (st *stage) cmdCompare(args []string, _ bool) (*outcome, error) {
	return &outcome{status: http.StatusOK, fields: map[string]any{"same": args[0] == args[1]}}, nil
}

// cmdPostern runs a command of the operator; the status is its exit code.
func (st *stage) cmdPostern(args []string, bare bool) (*outcome, error) {
	out, err := st.s.Command(args...)
	var exit *exec.ExitError
	switch {
	case bare && err != nil:
		return nil, err
	case errors.As(err, &exit):
		return &outcome{status: exit.ExitCode(), text: err.Error()}, nil
	case err != nil:
		return nil, err
	}
	time.Sleep(registryDelay)
	o := &outcome{status: 0, text: out}
	_ = json.Unmarshal([]byte(out), &o.fields) // with --output json
	return o, nil
}

// registryDelay is how long a running server may take to see what an operator changed, and a little.
const registryDelay = 1300 * time.Millisecond

func (st *stage) cmdWait(args []string, _ bool) (*outcome, error) {
	d, err := time.ParseDuration(one(args))
	time.Sleep(d)
	return ok(), err
}
