package conformance

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
)

// plan is a certification plan of the suite.
type plan struct {
	name, title, suite string
	series             []series
}

// columns are the variants that the plan tells apart, and size is how many modules run.
func (p plan) columns() (out []string) {
	for _, s := range p.series {
		if !slices.Contains(out, s.String()) {
			out = append(out, s.String())
		}
	}
	return out
}

func (p plan) size() (n int) {
	for _, s := range p.series {
		n += len(s.modules)
	}
	return n
}

// series are modules of a plan that run in one variant.
type series struct {
	variant
	modules []string
}

// modules are all of them, by the suite's names.
var modules = map[string]func(*run){
	"oidcc-server":                                              serverTest,
	"oidcc-server-client-secret-post":                           serverTest,
	"oidcc-response-type-missing":                               responseTypeMissing,
	"oidcc-idtoken-signature":                                   idTokenSignature,
	"oidcc-idtoken-rs256":                                       idTokenRS256,
	"oidcc-idtoken-unsigned":                                    idTokenUnsigned,
	"oidcc-userinfo-get":                                        userinfoGet,
	"oidcc-userinfo-post-header":                                userinfoPostHeader,
	"oidcc-userinfo-post-body":                                  userinfoPostBody,
	"oidcc-userinfo-rs256":                                      userinfoRS256,
	"oidcc-ensure-request-without-nonce-succeeds-for-code-flow": withoutNonceSucceeds,
	"oidcc-ensure-request-without-nonce-fails":                  withoutNonceFails,
	"oidcc-scope-profile":                                       scopeProfile,
	"oidcc-scope-email":                                         scopeEmail,
	"oidcc-scope-address":                                       scopeAddress,
	"oidcc-scope-phone":                                         scopePhone,
	"oidcc-scope-all":                                           scopeAll,
	"oidcc-alternate-happy-flow":                                alternateHappyFlow,
	"oidcc-display-page":                                        displayPage,
	"oidcc-display-popup":                                       displayPopup,
	"oidcc-prompt-login":                                        promptLogin,
	"oidcc-prompt-none-not-logged-in":                           promptNoneNotLoggedIn,
	"oidcc-prompt-none-logged-in":                               promptNoneLoggedIn,
	"oidcc-max-age-1":                                           maxAge1,
	"oidcc-max-age-10000":                                       maxAge10000,
	"oidcc-ensure-request-with-unknown-parameter-succeeds":      unknownParameter,
	"oidcc-id-token-hint":                                       idTokenHint,
	"oidcc-login-hint":                                          loginHint,
	"oidcc-ui-locales":                                          uiLocales,
	"oidcc-claims-locales":                                      claimsLocales,
	"oidcc-ensure-request-with-acr-values-succeeds":             acrValues,
	"oidcc-codereuse":                                           codeReuse,
	"oidcc-codereuse-30seconds":                                 codeReuseLater,
	"oidcc-ensure-registered-redirect-uri":                      registeredRedirect,
	"oidcc-ensure-post-request-succeeds":                        postRequest,
	"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported":    requestURIUnsigned,
	"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": unsignedObject,
	"oidcc-claims-essential":                        claimsEssential,
	"oidcc-ensure-request-object-with-redirect-uri": objectRedirect,
	"oidcc-refresh-token":                           refreshToken,
	"oidcc-ensure-request-with-valid-pkce-succeeds": validPKCE,

	"oidcc-discovery-endpoint-verification":                             discovery,
	"oidcc-ensure-redirect-uri-in-authorization-request":                redirectMissing,
	"oidcc-redirect-uri-query-OK":                                       redirectQueryOK,
	"oidcc-redirect-uri-query-mismatch":                                 redirectQueryMismatch,
	"oidcc-redirect-uri-query-added":                                    redirectQueryAdded,
	"oidcc-redirect-uri-regfrag":                                        redirectFragment,
	"oidcc-registration-logo-uri":                                       registrationLogo,
	"oidcc-registration-policy-uri":                                     registrationPolicy,
	"oidcc-registration-tos-uri":                                        registrationTOS,
	"oidcc-registration-jwks-uri":                                       registrationJWKSURI,
	"oidcc-registration-sector-uri":                                     registrationSector,
	"oidcc-registration-sector-bad":                                     registrationSectorBad,
	"oidcc-server-rotate-keys":                                          rotateKeys,
	"oidcc-refresh-token-rp-key-rotation":                               rpKeyRotation,
	"oidcc-request-uri-unsigned":                                        requestURIUnsigned,
	"oidcc-request-uri-signed-rs256":                                    requestURISigned,
	"oidcc-ensure-client-assertion-with-iss-aud-succeeds":               assertionIssuerAudience,
	"oidcc-3rd_party-init-login":                                        thirdPartyLogin,
	"oidcc-3rd_party-init-login-nohttps":                                thirdPartyLoginPlain,
	"oidcc-rp-initiated-logout":                                         rpLogout,
	"oidcc-rp-initiated-logout-bad-id-token-hint":                       rpLogoutForeignHint,
	"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri":            rpLogoutBadRedirect,
	"oidcc-rp-initiated-logout-modified-id-token-hint":                  rpLogoutModifiedHint,
	"oidcc-rp-initiated-logout-no-id-token-hint":                        rpLogoutNoHint,
	"oidcc-rp-initiated-logout-no-params":                               rpLogoutNoParams,
	"oidcc-rp-initiated-logout-no-post-logout-redirect-uri":             rpLogoutNoRedirectURI,
	"oidcc-rp-initiated-logout-no-state":                                rpLogoutNoState,
	"oidcc-rp-initiated-logout-only-state":                              rpLogoutOnlyState,
	"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri": rpLogoutQueryAdded,
	"oidcc-rp-initiated-logout-discovery-endpoint-verification":         rpLogoutDiscovery,
	"oidcc-backchannel-logout-discovery-endpoint-verification":          backLogoutDiscovery,
	"oidcc-backchannel-rp-initiated-logout":                             backLogout,
	"oidcc-frontchannel-logout-discovery-endpoint-verification":         frontLogoutDiscovery,
	"oidcc-frontchannel-rp-initiated-logout":                            frontLogout,
	"oidcc-session-management-discovery-endpoint-verification":          sessionDiscovery,
	"oidcc-session-management-rp-initiated-logout":                      sessionLogout,
}

