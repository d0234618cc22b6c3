// Package e2e tests the real server by whole journeys. The scripts in journeys/ are for people who do not read Go; what
// needs many callers at once, a crash or a measurement stands in Go beside them.
package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-id/postern/e2e/harness"
)

// TestJourneys runs every script on every engine, each on a server of its own. Scripts that set up the server or act as
// its operator leave out the engine in memory, which nobody else can reach.
func TestJourneys(t *testing.T) {
	files, err := filepath.Glob("journeys/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no journeys", err)
	}
	harness.Binary(t)
	for _, engine := range harness.Engines {
		t.Run(engine, func(t *testing.T) {
			for _, file := range files {
				src, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				lines, err := parseJourney(string(src))
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				if engine == harness.Memory && needsOperator(lines) {
					continue
				}
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
					t.Parallel()
					play(t, engine, file, lines)
				})
			}
		})
	}
}

func needsOperator(lines []line) bool {
	return slices.ContainsFunc(lines, func(l line) bool { return l.words[0].text == "server" || l.words[0].text == "postern" })
}

// stage is where a journey plays.
type stage struct {
	s        *harness.Server
	cast     *harness.Cast
	browsers map[string]*harness.Browser
	b        *harness.Browser
	vars     map[string]string
	asked    *harness.Authorization // the last authorization request
	client   string                 // … and its client
	checks   map[string]checker     // by audience
}

func play(t *testing.T, engine, file string, lines []line) {
	opt := harness.Options{Engine: engine, Config: map[string]string{}, TLS: engine == harness.SQLite}
	for len(lines) > 0 && lines[0].words[0].text == "server" {
		for _, w := range lines[0].words[1:] {
			path, v, _ := strings.Cut(w.text, "=")
			opt.Config[path] = v
		}
		lines = lines[1:]
	}
	st := &stage{cast: harness.NewCast(), browsers: map[string]*harness.Browser{}, vars: map[string]string{}, checks: map[string]checker{}}
	opt.Seed = st.cast.Seed
	st.s = harness.Start(t, opt)
	st.vars["issuer"] = st.s.Issuer
	st.switchTo("first")
	for _, l := range lines {
		if err := st.perform(l); err != nil {
			t.Fatalf("%s:%d: %s: %v\n\nvariables: %v\n\nlog:\n%s", file, l.number, said(l.words), err, st.vars, st.s.Log())
		}
	}
}

func said(words []word) string {
	var out []string
	for _, w := range words {
		out = append(out, w.text)
	}
	return strings.Join(out, " ")
}

func (st *stage) perform(l line) error {
	run := commands[l.words[0].text]
	if run == nil {
		return fmt.Errorf("there is no such command; there are %s", strings.Join(slices.Sorted(maps.Keys(commands)), " "))
	}
	var args []string
	for _, w := range l.words[1:] {
		args = append(args, st.fill(w.text))
	}
	o, err := run(st, args, l.bare)
	if err != nil {
		return err
	}
	if l.bare && o.status >= 400 {
		return fmt.Errorf("came to %v", o)
	}
	for _, w := range l.expect {
		if err := st.meets(o, w); err != nil {
			return fmt.Errorf("%w\ncame to %v", err, o)
		}
	}
	return nil
}

var variable = regexp.MustCompile(`\$[A-Za-z_][A-Za-z0-9_]*`)

// fill puts the values of variables into text; an unknown one stays as it is.
func (st *stage) fill(text string) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string {
		if v, ok := st.vars[name[1:]]; ok {
			return v
		}
		return name
	})
}

func (st *stage) switchTo(name string) {
	if st.browsers[name] == nil {
		st.browsers[name] = st.s.NewBrowser()
	}
	st.b = st.browsers[name]
}
