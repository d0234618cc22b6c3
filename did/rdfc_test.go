package did_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/piprate/json-gold/ld"
	"pgregory.net/rapid"

	"github.com/postern-id/postern/did"
)

// nquads reads N-Quads with the library that we do not use for this.
func nquads(t testing.TB, text string) (out [][4]string) {
	t.Helper()
	dataset, err := ld.ParseNQuads(text)
	if err != nil {
		t.Fatal(err)
	}
	node := func(n ld.Node) string {
		switch n := n.(type) {
		case *ld.IRI:
			return "<" + n.Value + ">"
		case ld.IRI:
			return "<" + n.Value + ">"
		case *ld.BlankNode:
			return n.Attribute
		case ld.BlankNode:
			return n.Attribute
		case *ld.Literal:
			return literal(*n)
		case ld.Literal:
			return literal(n)
		}
		t.Fatalf("%T", n)
		return ""
	}
	for name, quads := range dataset.Graphs {
		graph := ""
		if strings.HasPrefix(name, "_:") {
			graph = name
		} else if name != "@default" {
			graph = "<" + name + ">"
		}
		for _, q := range quads {
			out = append(out, [4]string{node(q.Subject), node(q.Predicate), node(q.Object), graph})
		}
	}
	return out
}

func literal(l ld.Literal) string {
	s := did.Literal(l.Value)
	switch {
	case l.Language != "":
		return s + "@" + l.Language
	case l.Datatype != "" && l.Datatype != ld.XSDString:
		return s + "^^<" + l.Datatype + ">"
	}
	return s
}

func TestRDFCanonVectors(t *testing.T) {
	names, _ := filepath.Glob("testdata/rdf-canon/*-in.nq")
	if len(names) < 50 {
		t.Fatal(len(names))
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			in, err1 := os.ReadFile(name)
			want, err2 := os.ReadFile(strings.Replace(name, "-in.nq", "-urdna2015.nq", 1))
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			got, err := did.CanonicalQuads(t.Context(), nquads(t, string(in)))
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s\nwant\n%s", got, want)
			}
		})
	}
}

// Canonical N-Quads escape what the older form did not, RDFC-1.0 §5.
func TestCanonicalLiterals(t *testing.T) {
	for s, want := range map[string]string{"a\tb\b\n\r\f\"\\": `"a\tb\b\n\r\f\"\\"`, "\x00\x0b\x1f\x7f": `"\u0000\u000B\u001F\u007F"`, "é😀\u0085": "\"é😀\u0085\""} {
		if got := did.Literal(s); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}

// Whatever the blank nodes are called and in whatever order the quads come, the form is one; and the library finds the same.
func TestCanonicalFormIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "nodes")
		node := func(s string) string {
			i := rapid.IntRange(0, n).Draw(t, s)
			if i == n {
				return "<urn:x>"
			}
			return fmt.Sprintf("_:n%d", i)
		}
		seen := map[[4]string]bool{}
		var quads [][4]string
		for range rapid.IntRange(1, 9).Draw(t, "quads") {
			q := [4]string{node("s"), "<urn:" + rapid.SampledFrom([]string{"p", "q"}).Draw(t, "p") + ">", node("o"), ""}
			if rapid.IntRange(0, 5).Draw(t, "graph") == 0 {
				q[3] = node("g")
			}
			// The library counts a quad twice for a node that stands in it twice, RDFC-1.0 §4.4.3 (2.1) does not.
			twice := strings.HasPrefix(q[0], "_:") && (q[0] == q[2] || q[0] == q[3]) || strings.HasPrefix(q[2], "_:") && q[2] == q[3]
			if !seen[q] && !twice {
				seen[q] = true
				quads = append(quads, q)
			}
		}
		got, err := did.CanonicalQuads(context.Background(), quads)
		if err != nil {
			t.Fatal(err)
		}
		shuffled := slices.Clone(quads)
		order := rapid.Permutation([]int{0, 1, 2, 3, 4}).Draw(t, "names")
		for i := range shuffled {
			for j, s := range shuffled[i] {
				if rest, ok := strings.CutPrefix(s, "_:n"); ok {
					shuffled[i][j] = fmt.Sprintf("_:m%d", order[rest[0]-'0'])
				}
			}
		}
		slices.Reverse(shuffled)
		again, err := did.CanonicalQuads(context.Background(), shuffled)
		if err != nil || again != got {
			t.Fatalf("%v\n%s\n%s", err, got, again)
		}
		var text strings.Builder
		for _, q := range quads {
			text.WriteString(strings.ReplaceAll(strings.Join(q[:], " ")+" .\n", "  ", " "))
		}
		dataset, err := ld.ParseNQuads(text.String())
		if err != nil {
			t.Fatal(err)
		}
		want, err := ld.NewJsonLdApi().Normalize(dataset, &ld.JsonLdOptions{Algorithm: ld.AlgorithmURDNA2015, Format: "application/n-quads"})
		if err != nil || got != want {
			t.Fatalf("%s\nthe library says\n%s", got, want)
		}
	})
}

// clique is a graph that no algorithm of this kind can name in reasonable time.
func clique(n int) (quads [][4]string) {
	for i := range n {
		for j := range n {
			if i != j {
				quads = append(quads, [4]string{fmt.Sprintf("_:a%d", i), "<urn:p>", fmt.Sprintf("_:a%d", j), ""})
			}
		}
	}
	return quads
}

func TestPoisonedGraphsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := did.CanonicalQuads(ctx, clique(4)); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that ended is worked on: %v", err)
	}
	for _, n := range []int{6, 8, 12, 30, 60} {
		start := time.Now()
		_, err := did.CanonicalQuads(t.Context(), clique(n))
		if took := time.Since(start); err == nil || took > 2*time.Second {
			t.Errorf("clique of %d: %v after %s", n, err, took)
		}
	}
}