// patient are modules that wait long; they begin first.
var patient = []string{"oidcc-codereuse-30seconds", "oidcc-refresh-token-rp-key-rotation"}

// needless are modules for which a variant has no use: what the suite marks as not applicable.
var needless = map[string]func(variant) bool{
	"oidcc-idtoken-signature": static,
	"oidcc-idtoken-unsigned":  func(v variant) bool { return static(v) || v.with("id_token") },
	"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": static,
	"oidcc-userinfo-rs256":                func(v variant) bool { return v.response == "id_token" },
	"oidcc-registration-jwks-uri":         codeless,
	"oidcc-refresh-token-rp-key-rotation": codeless,
	"oidcc-refresh-token":                 codeless,
}

func static(v variant) bool   { return !v.dynamic }
func codeless(v variant) bool { return !v.with("code") }

// The lists of the plans, in their order.
var (
	userinfoModules = []string{"oidcc-userinfo-get", "oidcc-userinfo-post-header", "oidcc-userinfo-post-body"}
	scopeModules    = []string{"oidcc-scope-profile", "oidcc-scope-email", "oidcc-scope-address", "oidcc-scope-phone", "oidcc-scope-all"}
	askingModules   = []string{"oidcc-display-page", "oidcc-display-popup", "oidcc-prompt-login", "oidcc-prompt-none-not-logged-in",
		"oidcc-prompt-none-logged-in", "oidcc-max-age-1", "oidcc-max-age-10000", "oidcc-ensure-request-with-unknown-parameter-succeeds",
		"oidcc-id-token-hint", "oidcc-login-hint", "oidcc-ui-locales", "oidcc-claims-locales", "oidcc-ensure-request-with-acr-values-succeeds"}
	codeModules   = []string{"oidcc-codereuse", "oidcc-codereuse-30seconds"}
	objectModules = []string{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
		"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", "oidcc-claims-essential", "oidcc-ensure-request-object-with-redirect-uri"}
)

