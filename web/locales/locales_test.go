package locales

import (
	"maps"
	"regexp"
	"slices"
	"testing"
	"time"
)

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var placeholder = regexp.MustCompile(`%(?:\[(\d)\])?[sd]|%[^%\s]`)

// verbs lists the placeholders of s with their positions, in the order of the arguments.
func verbs(s string) []string {
	var vs []string
	for i, m := range placeholder.FindAllStringSubmatch(s, -1) {
		pos := m[1]
		if pos == "" {
			pos = string(rune('1' + i))
		}
		vs = append(vs, pos+m[0][len(m[0])-1:])
	}
	slices.Sort(vs)
	return vs
}

func TestSameKeysAndPlaceholders(t *testing.T) {
	c := load(t)
	en, zh := c.Keys(English), c.Keys(Chinese)
	if a, b := slices.Sorted(maps.Keys(en)), slices.Sorted(maps.Keys(zh)); !slices.Equal(a, b) {
		t.Errorf("keys differ: en has %d, zh-CN has %d", len(a), len(b))
	}
	for k, s := range en {
		if s == "" || zh[k] == "" {
			t.Errorf("%s: empty", k)
		}
		if a, b := verbs(s), verbs(zh[k]); !slices.Equal(a, b) {
			t.Errorf("%s: placeholders %v in en, %v in zh-CN", k, a, b)
		}
	}
}

// The rules of the glossary that a machine can check.
func TestChineseStyle(t *testing.T) {
	rules := []struct {
		name string
		re   *regexp.Regexp
	}{
		{"您, not 你", regexp.MustCompile(`你`)},
		{"half-width punctuation after Han", regexp.MustCompile(`\p{Han}[,.?!:;]`)},
		{"space between Han and Latin", regexp.MustCompile(`\p{Han} [A-Za-z]|[A-Za-z] \p{Han}`)},
		{"space next to a placeholder", regexp.MustCompile(`\p{Han} %|%(\[\d\])?[sd] \p{Han}`)},
		{"word the glossary excludes", regexp.MustCompile(`登陆|注销|帐户|帐号|账户|口令|认证器|备份码|备用码|二次认证|程序|同意|证书`)},
	}
	key := regexp.MustCompile(`(.{0,6})密钥`)
	goodKey := regexp.MustCompile(`(通行|签名|客户端|设置)$`)
	country := regexp.MustCompile(`国家(或地区)?`)
	for k, s := range load(t).Keys(Chinese) {
		for _, r := range rules {
			if r.re.MatchString(s) {
				t.Errorf("%s: %s: %s", k, r.name, s)
			}
		}
		for _, m := range key.FindAllStringSubmatch(s, -1) {
			if !goodKey.MatchString(m[1]) {
				t.Errorf("%s: bare 密钥: %s", k, s)
			}
		}
		for _, m := range country.FindAllStringSubmatch(s, -1) {
			if m[1] == "" {
				t.Errorf("%s: 国家 without 或地区: %s", k, s)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		want Lang
	}{
		{"nothing", nil, English},
		{"browser", []string{"", "", "zh-CN,zh;q=0.9,en;q=0.8"}, Chinese},
		{"ui_locales first", []string{"en-GB", "zh-CN", "zh-CN"}, English},
		{"ui_locales list with spaces", []string{"fr-CA zh-Hans en", "", "en"}, Chinese},
		{"cookie before browser", []string{"", "zh-CN", "en-US,en;q=0.9"}, Chinese},
		{"unknown language falls through", []string{"fr", "", "zh"}, Chinese},
		{"none known", []string{"fr", "de", "it,pt;q=0.5"}, English},
		{"traditional is nearer than English", []string{"", "", "zh-TW,zh;q=0.9"}, Chinese},
		{"quality decides", []string{"", "", "zh;q=0.2,en;q=0.9"}, English},
		{"rubbish", []string{"\x00\xff", ";;;;", "zh-CN"}, Chinese},
		{"too long", []string{string(make([]byte, 5000)), "", "zh"}, Chinese},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Match(tt.in...); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("zh-CN en", "en", "zh;q=0.1,*")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if l := Match(a, b, c); !slices.Contains(All, l) {
			t.Errorf("%q", l)
		}
	})
}

func TestWords(t *testing.T) {
	c := load(t)
	now := time.Date(2026, 11, 23, 14, 5, 0, 0, time.UTC)
	tests := []struct{ name, got, want string }{
		{"wait rounds up", c.Wait(English, 61*time.Second), "2 minutes"},
		{"wait of a second", c.Wait(English, 0), "1 second"},
		{"wait just below a minute", c.Wait(English, 59*time.Second+1), "1 minute"},
		{"wait of 90 minutes", c.Wait(Chinese, 90*time.Minute), "2小时"},
		{"span rounds down", c.Span(English, 119*time.Second), "1 minute"},
		{"47 hours", c.Span(English, 47*time.Hour), "47 hours"},
		{"two days", c.Span(Chinese, 48*time.Hour), "2天"},
		{"long", c.Span(English, 1<<62), "53375 days"},
		{"ago", c.Ago(English, now, now.Add(-3*time.Hour)), "3 hours ago"},
		{"ago zh", c.Ago(Chinese, now, now.Add(-time.Minute)), "1分钟前"},
		{"just now", c.Ago(English, now, now.Add(-3*time.Second)), "just now"},
		{"old", c.Ago(English, now, now.AddDate(0, -2, 0)), "2026-09-23"},
		{"future", c.Ago(English, now, now.AddDate(0, 0, 1)), "2026-11-24"},
		{"no clock", c.Ago(English, time.Time{}, now), "2026-11-23"},
		{"minute", Minute(now.In(time.FixedZone("", 8*3600))), "2026-11-23 14:05 UTC"},
		{"place", c.Place(English, "SG"), "Singapore"},
		{"place zh", c.Place(Chinese, "DE"), "德国"},
		{"place of ours", c.Place(Chinese, "HK"), "香港"},
		{"place lower case", c.Place(English, "hk"), "Hong Kong"},
		{"not a place", c.Place(English, "ZZ"), ""},
		{"not a code", c.Place(English, "<b>"), ""},
		{"missing key", c.T(English, "no.such.key"), "no.such.key"},
		{"unknown language", c.T("xx", "login.title"), "Sign in"},
		{"one", c.N(English, "totp.left", 1), "1 attempt left"},
		{"many", c.N(English, "totp.left", 2), "2 attempts left"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

// Every text grows by what was asked for, and still takes what fills it.
func TestPseudo(t *testing.T) {
	c := load(t)
	p := c.Pseudo(40)
	for _, l := range All {
		for k, s := range c.Keys(l) {
			long := p.Keys(l)[k]
			if k == "common.list" || k == "common.error" {
				continue
			}
			if n, least := len([]rune(long)), len([]rune(s))*14/10; n < least {
				t.Errorf("%s: %d characters, want %d: %s", k, n, least, long)
			}
			if a, b := verbs(s), verbs(long); !slices.Equal(a, b) {
				t.Errorf("%s: placeholders %v became %v", k, a, b)
			}
		}
	}
	if got := p.T(English, "login.to", "X"); got != "to continue to X lorem " {
		t.Errorf("got %q", got)
	}
}
