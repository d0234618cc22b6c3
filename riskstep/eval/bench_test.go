package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"
)

// recorded is the first n logins of a small world as lines of JSON.
func recorded(n int) []byte {
	w := Base()
	w.Users = 2000
	type net struct {
		Country string  `json:"country"`
		City    string  `json:"city"`
		Lat     float64 `json:"lat"`
		Lon     float64 `json:"lon"`
		Radius  int     `json:"radius_km"`
		ASN     uint32  `json:"asn"`
		Prefix  string  `json:"prefix"`
		Hosting bool    `json:"hosting"`
		Mobile  bool    `json:"mobile"`
	}
	type line struct {
		T       string `json:"t"`
		User    string `json:"user"`
		IP      string `json:"ip"`
		Net     net    `json:"net"`
		UA      string `json:"ua"`
		Device  string `json:"device"`
		Key     string `json:"key"`
		Success bool   `json:"success"`
		Strong  bool   `json:"strong"`
		Learn   bool   `json:"learn"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	s := NewStream(w, 1)
	for range n {
		e, ok := s.Next()
		if !ok {
			break
		}
		m := e.Net
		_ = enc.Encode(line{e.At.Format("2006-01-02T15:04:05Z"), e.User, e.IP.String(), net{m.Country, m.City, m.Lat, m.Lon, m.Km, m.ASN, m.Prefix.String(), m.Hosting, m.Mobile},
			e.UA.Full, e.Device, []string{"none", "software", "hardware"}[e.Key], !e.Failed, e.Strong, true})
	}
	return b.Bytes()
}

func BenchmarkReplay(b *testing.B) {
	in := recorded(100_000)
	lines := bytes.Count(in, []byte("\n"))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := Replay(context.Background(), bytes.NewReader(in), io.Discard, options()); err != nil || n != lines {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(lines*b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkRead(b *testing.B) {
	rd, rec := newReader(), record{}
	b.ReportAllocs()
	for b.Loop() {
		if err := rd.read([]byte(full), &rec); err != nil {
			b.Fatal(err)
		}
	}
}
