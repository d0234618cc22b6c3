package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// outputFlags choose how a result is printed.
type outputFlags struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"table for people, json for programs."`
}

// table is a result as rows; json is the same for programs.
type table struct {
	head []string
	rows [][]string
	json any
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the result in the form chosen. A table is separated by spaces, so that its last column may hold any text.
func (f outputFlags) print(w io.Writer, t table) error {
	if f.Output == "json" {
		return printJSON(w, t.json)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(t.head) > 0 {
		fmt.Fprintln(tw, strings.Join(t.head, "\t"))
	}
	for _, row := range t.rows {
		for i := range row {
			row[i] = oneLine(row[i])
		}
		for len(row) > 1 && row[len(row)-1] == "" {
			row = row[:len(row)-1]
		}
		fmt.Fprintln(tw, strings.Join(row, "\t"))
	}
	return tw.Flush()
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// oneLine makes what strangers wrote harmless for a terminal: no control or invisible characters.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == ' ' {
			return r
		}
		return '·'
	}, s)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// paint colours text for a terminal: not into a file or a pipe, and not where NO_COLOR is set.
func (t *terminal) paint(w io.Writer, code, text string) string {
	f, ok := w.(*os.File)
	if !ok || lookup(t.environ, "NO_COLOR") != "" || lookup(t.environ, "TERM") == "dumb" {
		return text
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
