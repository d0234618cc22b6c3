package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-id/postern/ident"
	"github.com/postern-id/postern/riskstep/model"
	"github.com/postern-id/postern/riskstep/policy"
)

func options() Options {
	c := policy.DefaultConfig()
	c.Thresholds.StepUp, c.NewDevice, c.NewCountry = 1, false, false
	p, err := c.Build()
	if err != nil {
		panic(err)
	}
	return Options{Model: model.Default(), Key: []byte("0123456789abcdef0123456789abcdef"), Policy: p}
}

const full = `{"t":"2026-01-02T03:04:05Z","user":"u1","ip":"203.0.113.7","net":{"country":"NO","city":"Oslo","lat":59.9,"lon":10.7,"radius_km":20,"asn":2119,"prefix":"203.0.113.0/24","hosting":false,"mobile":true},"ua":"Mozilla/5.0 …","device":"d1","key":"hardware","success":true,"strong":true,"learn":true}`

func TestRead(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	oslo := model.Net{State: model.Known, Country: "NO", City: "Oslo", Lat: 59.9, Lon: 10.7, Km: 20, ASN: 2119, Prefix: netip.MustParsePrefix("203.0.113.0/24"), Mobile: true}
	for _, tt := range []struct {
		name, line string
		want       record
		fails      string
	}{
		{name: "every field", line: full, want: record{learn: true, hasNet: true, Login: model.Login{
			At: at, User: "u1", IP: netip.MustParseAddr("203.0.113.7"), Net: oslo, Agent: model.ParseAgent("Mozilla/5.0 …", ""), Device: "d1", Key: ident.KeyInChip, Strong: true}}},
		{name: "what must be there", line: `{"t":"2026-01-02T03:04:05Z","user":"u1"}`, want: record{learn: true, Login: model.Login{At: at, User: "u1"}}},
		{name: "null is absent", line: `{"t":"2026-01-02T03:04:05Z","user":"u1","ip":null,"net":null,"ua":null,"device":null,"key":null,"success":null,"strong":null,"learn":null}`,
			want: record{learn: true, Login: model.Login{At: at, User: "u1", Agent: model.ParseAgent("", "")}}},
		{name: "failed and forgotten, spaces, other fields", line: " { \"t\" : \"2026-01-02T04:04:05+01:00\" ,\t\"user\":\"a\\u00e9\\n\", \"x\":[1,{\"y\":null}], \"success\":false,\"learn\":false } ",
			want: record{Login: model.Login{At: at, User: "aé\n", Failed: true}}},
		{name: "a net in which nothing was found", line: `{"t":"2026-01-02T03:04:05Z","user":"u1","net":{}}`, want: record{learn: true, hasNet: true, Login: model.Login{At: at, User: "u1", Net: model.Net{State: model.Unknown}}}},
		{name: "a point without a radius", line: `{"t":"2026-01-02T03:04:05Z","user":"u1","net":{"country":"NO","lat":60,"lon":10}}`,
			want: record{learn: true, hasNet: true, Login: model.Login{At: at, User: "u1", Net: model.Net{State: model.Known, Country: "NO", Lat: 60, Lon: 10, Km: 50}}}},

		{name: "empty", line: `{}`, fails: "t is missing"},
		{name: "no user", line: `{"t":"2026-01-02T03:04:05Z","user":""}`, fails: "user is missing"},
		{name: "no time", line: `{"t":"yesterday","user":"u"}`, fails: "t: "},
		{name: "no object", line: `[]`, fails: "no JSON object"},
		{name: "cut off", line: full[:len(full)-1], fails: "no JSON"},
		{name: "two", line: full + full, fails: "no JSON"},
		{name: "wrong type", line: `{"t":"2026-01-02T03:04:05Z","user":7}`, fails: "user: is no string"},
		{name: "learn is a string", line: `{"t":"2026-01-02T03:04:05Z","user":"u","learn":"false"}`, fails: "learn: is neither"},
		{name: "bad address", line: `{"t":"2026-01-02T03:04:05Z","user":"u","ip":"1.2.3"}`, fails: "ip: "},
		{name: "bad latitude", line: `{"t":"2026-01-02T03:04:05Z","user":"u","net":{"lat":91}}`, fails: "net: lat: "},
		{name: "bad number", line: `{"t":"2026-01-02T03:04:05Z","user":"u","net":{"asn":01}}`, fails: "no JSON"},
		{name: "half a network", line: `{"t":"2026-01-02T03:04:05Z","user":"u","net":{"asn":1.5}}`, fails: "net: asn: "},
		{name: "bad key", line: `{"t":"2026-01-02T03:04:05Z","user":"u","key":"yes"}`, fails: "key: "},
		{name: "long name", line: `{"t":"2026-01-02T03:04:05Z","user":"` + strings.Repeat("u", 257) + `"}`, fails: "longer than 256"},
		{name: "deep", line: `{"t":"2026-01-02T03:04:05Z","user":"u","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, fails: "too deep"},
		{name: "control character", line: "{\"t\":\"2026-01-02T03:04:05Z\",\"user\":\"a\x01\"}", fails: "no JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got record
			err := newReader().read([]byte(tt.line), &got)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v, want %q", err, tt.fails)
				}
				return
			}
			got.At = got.At.UTC()
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

// The scanner accepts nothing that encoding/json refuses, and reads the same.
func FuzzRead(f *testing.F) {
	for _, s := range []string{full, `{"t":"2026-01-02T03:04:05Z","user":"\ud83d\ude00\ud83d\u00e9\"\\\/\b"}`, `{"t":"2026-01-02T03:04:05.5+01:00","user":"u","x":[1e5,-0.1,{"a":[]}],"net":{"asn":1e3}}`, "{\"t\":\"2026-01-02T03:04:05Z\",\"user\":\"\xff\xc3\"}", `{"a":-}`} {
		f.Add([]byte(s))
	}
	type shape struct {
		T       *time.Time
		User    *string
		Device  *string
		Success *bool
		Net     *struct {
			City *string
			Lat  *float64
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var got record
		if newReader().read(line, &got) != nil {
			return
		}
		var raw map[string]json.RawMessage
		if err := json.Unmarshal(line, &raw); err != nil {
			t.Fatalf("accepted %q: %v", line, err)
		}
		var want shape
		dec := map[string]any{"t": &want.T, "user": &want.User, "device": &want.Device, "success": &want.Success, "net": &want.Net}
		if duplicates(line) {
			return
		}
		for k, v := range raw {
			if p := dec[k]; p != nil {
				if k == "net" {
					if json.Unmarshal(v, &want.Net) != nil || otherCase(v) {
						want.Net = nil
					}
				} else if err := json.Unmarshal(v, p); err != nil {
					t.Fatalf("accepted %s = %s: %v", k, v, err)
				}
			}
		}
		if want.T == nil || !want.T.Equal(got.At) || want.User == nil || *want.User != got.User {
			t.Fatalf("%q: t %v, user %q", line, got.At, got.User)
		}
		if want.Device != nil && *want.Device != got.Device || want.Success != nil && *want.Success == got.Failed {
			t.Fatalf("%q: device %q, failed %v", line, got.Device, got.Failed)
		}
		if n := want.Net; n != nil && (n.City != nil && *n.City != got.Net.City || n.Lat != nil && got.Net.Km > 0 && *n.Lat != got.Net.Lat) {
			t.Fatalf("%q: net %+v", line, got.Net)
		}
	})
}

// duplicates says whether any object in line has a name twice.
func duplicates(line []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(line))
	var stack []map[string]bool
	key := []bool{}
	for {
		tok, err := dec.Token()
		if err != nil {
			return false
		}
		top := len(stack) - 1
		switch v := tok.(type) {
		case json.Delim:
			switch v {
			case '{':
				if top >= 0 && stack[top] != nil {
					key[top] = true
				}
				stack, key = append(stack, map[string]bool{}), append(key, true)
			case '[':
				if top >= 0 && stack[top] != nil {
					key[top] = true
				}
				stack, key = append(stack, nil), append(key, false)
			default:
				stack, key = stack[:top], key[:top]
			}
			continue
		case string:
			if top >= 0 && stack[top] != nil && key[top] {
				if stack[top][v] {
					return true
				}
				stack[top][v], key[top] = true, false
				continue
			}
		}
		if top >= 0 && stack[top] != nil {
			key[top] = true
		}
	}
}

// otherCase says whether encoding/json might take a field for one of ours that only looks alike.
func otherCase(v []byte) bool {
	var raw map[string]json.RawMessage
	_ = json.Unmarshal(v, &raw)
	for k := range raw {
		if (strings.EqualFold(k, "city") && k != "city") || (strings.EqualFold(k, "lat") && k != "lat") {
			return true
		}
	}
	return false
}

func TestReplay(t *testing.T) {
	var in strings.Builder
	for i := range 6 {
		fmt.Fprintf(&in, `{"t":"2026-01-0%dT03:04:05Z","user":"u1","ip":"203.0.113.7","net":{"country":"NO","asn":2119},"device":"d1"}`+"\n\n", i+1)
	}
	run := func(text string, o Options) ([]map[string]any, error) {
		var out bytes.Buffer
		n, err := Replay(context.Background(), strings.NewReader(text), &out, o)
		var lines []map[string]any
		for line := range strings.Lines(out.String()) {
			var v map[string]any
			if err := json.Unmarshal([]byte(line), &v); err != nil || !strings.HasSuffix(line, "\n") {
				t.Fatalf("%q: %v", line, err)
			}
			if v["i"] != float64(len(lines)) || v["action"] != "allow" {
				t.Errorf("line %d is %v", len(lines), v)
			}
			lines = append(lines, v)
		}
		if n != len(lines) {
			t.Errorf("%d lines, said %d", len(lines), n)
		}
		return lines, err
	}
	lines, err := run(in.String(), options())
	if err != nil || len(lines) != 6 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	if first, last := lines[0]["score"].(float64), lines[5]["score"].(float64); last >= first {
		t.Errorf("a habit scores %v, the first time %v", last, first)
	}
	if _, err := run(strings.TrimSuffix(in.String(), "\n\n")+"\r\n", options()); err != nil {
		t.Errorf("another end of line: %v", err)
	}
	forgotten, _ := run(strings.ReplaceAll(in.String(), `"device"`, `"learn":false,"device"`), options())
	for i, l := range forgotten {
		if len(l["reasons"].([]any)) != len(lines[0]["reasons"].([]any)) {
			t.Errorf("line %d was judged by what must be forgotten: %v", i, l)
		}
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a bad line", in.String() + "{\n", "line 13: is no JSON"},
		{"a long line", in.String() + `{"x":"` + strings.Repeat("x", maxLine) + "\"}\n", "line 13: longer than"},
	} {
		lines, err := run(tt.text, options())
		var bad *LineError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || len(lines) != 6 {
			t.Errorf("%s: %d lines, %v", tt.name, len(lines), err)
		}
	}
	o := options()
	var asked []string
	o.Locate = func(ip netip.Addr) model.Net {
		asked = append(asked, ip.String())
		return model.Net{State: model.Known, Country: "SE"}
	}
	o.Tell = func(_ int, l *model.Login, _ *model.Result, _ bool) { asked = append(asked, l.Net.Country) }
	if _, err := run(`{"t":"2026-01-02T03:04:05Z","user":"u","ip":"192.0.2.1"}
{"t":"2026-01-02T03:04:05Z","user":"u","ip":"192.0.2.2","net":{"country":"NO"}}
{"t":"2026-01-02T03:04:05Z","user":"u"}`, o); err != nil || !slices.Equal(asked, []string{"192.0.2.1", "SE", "NO", ""}) {
		t.Errorf("%v, %q", err, asked)
	}
}

const rbaRows = "index,Login Timestamp,User ID,Round-Trip Time [ms],IP Address,Country,Region,City,ASN,User Agent String,Browser Name and Version,OS Name and Version,Device Type,Login Successful,Is Attack IP,Is Account Takeover\n" +
	"0,2020-02-03 12:43:30.772,-4324475583306591935,,10.0.65.171,NO,-,-,29695,Mozilla/5.0,Firefox 20.0.0.1618,iOS 13.4,mobile,False,False,False\n" +
	"1,2020-02-03 12:43:43.549,-4324475583306591936,,194.87.207.6,AU,-,-,60117,\"Mozilla/5.0  (Linux; x), like \"\"Gecko\"\"\",Chrome Mobile 46.0.2490,Android 4.1,mobile,True,False,False\n" +
	"2,2020-02-03 12:43:55.873,-3284137479262433373,1500,81.167.144.58,NO,Vestland,Urangsvag,29695,Mozilla/5.0,Android 2.3.3.2672,iOS 7.1,mobile,True,False,True\n"

func TestRBA(t *testing.T) {
	var seen []string
	o := options()
	o.Tell = func(i int, l *model.Login, _ *model.Result, learnt bool) {
		seen = append(seen, fmt.Sprint(i, l.At.Format(time.RFC3339Nano), l.User, l.IP, l.Net.Country, l.Net.City, l.Net.ASN, l.Failed, learnt))
	}
	var out bytes.Buffer
	if _, err := Replay(context.Background(), strings.NewReader("\ufeff"+rbaRows), &out, o); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"1 2020-02-03T12:43:43.549Z -4324475583306591936 194.87.207.6 AU  60117 false true",
		"2 2020-02-03T12:43:55.873Z -3284137479262433373 81.167.144.58 NO Urangsvag 29695 false false",
	}
	for i := range want {
		want[i] = strings.Join(strings.Fields(want[i]), "")
	}
	for i := range seen {
		seen[i] = strings.Join(strings.Fields(seen[i]), "")
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q\nwant %q", seen, want)
	}
	for _, bad := range []string{"2020-02-03 12:43:43.549", "194.87.207.6", "60117", "True", "Is Account Takeover\n"} {
		_, err := Replay(context.Background(), strings.NewReader(strings.Replace(rbaRows, bad, "?", 1)), &out, options())
		if e := (*LineError)(nil); !errors.As(err, &e) {
			t.Errorf("without %q: %v", bad, err)
		}
	}
}

func FuzzRBA(f *testing.F) {
	f.Add(rbaRows)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = Replay(context.Background(), strings.NewReader(rbaHead+text), &bytes.Buffer{}, options())
	})
}

func TestAppendFixed(t *testing.T) {
	for _, f := range []float64{0, -0.0000001, 1, -1, 1.5, -4.4, 12.0625, 0.001, 1e15, -1e300, 123456.789012} {
		var got float64
		if err := json.Unmarshal(appendFixed(nil, f, 6), &got); err != nil || math.Abs(got-f) > 5.1e-7*max(1, math.Abs(f)) {
			t.Errorf("%v became %s: %v", f, appendFixed(nil, f, 6), err)
		}
	}
}
