package pages

import (
	"bytes"
	"embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"path"
	"regexp"
	"sync"

	"github.com/postern-id/postern/web/locales"
	"github.com/postern-id/postern/web/static"
)

//go:embed html/*.html
var sources embed.FS

// shared are the files that every page is parsed with.
var shared = []string{"layout", "parts"}

var pageNames = []string{
	"login", "code", "consent", "continue", "devicekey", "formpost", "logout", "signedout", "signingout", "finished", "error",
	"overview", "sessions", "apps", "activity",
	"passkeys", "totp", "recoverycodes", "password", "settings",
	"recoverycode", "passkeyprompt", "notme", "recover", "recoveropen", "recoverwait", "recoverset", "notice", "device", "deviceconfirm", "devicedone",
	"approvers", "approvals", "approve", "approvedone", "push", "outbox", "outboxmail",
}

// Renderer renders pages; safe for concurrent use.
type Renderer struct {
	cat     *locales.Catalogue
	pages   map[locales.Lang]map[string]*template.Template
	buffers sync.Pool
}

// New returns a Renderer with every page parsed in every language. The texts that take no arguments become part of
// the templates here, so that rendering only fills in what differs.
func New(cat *locales.Catalogue) (*Renderer, error) {
	r := &Renderer{cat: cat, pages: make(map[locales.Lang]map[string]*template.Template, len(locales.All))}
	r.buffers.New = func() any { return new(bytes.Buffer) }
	for _, l := range locales.All {
		root := template.New("").Option("missingkey=error").Funcs(funcs(cat, l))
		for _, name := range shared {
			if err := r.parse(root, l, name); err != nil {
				return nil, err
			}
		}
		r.pages[l] = make(map[string]*template.Template, len(pageNames))
		for _, name := range pageNames {
			t, err := root.Clone()
			if err != nil {
				return nil, fmt.Errorf("pages: %s: %w", name, err)
			}
			if err := r.parse(t, l, name); err != nil {
				return nil, err
			}
			r.pages[l][name] = t.Lookup("layout")
		}
	}
	return r, nil
}

// fixed matches what is the same in every rendering of one language.
var fixed = regexp.MustCompile(`\{\{(t|asset) "([^"]+)"\}\}`)

func (r *Renderer) parse(t *template.Template, l locales.Lang, name string) error {
	src, err := sources.ReadFile(path.Join("html", name+".html"))
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	var missing error
	text := fixed.ReplaceAllStringFunc(string(src), func(m string) string {
		sub := fixed.FindStringSubmatch(m)
		s, ok := static.Path(sub[2]), true
		if sub[1] == "t" {
			s, ok = r.cat.Text(l, sub[2])
		}
		if !ok || s == "" {
			missing = fmt.Errorf("pages: %s: no %q in %s", name, sub[2], l)
		}
		return html.EscapeString(s)
	})
	if missing != nil {
		return missing
	}
	if _, err := t.Parse(text); err != nil {
		return fmt.Errorf("pages: %s: %w", name, err)
	}
	return nil
}

// doc is what a template sees as $.
type doc struct {
	Frame
	V      View
	Page   string
	Failed bool // the form came back with a fault
}

type language struct {
	locales.Lang
	URL     string
	Current bool
}

// Languages are the links of the header.
func (d *doc) Languages() []language {
	ls := make([]language, len(locales.All))
	for i, l := range locales.All {
		ls[i] = language{l, LangURL(d.Self, l), l == d.Lang}
	}
	return ls
}

// Retry is where an error page leads that may be gone in a moment; "" where trying again does not help.
func (d *doc) Retry() string {
	if e, ok := d.V.(Error); ok && d.Self != "" {
		switch e.Kind {
		case Broken, Unavailable, TooMany, Forged:
			return own(d.Self).String()
		}
	}
	return ""
}

// maxKept bounds the buffers that are kept for the next page, in bytes.
const maxKept = 64 << 10

// Render writes the page that the type of v names: HTML in UTF-8, whole or not at all.
func (r *Renderer) Render(w io.Writer, f Frame, v View) error {
	pages, ok := r.pages[f.Lang]
	if !ok {
		f.Lang = locales.English
		pages = r.pages[f.Lang]
	}
	if f.Brand == "" {
		f.Brand = r.cat.T(f.Lang, "app.name")
	}
	f.Theme = ThemeOf(string(f.Theme))
	d := &doc{Frame: f, V: v, Page: v.page(), Failed: failed(v)}
	buf := r.buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= maxKept {
			r.buffers.Put(buf)
		}
	}()
	if err := pages[d.Page].Execute(buf, d); err != nil {
		return fmt.Errorf("pages: %s: %w", d.Page, err)
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// failed says whether a form came back.
func failed(v View) bool {
	switch v := v.(type) {
	case Login:
		return v.Fault != NoFault
	case Code:
		return v.Fault != NoFault
	case RecoveryCode:
		return v.Fault != NoFault
	case TOTP:
		return v.Fault != NoFault
	case RecoveryCodes:
		return v.Fault != NoFault
	case Password:
		return v.Fault != NoFault || len(v.Weak) > 0
	case DeviceCode:
		return v.Fault != NoFault
	case Recover:
		return v.Fault != NoFault
	case RecoverSet:
		return v.Fault != NoFault || len(v.Weak) > 0
	}
	return false
}
