package postern_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The tests in this file hold the architecture. They parse every file themselves: a list made by another program
// would let the test runner cache a result for code that it never saw.

const module = "github.com/postern-id/postern"

// line is the architecture, from left to right: a package imports only what stands to its left, or in its own room.
// Rooms between the same arrows do not import each other. store stands before audit and keys because both speak its
// errors; span and egress know nothing of ours.
var line = [][]string{
	{"ident", "span", "egress"}, {"store"}, {"audit", "keys"}, {"did"}, {"authn"}, {"riskstep"}, {"sessions"}, {"notify"}, {"oauth"},
	{"web", "engine"}, {"cmd"},
}

// outside stands beside the line: what others would write themselves. Only cmd may import from it.
var outside = []string{"examples", "bench", "e2e", "docs", "deploy", "scripts"}

// importers says which rooms may import a module; what is not listed may have any one.
var importers = map[string][]string{
	"github.com/lestrrat-go/jwx/":     {"keys", "verify"},
	"github.com/ory/fosite":           {"oauth"},
	"github.com/go-webauthn/webauthn": {"authn"},
	"github.com/hyperledger/aries-":   {"did"},
	"github.com/fxamacker/cbor/":      {"did"},
	"github.com/piprate/json-gold/":   {"did"},
	"cel.dev/":                        {"riskstep"},
	"github.com/oschwald/":            {"riskstep/geo"},
	"github.com/redis/":               {"engine/redisdb"},
	"github.com/jackc/pgx/":           {"engine/sqldb"},
	"modernc.org/sqlite":              {"engine/sqldb"},
	"github.com/prometheus/":          {"cmd"},
	"go.opentelemetry.io/":            {"cmd"},
	"github.com/alecthomas/kong":      {"cmd"},
}

// everywhere may be imported by any room: the Go project's own modules, and the library of property tests.
var everywhere = []string{"golang.org/x/", "pgregory.net/rapid"}

// clocks is where the real time may be asked for: where the product is put together, and the default of a library
// that others put together. Packages of fakes (authntest, …) may as well.
var clocks = []string{"cmd/postern/wire.go", "verify/options.go"}

var badNames = []string{"util", "utils", "common", "models", "pkg", "misc", "helpers", "lib", "internal"}

// source is one Go file.
type source struct {
	path    string // from the root
	dir     string
	pkg     string
	test    bool // a _test.go file
	imports []string
	clocks  []string // where it asks for the real time
}

// forTests reports whether only tests run f: it is one, or belongs to a package of fakes (authntest, enginetest, …).
// Such files may look right, since they put real parts together.
func (f source) forTests() bool { return f.test || strings.HasSuffix(f.dir, "test") }

// room is the first element of a directory, or for engine and riskstep/geo the first two.
func room(dir string) string {
	first, rest, _ := strings.Cut(dir, "/")
	second, _, _ := strings.Cut(rest, "/")
	if first == "engine" && second != "" || first == "riskstep" && second == "geo" {
		return first + "/" + second
	}
	return first
}

func floor(dir string) int {
	first, _, _ := strings.Cut(dir, "/")
	return slices.IndexFunc(line, func(rooms []string) bool { return slices.Contains(rooms, first) })
}

func isOutside(dir string) bool {
	first, _, _ := strings.Cut(dir, "/")
	return slices.Contains(outside, first)
}

