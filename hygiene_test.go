package postern_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// traces are what a workplace leaves in files: absolute paths of one machine. They are split here, so that
// this file does not hold them.
var traces = []string{"/wo" + "rk/", "/tmp/bash" + "_jobs", "/tmp/br" + "ief", "/root" + "/go/", "file:///ho" + "me/"}

// secrets are what must never be committed; the exceptions are published test keys under testdata.
var privateKey = regexp.MustCompile(`-----BEGIN ([A-Z]+ )?PRIVATE` + ` KEY-----`)

const maxFile = 8 << 20

// hygiene returns one sentence for every fault of a tree's files.
func hygiene(tree fs.FS) (out []string, err error) {
	err = walk(tree, func(name string) error {
		info, err := fs.Stat(tree, name)
		if err != nil {
			return err
		}
		if info.Size() > maxFile {
			out = append(out, fmt.Sprintf("%s: %d bytes do not belong into a repository", name, info.Size()))
			return nil
		}
		body, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		for _, word := range traces {
			if i := bytes.Index(body, []byte(word)); i >= 0 && !within(body, i) {
				out = append(out, fmt.Sprintf("%s:%d: %q is a path of one machine", name, 1+bytes.Count(body[:i], []byte("\n")), word))
			}
		}
		if strings.HasSuffix(path.Base(name), "package-lock.json") && bytes.Contains(body, []byte(`"resolved": "http`)) {
			out = append(out, name+": names a registry: make it with --omit-lockfile-registry-resolved")
		}
		if privateKey.Match(body) && !strings.Contains(name, "testdata/") {
			out = append(out, name+": a private key outside testdata")
		}
		return nil
	})
	return out, err
}

// within reports whether the path that begins at i is only the end of a longer one, as in https://host/path/work/.
func within(body []byte, i int) bool {
	return i > 0 && (body[i-1] == '.' || body[i-1] == '-' || body[i-1] >= '0' && body[i-1] <= '9' || body[i-1]|0x20 >= 'a' && body[i-1]|0x20 <= 'z')
}

func TestHygiene(t *testing.T) {
	faults, err := hygiene(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

func TestHygieneCatches(t *testing.T) {
	for _, tt := range []struct{ name, file, body, want string }{
		{"clean", "docs/a.md", "see `bin/postern` and the framework", ""},
		{"a workplace", "docs/a.md", "one\nsee " + traces[0] + "main", "docs/a.md:2:"},
		{"in a hidden file", ".ci/run", "cd " + traces[0], ".ci/run:1:"},
		{"in a script", "Makefile", "X=" + traces[1] + ".0", "Makefile:1:"},
		{"in a binary file", "web/static/a.woff2", "\x00\xff" + traces[2], "web/static/a.woff2:1:"},
		{"part of an address", "docs/a.md", "https://example.com/our" + traces[0] + "paper", ""},
		{"not ours", "e2e/node_modules/x/a.js", traces[0], ""},
		{"what the root ignores", "bin/postern", traces[0], ""},
		{"what only the root ignores", "docs/bin/a", traces[0], "docs/bin/a:1:"},
		{"what is ignored by its suffix", "web/web.test", traces[0], ""},
		{"a lock file with hosts", "e2e/browser/package-lock.json", `{"resolved": "https://example/x.tgz"}`, "e2e/browser/package-lock.json: names"},
		{"a lock file without", "e2e/browser/package-lock.json", `{"integrity": "sha512-x"}`, ""},
		{"a private key", "deploy/tls.pem", "-----BEGIN EC PRIVATE" + " KEY-----\n", "deploy/tls.pem: a private key"},
		{"a published test key", "keys/testdata/rfc7515/a.pem", "-----BEGIN PRIVATE" + " KEY-----\n", ""},
		{"a huge file", "bench/a.bin", strings.Repeat("x", maxFile+1), "bench/a.bin: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := hygiene(fstest.MapFS{tt.file: {Data: []byte(tt.body)}, ".gitignore": {Data: []byte("/bin/\nnode_modules/\n\n# not docs\n*.test\n")}})
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], tt.want)) {
				t.Errorf("faults %q, want one that begins with %q", got, tt.want)
			}
		})
	}
}
