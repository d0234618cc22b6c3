// Package clients holds Postern against OpenID Connect libraries that others wrote and many use: each test walks the
// whole way against the real binary. It is a module of its own, so that what it needs stays out of the product.
//
//	go test ./...
//
// POSTERN_BIN names a built binary; without it one is built first.
package clients
