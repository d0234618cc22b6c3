package main

import (
	"errors"
	"fmt"
	"strings"
)

var errDuration = errors.New(`must be a duration such as "90s", "15m", "12h" or "30d"`)

// fault is one thing wrong with what an operator wrote, and where.
type fault struct {
	Where string // "postern.yaml:12", "POSTERN_LISTEN_ADDRESS", "--set", or ""
	Path  string // "listen.address", "clients[2].redirect_uris", or ""
	What  string
}

func (f fault) String() string {
	var b strings.Builder
	for _, part := range []string{f.Where, f.Path} {
		if part != "" {
			b.WriteString(part + ": ")
		}
	}
	return b.String() + f.What
}

// faults collects everything wrong with one input, so that an operator mends it in one go.
type faults []fault

func (fs *faults) add(where, path, format string, args ...any) {
	*fs = append(*fs, fault{where, path, fmt.Sprintf(format, args...)})
}

// err returns nil where nothing is wrong.
func (fs faults) err() error {
	if len(fs) == 0 {
		return nil
	}
	return fs
}

// Error lists the faults, one a line.
func (fs faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// nearest returns ` (did you mean "x"?)` for the candidate closest to word, or "".
func nearest(word string, candidates []string) string {
	best, at := "", len(word)/2+1
	for _, c := range candidates {
		if d := distance(word, c); d < at {
			best, at = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance is Levenshtein's, over bytes, of two short words.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diag, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diag+cost)
		}
	}
	return row[len(b)]
}

// trimPackage drops the name of the package in front of an error's text: an operator does not read Go.
func trimPackage(err error) string {
	text := err.Error()
	if name, rest, ok := strings.Cut(text, ": "); ok && !strings.ContainsAny(name, ` "'/.`) && name == strings.ToLower(name) {
		return rest
	}
	return text
}

// oneBreath is an error's text on one line.
func oneBreath(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
