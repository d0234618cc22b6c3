package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/draw"
	_ "image/gif" // the formats of logos: what else comes is refused
	_ "image/jpeg"
	"image/png"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/postern-id/postern/egress"
	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/oauth"
)

// The bounds on logos of clients.
const (
	LogoSize = 256 << 10 // bytes of one as it is fetched; for the egress.Client of NewLogos

	logoPixels = 2048 // its width and height, at most
	logoShown  = 192  // … as we serve it, at most
	maxLogos   = 512  // kept at once
	logoLife   = 24 * time.Hour
	logoPause  = 10 * time.Minute // before one that failed is fetched again
	logoWait   = 2 * time.Second  // how long a page waits for one, the first time
)

const logoPath = "/client-logo/"

// Logos are the logos of clients as people may see them: fetched under guard, drawn anew as PNG, and served by us, so that
// nobody's browser tells a stranger who signs in where. They are kept in memory. It is safe for concurrent use.
type Logos struct {
	fetch *egress.Client
	now   func() time.Time
	slots chan struct{} // fetches under way
	paint sync.Mutex    // one is decoded at a time: that takes memory
	mu    sync.Mutex
	known map[string]*logo // by logoHash
}

type logo struct {
	png   []byte        // nil: none yet, or it failed
	asked time.Time     // when the last fetch began
	done  chan struct{} // closed when that ended
}

// NewLogos returns an empty cache; the MaxBody of fetch is LogoSize.
func NewLogos(fetch *egress.Client, now func() time.Time) *Logos {
	return &Logos{fetch: fetch, now: now, slots: make(chan struct{}, 8), known: map[string]*logo{}}
}

// Prefetch begins to fetch the logo of c, if it has one, and does not wait.
func (l *Logos) Prefetch(c *oauth.Client) {
	if c.LogoURI != "" {
		l.ask(c.LogoURI)
	}
}

func logoHash(uri string) string {
	sum := sha256.Sum256([]byte(uri))
	return hex.EncodeToString(sum[:16])
}

// ask returns what is known of the logo at uri, and begins to fetch it where that is due.
func (l *Logos) ask(uri string) logo {
	l.mu.Lock()
	defer l.mu.Unlock()
	hash := logoHash(uri)
	e := l.known[hash]
	if e == nil {
		if len(l.known) >= maxLogos {
			l.forget()
		}
		e = &logo{}
		l.known[hash] = e
	}
	life := logoPause
	if e.png != nil {
		life = logoLife
	}
	if e.done == nil || ended(e.done) && l.now().Sub(e.asked) >= life {
		e.asked, e.done = l.now(), make(chan struct{})
		go l.load(uri, e, e.done)
	}
	return *e
}

func ended(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// forget drops the logo that was fetched the longest ago. l.mu is held.
func (l *Logos) forget() {
	oldest := ""
	for hash, e := range l.known {
		if oldest == "" || e.asked.Before(l.known[oldest].asked) {
			oldest = hash
		}
	}
	delete(l.known, oldest)
}

func (l *Logos) load(uri string, e *logo, done chan struct{}) {
	defer close(done)
	l.slots <- struct{}{}
	defer func() { <-l.slots }()
	raw, _, err := l.fetch.Get(context.Background(), uri, "image/png, image/jpeg, image/gif")
	var drawn []byte
	if err == nil {
		l.paint.Lock()
		drawn, err = redraw(raw)
		l.paint.Unlock()
	}
	if err != nil { // the page goes without; one that was good before stays
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.png = drawn
}

// get returns the logo at uri as PNG, waiting a little where it was never there before; nil for none.
func (l *Logos) get(ctx context.Context, uri string) []byte {
	e := l.ask(uri)
	if e.png != nil || ended(e.done) {
		return l.have(uri)
	}
	patience := time.NewTimer(logoWait - l.now().Sub(e.asked))
	defer patience.Stop()
	select {
	case <-e.done:
	case <-patience.C:
	case <-ctx.Done():
	}
	return l.have(uri)
}

func (l *Logos) have(uri string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.known[logoHash(uri)]; e != nil {
		return e.png
	}
	return nil
}

// redraw decodes a picture whose size is known to be bearable, and encodes it anew: what else was in the file is gone.
func redraw(raw []byte) (_ []byte, err error) {
	defer func() {
		if p := recover(); p != nil { // strangers' files in many decoders: none may end the server
			err = fmt.Errorf("web: a logo that cannot be decoded: %v", p)
		}
	}()
	cfg, _, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > logoPixels || cfg.Height > logoPixels {
		return nil, fmt.Errorf("web: a logo of %d×%d pixels", cfg.Width, cfg.Height)
	}
	src, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if b := src.Bounds(); b.Dx() < 1 || b.Dy() < 1 || b.Dx() > logoPixels || b.Dy() > logoPixels {
		return nil, errors.New("web: a logo of another size than it says")
	}
	var out bytes.Buffer
	err = png.Encode(&out, shrink(src, logoShown))
	return out.Bytes(), err
}

// shrink returns src with neither side longer than most; each pixel is the mean of those that it stands for.
func shrink(src image.Image, most int) *image.RGBA {
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	flat := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(flat, flat.Bounds(), src, b.Min, draw.Src)
	longest := max(w, h)
	if longest <= most {
		return flat
	}
	nw, nh := max(1, w*most/longest), max(1, h*most/longest)
	out := image.NewRGBA(image.Rect(0, 0, nw, nh))
	for y := range nh {
		top, bottom := y*h/nh, max((y+1)*h/nh, y*h/nh+1)
		for x := range nw {
			left, right := x*w/nw, max((x+1)*w/nw, x*w/nw+1)
			var sum [4]int
			for sy := top; sy < bottom; sy++ {
				row := flat.Pix[sy*flat.Stride+left*4 : sy*flat.Stride+right*4]
				for i, v := range row {
					sum[i%4] += int(v)
				}
			}
			n := (bottom - top) * (right - left)
			for i := range sum {
				out.Pix[y*out.Stride+x*4+i] = uint8(sum[i] / n)
			}
		}
	}
	return out
}

// logo is where a page finds the logo of c, or "" where there is none to show.
func (s *Server) logo(ctx context.Context, c *oauth.Client) string {
	if s.opt.Logos == nil || c.LogoURI == "" || s.opt.Logos.get(ctx, c.LogoURI) == nil {
		return ""
	}
	return s.base.Path + logoPath + logoHash(c.LogoURI) + "?" + url.Values{"c": {string(c.ID)}}.Encode()
}

// clientLogo serves it. Only what a registered client named is fetched, on whichever node the page comes to.
func (s *Server) clientLogo(w http.ResponseWriter, r *http.Request) error {
	c, err := s.opt.Registry.Client(ident.ClientID(r.URL.Query().Get("c")))
	if err != nil || s.opt.Logos == nil || c.LogoURI == "" || r.PathValue("hash") != logoHash(c.LogoURI) {
		return errNotFound
	}
	picture := s.opt.Logos.get(r.Context(), c.LogoURI)
	if picture == nil {
		return errNotFound
	}
	h := w.Header()
	h.Set("Content-Type", "image/png")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Content-Security-Policy", "default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(picture)
	return nil
}
