package pages

import (
	"html/template"
	"strconv"
	"strings"
)

// code is a QR code as a path of an SVG.
type code struct {
	Size int
	Path string
}

// quiet is the margin that a QR code must have, in modules. ISO/IEC 18004 §9.1.
const quiet = 4

// qr draws the dark modules, a run of them at a time; nil for none.
func qr(modules [][]bool) *code {
	if len(modules) == 0 {
		return nil
	}
	var b strings.Builder
	for y, row := range modules {
		for x := 0; x < len(row); x++ {
			run := x
			for run < len(row) && row[run] {
				run++
			}
			if n := run - x; n > 0 {
				b.WriteString("M" + strconv.Itoa(x+quiet) + " " + strconv.Itoa(y+quiet) + "h" + strconv.Itoa(n) + "v1h-" + strconv.Itoa(n) + "z")
				x = run
			}
		}
	}
	return &code{len(modules) + 2*quiet, b.String()}
}

// groups parts a key into fours, so that it can be read out and typed.
func groups(key string) string {
	var b strings.Builder
	for i, r := range key {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// otpauth lets the link to an authenticator app pass, and nothing else.
func otpauth(uri string) template.URL {
	if !strings.HasPrefix(uri, "otpauth://totp/") || strings.ContainsAny(uri, "\"'<> \n") {
		return ""
	}
	return template.URL(uri)
}
