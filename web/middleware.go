package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
	"github.com/postern-id/postern/sessions"
	"github.com/postern-id/postern/span"
)

// wrap puts around a row what its face demands: one place for limits, cookies, headers, errors, the log line.
func (s *Server) wrap(row route) http.Handler {
	cross := http.NewCrossOriginProtection()
	_ = cross.AddTrustedOrigin(s.base.Scheme + "://" + s.base.Host)
	name := strings.TrimSuffix(row.path, "{$}")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := s.opt.Now()
		ctx, end := span.Start(traced(r), "web "+name)
		ctx, note := oauth.WithNote(ctx)
		rec := &recorder{ResponseWriter: w}
		env := s.env(r)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		err := s.admit(rec, r, row, env, cross)
		if err == nil && r.Method != http.MethodOptions {
			err = s.serve(rec, r.WithContext(ctx), row, env)
		}
		if err != nil {
			s.fail(rec, r, row, env, err)
		}
		if err == nil {
			err = note.Err
		}
		end(err)
		took := s.opt.Now().Sub(begun)
		s.opt.Observe(name, rec.code(), took)
		s.log(r.Context(), name, r.Method, rec.code(), took, env.RequestID, err)
	})
}

// straight lets only plain paths through to the table: http.ServeMux would answer others, such as //token, by a redirect of
// its own, with 307, which repeats a form with the credentials in it, and past everything that wrap puts around an answer.
func straight(table, lost http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; p != "/" && path.Clean("/"+p) != strings.TrimSuffix(p, "/") {
			lost.ServeHTTP(w, r)
			return
		}
		table.ServeHTTP(w, r)
	})
}

// admit refuses what need not be looked at.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, row route, env ident.Env, cross *http.CrossOriginProtection) error {
	if row.cors != nobody {
		s.allowOrigin(w, r, row.cors)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
	}
	if row.methods != nil && !slices.Contains(row.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(row.methods, ", "))
		return errMethod
	}
	if row.face == page || row.face == fetch {
		if err := cross.Check(r); err != nil {
			return errForged
		}
	}
	if row.rate > 0 && !s.limits.allow(row.path+"|"+ident.Network(env.IP), row.rate) {
		return oauth.TooMany()
	}
	r.Body = http.MaxBytesReader(w, r.Body, row.body)
	return nil
}

// serve runs the handler, with the cookies that a person's browser brings.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, row route, env ident.Env) error {
	select {
	case s.gate <- struct{}{}:
		defer func() { <-s.gate }()
	default:
		return oauth.Unavailable(errors.New("web: too many requests at once"))
	}
	ctx := r.Context()
	if row.face == frame {
		frameHeaders(w.Header())
	}
	if row.face == page || row.face == fetch || row.face == open {
		pageHeaders(w.Header())
		cookie := s.cookie(r, deviceCookie)
		if env.Device = s.opt.Sessions.Device(cookie); env.Device == "" {
			cookie = s.opt.Sessions.NewDevice()
			env.Device = s.opt.Sessions.Device(cookie)
			s.setCookie(w, deviceCookie, cookie, 400*24*time.Hour)
		}
		env.Key, env.KeyID = s.shownKey(r, env.Device)
		to := ""
		if c := s.cookie(r, sessionCookie); c != "" {
			sess, fresh, err := s.opt.Sessions.Check(ctx, c, env)
			switch {
			case errors.Is(err, sessions.ErrKeyMissing), errors.Is(err, sessions.ErrOtherKey):
				if ctx, to, err = s.keyless(ctx, w, r, row, sess, env, err); err != nil {
					return err
				}
			case err == nil:
				ctx = oauth.WithSession(ctx, sess)
				if fresh != "" {
					s.setCookie(w, sessionCookie, fresh, 0)
				}
			case errors.Is(err, sessions.ErrElsewhere):
				ctx = withSuspended(ctx, sess)
			case !errors.Is(err, sessions.ErrNone):
				return oauth.Unavailable(err)
			}
		}
		if to == "" {
			to = s.enrol(r, row, oauth.SessionOf(ctx), env)
		}
		if to != "" {
			return s.to(w, to)
		}
		s.keepState(w, r, oauth.SessionOf(ctx))
		s.offerKey(w, r, oauth.SessionOf(ctx), env)
	}
	return row.h(w, r.WithContext(oauth.WithEnv(ctx, env)))
}

// pageHeaders: no script but ours, no frame, no referrer, no cache. UX and ATTACKS A18, A20, A21.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self), geolocation=(), camera=(), microphone=()")
	h.Set("Cache-Control", "no-store")
}

// frameHeaders: in a frame of anybody, but no script that is not ours, and nowhere to go.
func frameHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *; "+
		"require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store") // what is found says otherwise
}

// allowOrigin answers the CORS protocol, never with credentials.
func (s *Server) allowOrigin(w http.ResponseWriter, r *http.Request, who cors) {
	origin := r.Header.Get("Origin")
	h := w.Header()
	if who == clients {
		h.Add("Vary", "Origin")
		if origin == "" || !s.opt.Registry.Origin(origin) {
			return
		}
	} else {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "WWW-Authenticate")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		h.Set("Access-Control-Max-Age", "600")
	}
}

// env is where a request comes from. A header of a proxy counts only if the peer is one that was configured.
func (s *Server) env(r *http.Request) ident.Env {
	agent := r.UserAgent()
	if len(agent) > 512 {
		agent = agent[:512]
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	ip, trusted := s.peer(r)
	return ident.Env{IP: ip, UserAgent: agent, RequestID: hex.EncodeToString(id[:]), Hints: hints(r), JA4: s.ja4(r, trusted)}
}

// peer is whom r comes from, and whether a trusted proxy brought it.
func (s *Server) peer(r *http.Request) (ip netip.Addr, trusted bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	if ip = ap.Addr().Unmap(); s.proxy(ip) {
		return s.forwarded(r, ip), true
	}
	return ip, false
}

// forwarded is whom the proxy at ip speaks for.
func (s *Server) forwarded(r *http.Request, ip netip.Addr) netip.Addr {
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) { // nearest first: what stands behind the first stranger is hearsay
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return ip
		}
		if ip = a.Unmap(); !s.proxy(ip) {
			return ip
		}
	}
	return ip
}

func (s *Server) proxy(ip netip.Addr) bool {
	for _, p := range s.opt.Proxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// log writes the one line of a request. It names the route, never the path, the person, the address or a parameter.
func (s *Server) log(ctx context.Context, route, method string, status int, took time.Duration, id string, err error) {
	level := slog.LevelInfo
	gone := ctx.Err() != nil && errors.Is(err, context.Canceled) // who asked did not wait for the answer: nothing is wrong here
	if !gone && (status >= 500 || err != nil && oauth.AsError(outward(err)).Status >= 500) {
		level = slog.LevelError
	}
	if !s.opt.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("method", method), slog.String("route", route), slog.Int("status", status),
		slog.Int64("us", took.Microseconds()), slog.String("request", id)}
	if err != nil {
		if e := oauth.AsError(outward(err)); e.Status < 500 {
			attrs = append(attrs, slog.String("error", e.Code))
		} else {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
	}
	s.opt.Log.LogAttrs(ctx, level, "request", attrs...)
}

// recorder remembers the status that a handler wrote.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
