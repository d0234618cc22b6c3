package oauth

import (
	"context"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/sessions"
)

type envKey struct{}

// WithEnv puts where the request comes from into its context; the shell does it once for every request.
func WithEnv(ctx context.Context, env ident.Env) context.Context {
	return context.WithValue(ctx, envKey{}, env)
}

// EnvOf is where the request of ctx comes from; zero where nobody said.
func EnvOf(ctx context.Context) ident.Env {
	env, _ := ctx.Value(envKey{}).(ident.Env)
	return env
}

type sessionKey struct{}

// WithSession puts the live session of the browser into the context of its request; the shell does it after checking the cookie.
func WithSession(ctx context.Context, s sessions.Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, &s)
}

// SessionOf is the live session of the browser, or nil.
func SessionOf(ctx context.Context) *sessions.Session {
	s, _ := ctx.Value(sessionKey{}).(*sessions.Session)
	return s
}

type noteKey struct{}

// Note is where a handler leaves the cause of an error that travels to the client by a redirect, for the operator's log.
type Note struct{ Err error }

// WithNote lets what follows leave a note for whoever called.
func WithNote(ctx context.Context) (context.Context, *Note) {
	n := &Note{}
	return context.WithValue(ctx, noteKey{}, n), n
}

// Leave leaves err in the note of ctx, if there is one.
func Leave(ctx context.Context, err error) {
	if n, ok := ctx.Value(noteKey{}).(*Note); ok {
		n.Err = err
	}
}