const (
	alternate  = "oidcc-alternate-happy-flow"
	redirect   = "oidcc-ensure-registered-redirect-uri"
	secretPost = "oidcc-server-client-secret-post"
)

// basic is one run of the code flow's list.
func basic(v variant) []series {
	list := slices.Concat([]string{"oidcc-server", "oidcc-response-type-missing", "oidcc-idtoken-signature", "oidcc-idtoken-unsigned"}, userinfoModules,
		[]string{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow"}, scopeModules, []string{alternate}, askingModules, codeModules,
		[]string{redirect, "oidcc-ensure-post-request-succeeds"}, objectModules, []string{"oidcc-refresh-token", "oidcc-ensure-request-with-valid-pkce-succeeds"})
	return only(v, "code", list, true)
}

func implicit(v variant) []series {
	list := slices.Concat([]string{"oidcc-server", "oidcc-idtoken-signature", "oidcc-ensure-request-without-nonce-fails"}, scopeModules, []string{alternate},
		askingModules, []string{redirect}, objectModules)
	return slices.Concat(only(v, "id_token", list, false),
		only(v, "id_token token", slices.Concat(list, userinfoModules, []string{"oidcc-response-type-missing"}), false))
}

func hybrid(v variant) (out []series) {
	for n, rt := range []string{"code id_token", "code token", "code id_token token"} {
		nonce := "oidcc-ensure-request-without-nonce-fails"
		if rt == "code token" {
			nonce = "oidcc-ensure-request-without-nonce-succeeds-for-code-flow"
		}
		list := slices.Concat([]string{"oidcc-server", "oidcc-idtoken-signature"}, userinfoModules, []string{nonce}, scopeModules, askingModules, codeModules,
			[]string{redirect}, objectModules, []string{"oidcc-refresh-token"})
		if n == 0 { // what the plan runs once only
			list = append(list, "oidcc-response-type-missing", alternate, "oidcc-ensure-request-with-valid-pkce-succeeds")
		}
		out = append(out, only(v, rt, list, true)...)
	}
	return out
}

// only is a list for one response type, without what has no use; post adds the module of client_secret_post.
func only(v variant, response string, list []string, post bool) []series {
	v.response = response
	if v.auth == "" {
		v.auth = "client_secret_basic"
	}
	out := []series{{v, slices.DeleteFunc(slices.Clone(list), func(name string) bool { return needless[name] != nil && needless[name](v) })}}
	if post {
		v.auth = "client_secret_post"
		out = append(out, series{v, []string{secretPost}})
	}
	return out
}

// both runs a plan with declared clients and with such as register themselves.
func both(list func(variant) []series, mode string) []series {
	return slices.Concat(list(variant{mode: mode}), list(variant{mode: mode, dynamic: true}))
}

func dynamic(response string) []series {
	return only(variant{auth: "private_key_jwt", dynamic: true}, response, []string{
		"oidcc-idtoken-rs256", "oidcc-idtoken-unsigned", "oidcc-userinfo-rs256", "oidcc-ensure-redirect-uri-in-authorization-request",
		"oidcc-redirect-uri-query-OK", "oidcc-redirect-uri-query-mismatch", "oidcc-redirect-uri-query-added", "oidcc-redirect-uri-regfrag",
		"oidcc-discovery-endpoint-verification", "oidcc-server", "oidcc-registration-logo-uri", "oidcc-registration-policy-uri",
		"oidcc-registration-tos-uri", "oidcc-registration-jwks-uri", "oidcc-registration-sector-uri", "oidcc-registration-sector-bad",
		"oidcc-server-rotate-keys", "oidcc-refresh-token-rp-key-rotation", "oidcc-request-uri-unsigned", "oidcc-request-uri-signed-rs256",
		"oidcc-ensure-request-object-with-redirect-uri", "oidcc-refresh-token", "oidcc-ensure-client-assertion-with-iss-aud-succeeds"}, false)
}

// ending runs the modules of a logout plan for the response types that a certification may choose.
func ending(names ...string) (out []series) {
	for _, dyn := range []bool{false, true} {
		for _, rt := range []string{"code", "code id_token", "id_token"} {
			out = append(out, only(variant{dynamic: dyn}, rt, names, false)...)
		}
	}
	return out
}

var plans = []plan{
	{"config", "Config OP", "oidcc-config-certification-test-plan",
		[]series{{variant{}, []string{"oidcc-discovery-endpoint-verification"}}}},
	{"basic", "Basic OP", "oidcc-basic-certification-test-plan", both(basic, "")},
	{"implicit", "Implicit OP", "oidcc-implicit-certification-test-plan", both(implicit, "")},
	{"hybrid", "Hybrid OP", "oidcc-hybrid-certification-test-plan", both(hybrid, "")},
	{"formpost-basic", "Form Post OP basic", "oidcc-formpost-basic-certification-test-plan", both(basic, "form_post")},
	{"formpost-implicit", "Form Post OP implicit", "oidcc-formpost-implicit-certification-test-plan", both(implicit, "form_post")},
	{"formpost-hybrid", "Form Post OP hybrid", "oidcc-formpost-hybrid-certification-test-plan", both(hybrid, "form_post")},
	{"dynamic", "Dynamic OP", "oidcc-dynamic-certification-test-plan", slices.Concat(dynamic("code"), dynamic("code id_token"), dynamic("id_token"))},
	{"3rdparty-init-login", "3rd Party-Init OP", "oidcc-3rdparty-init-login-certification-test-plan",
		only(variant{dynamic: true}, "code", []string{"oidcc-3rd_party-init-login", "oidcc-3rd_party-init-login-nohttps"}, false)},
	{"rp-initiated-logout", "RP-Initiated OP", "oidcc-rp-initiated-logout-certification-test-plan",
		ending("oidcc-rp-initiated-logout-discovery-endpoint-verification", "oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri",
			"oidcc-rp-initiated-logout-modified-id-token-hint", "oidcc-rp-initiated-logout-no-id-token-hint", "oidcc-rp-initiated-logout-no-params",
			"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", "oidcc-rp-initiated-logout-no-state", "oidcc-rp-initiated-logout-only-state",
			"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", "oidcc-rp-initiated-logout-bad-id-token-hint")},
	{"session-management", "Session OP", "oidcc-session-management-certification-test-plan",
		ending("oidcc-session-management-discovery-endpoint-verification", "oidcc-session-management-rp-initiated-logout")},
	{"frontchannel-logout", "Front-Channel OP", "oidcc-frontchannel-rp-initiated-logout-certification-test-plan",
		ending("oidcc-frontchannel-logout-discovery-endpoint-verification", "oidcc-frontchannel-rp-initiated-logout")},
	{"backchannel-logout", "Back-Channel OP", "oidcc-backchannel-rp-initiated-logout-certification-test-plan",
		ending("oidcc-backchannel-logout-discovery-endpoint-verification", "oidcc-backchannel-rp-initiated-logout")},
}

// testName is the function that is a module, or that makes it.
func testName(module string) string {
	name := runtime.FuncForPC(reflect.ValueOf(modules[module]).Pointer()).Name()
	for _, part := range strings.Split(name[strings.LastIndexByte(name, '/')+1:], ".") {
		if part != "conformance" && part != "init" && !strings.HasPrefix(part, "func") {
			return part
		}
	}
	return name
}
