package locales

import (
	"math"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

var units = []struct {
	key string
	d   time.Duration
	max time.Duration // below this the unit is used
}{
	{"time.seconds", time.Second, time.Minute},
	{"time.minutes", time.Minute, time.Hour},
	{"time.hours", time.Hour, 48 * time.Hour},
	{"time.days", 24 * time.Hour, math.MaxInt64},
}

// Wait returns d in words, rounded up, for how long something still takes: "30 seconds", "5 minutes".
func (c *Catalogue) Wait(l Lang, d time.Duration) string { return c.span(l, d, true) }

// Span returns d in words, rounded down, for how long ago something was.
func (c *Catalogue) Span(l Lang, d time.Duration) string { return c.span(l, d, false) }

func (c *Catalogue) span(l Lang, d time.Duration, up bool) string {
	d = max(d, time.Second)
	for _, u := range units {
		n := d / u.d
		if up && d%u.d != 0 {
			n++
		}
		if n*u.d < u.max || u.max == math.MaxInt64 {
			return c.N(l, u.key, int(n))
		}
	}
	return ""
}

// Ago returns how long before now t was: "just now", "3 hours ago", or its date after 30 days.
// With a zero now it is always the date.
func (c *Catalogue) Ago(l Lang, now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case !Fresh(now, t):
		return Date(t)
	case d < time.Minute:
		return c.T(l, "time.now")
	}
	return c.T(l, "time.ago", c.Span(l, d))
}

// Fresh says whether Ago tells t in words.
func Fresh(now, t time.Time) bool {
	d := now.Sub(t)
	return !now.IsZero() && -time.Minute <= d && d < 30*24*time.Hour
}

// Date is the day of t in UTC, the same in every language.
func Date(t time.Time) string { return t.UTC().Format("2006-01-02") }

// Minute is t in UTC to the minute, the same in every language.
func Minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

// Place returns the name of the country or region with the ISO 3166-1 alpha-2 code; "" where there is none.
// The text "place."+code of the catalogue goes before the name of the Unicode CLDR.
func (c *Catalogue) Place(l Lang, code string) string {
	if len(code) != 2 {
		return ""
	}
	r, err := language.ParseRegion(code)
	if err != nil || !r.IsCountry() {
		return ""
	}
	if s, ok := c.Text(l, "place."+r.String()); ok {
		return s
	}
	if l == Chinese {
		return display.Chinese.Regions().Name(r)
	}
	return display.English.Regions().Name(r)
}