// ours returns the directory of one of our packages, or false.
func ours(imported string) (dir string, ok bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// rules are the architecture. Each returns one sentence for every breach.
var rules = map[string]func([]source) []string{
	"the line":        lineRule,
	"verify":          verifyRule,
	"one importer":    importerRule,
	"one clock":       clockRule,
	"names":           nameRule,
	"test packages":   testPackageRule,
	"nothing outside": outsideRule,
}

func lineRule(files []source) (out []string) {
	for _, f := range files {
		if f.forTests() || isOutside(f.dir) || room(f.dir) == "verify" {
			continue
		}
		if floor(f.dir) < 0 {
			out = append(out, fmt.Sprintf("%s: nobody drew the room %q into the line", f.path, room(f.dir)))
			continue
		}
		for _, imported := range f.imports {
			dir, ok := ours(imported)
			if !ok || room(dir) == room(f.dir) || isOutside(dir) || strings.HasPrefix(f.dir, "cmd/") {
				continue
			}
			first, _, _ := strings.Cut(dir, "/")
			mine, _, _ := strings.Cut(f.dir, "/")
			sameHouse := first == mine && first != "engine" // riskstep and riskstep/geo
			if floor(dir) < 0 || floor(dir) >= floor(f.dir) && !sameHouse {
				out = append(out, fmt.Sprintf("%s imports %s, which does not stand to its left", f.path, dir))
			}
		}
	}
	return out
}

func verifyRule(files []source) (out []string) {
	for _, f := range files {
		for _, imported := range f.imports {
			if dir, ok := ours(imported); ok && !f.test && room(f.dir) == "verify" && room(dir) != "verify" {
				out = append(out, fmt.Sprintf("%s imports %s: verify is for those who have nothing else of ours", f.path, dir))
			}
		}
	}
	return out
}

func importerRule(files []source) (out []string) {
	seen := map[string]string{} // module → room
	for _, f := range files {
		if f.test || isOutside(f.dir) {
			continue
		}
		for _, imported := range f.imports {
			host, _, _ := strings.Cut(imported, "/")
			if _, ok := ours(imported); ok || !strings.Contains(host, ".") || hasPrefix(everywhere, imported) {
				continue
			}
			mod := third(imported)
			if allowed, ok := listed(imported); ok {
				if !slices.Contains(allowed, room(f.dir)) {
					out = append(out, fmt.Sprintf("%s imports %s, which belongs to %s", f.path, mod, strings.Join(allowed, " and ")))
				}
				continue
			}
			if other, ok := seen[mod]; ok && other != room(f.dir) {
				out = append(out, fmt.Sprintf("%s imports %s, which %s imports already", f.path, mod, other))
				continue
			}
			seen[mod] = room(f.dir)
		}
	}
	return out
}

// third is the module of an import, near enough: host, owner and name.
func third(imported string) string {
	parts := strings.SplitN(imported, "/", 4)
	return path.Join(parts[:min(3, len(parts))]...)
}

func listed(imported string) ([]string, bool) {
	for prefix, rooms := range importers {
		if strings.HasPrefix(imported, prefix) {
			return rooms, true
		}
	}
	return nil, false
}

func hasPrefix(prefixes []string, s string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

func clockRule(files []source) (out []string) {
	for _, f := range files {
		if f.forTests() || isOutside(f.dir) || slices.Contains(clocks, f.path) {
			continue
		}
		for _, at := range f.clocks {
			out = append(out, at+" asks for the real time: take Now as a field, from "+strings.Join(clocks, " or "))
		}
	}
	return out
}

func nameRule(files []source) (out []string) {
	for _, f := range files {
		for _, name := range append(strings.Split(f.dir, "/"), strings.TrimSuffix(f.pkg, "_test")) {
			if slices.Contains(badNames, name) {
				out = append(out, fmt.Sprintf("%s: %q says nothing about what is inside", f.path, name))
			}
		}
	}
	return out
}

// testPackageRule: fakes and exams (authntest, enginetest, …) are for tests, and for one another.
func testPackageRule(files []source) (out []string) {
	for _, f := range files {
		for _, imported := range f.imports {
			if dir, ok := ours(imported); ok && strings.HasSuffix(dir, "test") && !f.forTests() && !isOutside(f.dir) {
				out = append(out, fmt.Sprintf("%s imports %s, which is for tests", f.path, dir))
			}
		}
	}
	return out
}

func outsideRule(files []source) (out []string) {
	for _, f := range files {
		for _, imported := range f.imports {
			dir, ok := ours(imported)
			if !ok || f.test || isOutside(f.dir) || room(f.dir) == "cmd" {
				continue
			}
			if isOutside(dir) || room(dir) == "cmd" {
				out = append(out, fmt.Sprintf("%s imports %s, which stands outside", f.path, dir))
			}
		}
	}
	return out
}

// scan parses every Go file of a tree, nested modules left out.
func scan(tree fs.FS) (files []source, err error) {
	err = walk(tree, func(name string) error {
		if !strings.HasSuffix(name, ".go") || nested(tree, path.Dir(name)) {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f := source{path: name, dir: path.Dir(name), pkg: parsed.Name.Name, test: strings.HasSuffix(name, "_test.go")}
		clock := ""
		for _, i := range parsed.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
			if imported == "time" {
				clock = "time"
				if i.Name != nil {
					clock = i.Name.Name
				}
			}
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if at := asksTime(n, clock); at != nil {
				f.clocks = append(f.clocks, set.Position(at.Pos()).String())
			}
			return true
		})
		if f.dir != "." || !f.test {
			files = append(files, f)
		}
		return nil
	})
	return files, err
}

// asksTime reports whether n is time.Now, or Since or Until, which call it; clock is the name that time has here.
func asksTime(n ast.Node, clock string) ast.Node {
	name := ""
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && x.Name == clock {
			name = n.Sel.Name
		}
	case *ast.Ident:
		if clock == "." {
			name = n.Name
		}
	}
	if clock != "" && slices.Contains([]string{"Now", "Since", "Until"}, name) {
		return n
	}
	return nil
}

// nested reports whether dir belongs to a module of its own within the tree.
func nested(tree fs.FS, dir string) bool {
	for ; dir != "."; dir = path.Dir(dir) {
		if _, err := fs.Stat(tree, dir+"/go.mod"); err == nil {
			return true
		}
	}
	return false
}

// walk calls visit for every file of a tree that belongs to the repository: what .gitignore names does not.
func walk(tree fs.FS, visit func(name string) error) error {
	ignore, err := fs.ReadFile(tree, ".gitignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	patterns := slices.DeleteFunc(strings.Split(string(ignore), "\n"), func(p string) bool { return p == "" || p[0] == '#' })
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || ignored(patterns, name)):
			return fs.SkipDir
		case !d.Type().IsRegular() || ignored(patterns, name):
			return nil
		}
		return visit(name)
	})
}

// ignored knows the forms that our .gitignore has: name/, *.suffix, and /name/ at the root only.
func ignored(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		rooted, isRooted := strings.CutPrefix(strings.TrimSuffix(p, "/"), "/")
		match, _ := path.Match(rooted, path.Base(name))
		return match && (!isRooted || rooted == name)
	})
}

func TestArchitecture(t *testing.T) {
	files, err := scan(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d files: this is not the tree", len(files))
	}
	for name, rule := range rules {
		for _, breach := range rule(files) {
			t.Errorf("%s: %s", name, breach)
		}
	}
}
