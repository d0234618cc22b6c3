// Package static owns the style sheet, the script and the icon of the pages: they are embedded, named by the hash
// of their content, compressed once at start and cached by browsers for ever. It serves nothing else.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Prefix is the path under which Handler serves.
const Prefix = "/static/"

//go:embed app.css app.js passkey.js codes.js post.js signout.js checksession.js approve.js push.js subscribe.js bind.js sw.js icon.svg
var files embed.FS

var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

type asset struct {
	contentType, etag string
	plain, gzip       []byte
}

type set struct {
	byName map[string]string // "app.css" → "/static/app.0123456789ab.css"
	byPath map[string]*asset
}

var assets = load(files)

// Path returns the path with the content hash of the file name, such as "app.css"; "" if there is none.
func Path(name string) string { return assets.byName[name] }

// Text is the file name as it is served, for a path of its own.
func Text(name string) []byte { return assets.byPath[assets.byName[name]].plain }

// load prepares all files of fsys. They are part of the binary: a fault in them is a fault of the build.
func load(fsys fs.FS) set {
	s := set{map[string]string{}, map[string]*asset{}}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		b, err := fs.ReadFile(fsys, e.Name())
		if err != nil {
			panic(err)
		}
		ext := path.Ext(e.Name())
		if ext == ".js" {
			b = slim(b)
		}
		sum := sha256.Sum256(b)
		hash := hex.EncodeToString(sum[:6])
		p := Prefix + strings.TrimSuffix(e.Name(), ext) + "." + hash + ext
		s.byName[e.Name()] = p
		s.byPath[p] = &asset{types[ext], `"` + hash + `"`, b, compress(b)}
	}
	return s
}

var remarks = regexp.MustCompile(`(?m)/\*\*[^*\n]*\*/ ?|^\s*//.*\n|^[\t ]+|\n\n+`)

// slim leaves out of our own scripts what only their readers need: type annotations, lines of comment, indentation.
// They keep one statement a line, no text of theirs spans two, and none holds what looks like a comment.
func slim(b []byte) []byte {
	return remarks.ReplaceAllFunc(b, func(m []byte) []byte {
		if m[0] == '\n' {
			return []byte("\n")
		}
		return nil
	})
}

func compress(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // the level is a valid constant
	w.Write(b)                                              // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}

// Handler serves the files at their hashed paths to GET and HEAD, with a year of immutable caching; 404 for all else.
func Handler() http.Handler { return assets }

func (s set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	a, ok := s.byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	body, etag := a.plain, a.etag
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body, etag = a.gzip, strings.TrimSuffix(a.etag, `"`)+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		w.Write(body)
	}
}

// acceptsGzip says whether Accept-Encoding names gzip without q=0. RFC 9110 §12.5.3.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		name, q, _ := strings.Cut(params, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			return true
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		return err == nil && f > 0
	}
	return false
}

// matches compares weakly, as RFC 9110 §13.1.2 wants it for If-None-Match.
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}
