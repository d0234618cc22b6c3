// Package clients holds Postern against OpenID Connect libraries that others wrote and many use: each test walks the
// whole way against the real binary. It is a module of its own, so that what it needs stays out of the product.
//
// The Go libraries are zitadel/oidc, coreos/go-oidc with x/oauth2, and hashicorp/cap; of Debian there are apache2 with
// mod_auth_openidc, and authlib for Python. Those of the Node world are in node: openid-client, oauth4webapi,
// passport-openidconnect, oidc-client-ts in Chromium, @auth/express and express-openid-connect.
//
// Every client has the default profile, the strictest, unless the seed says which library cannot do with it and why.
//
//	go test ./...
//
// POSTERN_BIN names a built binary; without it one is built first.
package clients
