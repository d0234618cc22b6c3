package did

import (
	"context"
	"encoding/hex"
	"errors"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// maxCanonWork bounds canonicalisation: every quad that is hashed, and every blank node that is tried in a permutation, is
// one step. Credentials of real issuers take some hundred; a graph made to have no end takes as many as there are.
// RDFC-1.0 §7.1 (dataset poisoning).
const maxCanonWork = 40_000

var errPoison = errors.New("canonicalising it takes too much work")

// rdfNode is a subject, object or graph name: its N-Quads text, or of a blank node its label without "_:".
type rdfNode struct {
	text  string
	blank bool
}

// rdfQuad is one statement; p is the N-Quads text of its predicate, and a zero g the default graph.
type rdfQuad struct {
	s, o, g rdfNode
	p       string
}

// line writes a quad as canonical N-Quads, with blank nodes as label names them.
func (q *rdfQuad) line(label func(string) string) string {
	var b strings.Builder
	b.Grow(len(q.s.text) + len(q.p) + len(q.o.text) + len(q.g.text) + 32)
	write := func(n rdfNode) {
		if n.blank {
			b.WriteString("_:")
			b.WriteString(label(n.text))
		} else {
			b.WriteString(n.text)
		}
		b.WriteByte(' ')
	}
	write(q.s)
	b.WriteString(q.p)
	b.WriteByte(' ')
	write(q.o)
	if q.g.text != "" {
		write(q.g)
	}
	b.WriteString(".\n")
	return b.String()
}

// blankLabels are an identifier issuer, RDFC-1.0 §4.5.
type blankLabels struct {
	prefix string
	order  []string // in the order of issue
	of     map[string]string
}

func newBlankLabels(prefix string) *blankLabels {
	return &blankLabels{prefix: prefix, of: map[string]string{}}
}

func (l *blankLabels) issue(node string) string {
	if id, ok := l.of[node]; ok {
		return id
	}
	id := l.prefix + strconv.Itoa(len(l.order))
	l.order = append(l.order, node)
	l.of[node] = id
	return id
}

func (l *blankLabels) clone() *blankLabels {
	return &blankLabels{l.prefix, slices.Clone(l.order), maps.Clone(l.of)}
}

// canon is one canonicalisation under way.
type canon struct {
	ctx       context.Context
	hash      func() hash.Hash
	work      int
	quads     map[string][]*rdfQuad // by blank node
	first     map[string]string     // hash of the first degree
	canonical *blankLabels
}

// canonicalLabels names the blank nodes of a dataset, whose quads are distinct, as RDFC-1.0 §4.4 does with new's hash. It ends
// after a bounded number of steps, or when ctx ends.
func canonicalLabels(ctx context.Context, new func() hash.Hash, quads []rdfQuad) (map[string]string, error) {
	c := &canon{ctx: ctx, hash: new, quads: map[string][]*rdfQuad{}, first: map[string]string{}, canonical: newBlankLabels("c14n")}
	for i := range quads {
		q := &quads[i]
		seen := map[string]bool{}
		for _, n := range [3]rdfNode{q.s, q.o, q.g} {
			if n.blank && !seen[n.text] {
				seen[n.text] = true
				c.quads[n.text] = append(c.quads[n.text], q)
			}
		}
	}
	groups := map[string][]string{}
	for node := range c.quads {
		hash, err := c.firstDegree(node)
		if err != nil {
			return nil, err
		}
		groups[hash] = append(groups[hash], node)
	}
	hashes := slices.Sorted(maps.Keys(groups))
	for _, hash := range hashes {
		if len(groups[hash]) == 1 {
			c.canonical.issue(groups[hash][0])
		}
	}
	for _, hash := range hashes {
		if len(groups[hash]) > 1 {
			if err := c.resolve(groups[hash]); err != nil {
				return nil, err
			}
		}
	}
	return c.canonical.of, nil
}

// resolve names nodes that the first degree does not tell apart. RDFC-1.0 §4.4.3 (5).
func (c *canon) resolve(nodes []string) error {
	type result struct {
		hash   string
		issued *blankLabels
	}
	var results []result
	for _, node := range nodes {
		if _, done := c.canonical.of[node]; done {
			continue
		}
		temporary := newBlankLabels("b")
		temporary.issue(node)
		hash, issued, err := c.nDegree(node, temporary)
		if err != nil {
			return err
		}
		results = append(results, result{hash, issued})
	}
	slices.SortStableFunc(results, func(a, b result) int { return strings.Compare(a.hash, b.hash) })
	for _, r := range results {
		for _, node := range r.issued.order {
			c.canonical.issue(node)
		}
	}
	return nil
}

// spend counts steps.
func (c *canon) spend(n int) error {
	c.work += n
	if c.work > maxCanonWork {
		return errPoison
	}
	return c.ctx.Err()
}

// firstDegree is Hash First Degree Quads, RDFC-1.0 §4.6.
func (c *canon) firstDegree(node string) (string, error) {
	if hash, ok := c.first[node]; ok {
		return hash, nil
	}
	if err := c.spend(len(c.quads[node])); err != nil {
		return "", err
	}
	var lines []string
	for _, q := range c.quads[node] {
		lines = append(lines, q.line(func(n string) string {
			if n == node {
				return "a"
			}
			return "z"
		}))
	}
	slices.Sort(lines)
	hash := c.hex(strings.Join(lines, ""))
	c.first[node] = hash
	return hash, nil
}

func (c *canon) hex(s string) string {
	h := c.hash()
	h.Write([]byte(s))
	return hex.EncodeToString(h.Sum(nil))
}

// related is Hash Related Blank Node, RDFC-1.0 §4.7.
func (c *canon) related(node string, q *rdfQuad, issued *blankLabels, position string) (string, error) {
	input := position
	if position != "g" {
		input += q.p
	}
	if id, ok := c.canonical.of[node]; ok {
		return c.hex(input + "_:" + id), nil
	}
	if id, ok := issued.of[node]; ok {
		return c.hex(input + "_:" + id), nil
	}
	hash, err := c.firstDegree(node)
	return c.hex(input + hash), err
}

// nDegree is Hash N-Degree Quads, RDFC-1.0 §4.8.
func (c *canon) nDegree(node string, issued *blankLabels) (string, *blankLabels, error) {
	near := map[string][]string{}
	if err := c.spend(1 + len(c.quads[node])); err != nil {
		return "", nil, err
	}
	for _, q := range c.quads[node] {
		for i, n := range [3]rdfNode{q.s, q.o, q.g} {
			if !n.blank || n.text == node {
				continue
			}
			hash, err := c.related(n.text, q, issued, "sog"[i:i+1])
			if err != nil {
				return "", nil, err
			}
			near[hash] = append(near[hash], n.text)
		}
	}
	var data strings.Builder
	for _, hash := range slices.Sorted(maps.Keys(near)) {
		path, chosen, err := c.shortestPath(near[hash], issued)
		if err != nil {
			return "", nil, err
		}
		data.WriteString(hash)
		data.WriteString(path)
		issued = chosen
	}
	return c.hex(data.String()), issued, nil
}

// shortestPath tries all orders of nodes and returns the least path. RDFC-1.0 §4.8.3 (5.4).
func (c *canon) shortestPath(nodes []string, issued *blankLabels) (chosen string, with *blankLabels, err error) {
	nodes = slices.Sorted(slices.Values(nodes))
	for more := true; more; more = nextPermutation(nodes) {
		path, after, err := c.path(nodes, issued.clone(), chosen)
		if err != nil {
			return "", nil, err
		}
		if after != nil && (chosen == "" || path < chosen) {
			chosen, with = path, after
		}
	}
	return chosen, with, nil
}

// path walks nodes in this order. nil labels say that it cannot become less than best.
func (c *canon) path(nodes []string, issued *blankLabels, best string) (string, *blankLabels, error) {
	worse := func(path string) bool { return best != "" && len(path) >= len(best) && path > best }
	if err := c.spend(len(nodes) + len(issued.order)); err != nil {
		return "", nil, err
	}
	var path string
	var deeper []string
	for _, n := range nodes {
		if id, ok := c.canonical.of[n]; ok {
			path += "_:" + id
		} else {
			if _, ok := issued.of[n]; !ok {
				deeper = append(deeper, n)
			}
			path += "_:" + issued.issue(n)
		}
		if worse(path) {
			return "", nil, nil
		}
	}
	for _, n := range deeper {
		hash, after, err := c.nDegree(n, issued)
		if err != nil {
			return "", nil, err
		}
		path += "_:" + issued.issue(n) + "<" + hash + ">"
		issued = after
		if worse(path) {
			return "", nil, nil
		}
	}
	return path, issued, nil
}

// nextPermutation puts s into the next order, and says whether there was one.
func nextPermutation(s []string) bool {
	i := len(s) - 2
	for i >= 0 && s[i] >= s[i+1] {
		i--
	}
	if i < 0 {
		return false
	}
	j := len(s) - 1
	for s[j] <= s[i] {
		j--
	}
	s[i], s[j] = s[j], s[i]
	slices.Reverse(s[i+1:])
	return true
}

// canonicalLines are the sorted canonical N-Quads of a dataset, RDFC-1.0 §4.4.3 (7) and §5. rename, if there is one, names
// blank nodes anew.
func canonicalLines(ctx context.Context, new func() hash.Hash, quads []rdfQuad, rename func(canonical string) (string, error)) ([]string, error) {
	of, err := canonicalLabels(ctx, new, quads)
	if err != nil {
		return nil, err
	}
	if rename != nil {
		for node, id := range of {
			if of[node], err = rename(id); err != nil {
				return nil, err
			}
		}
	}
	lines := make([]string, len(quads))
	for i := range quads {
		lines[i] = quads[i].line(func(n string) string { return of[n] })
	}
	slices.Sort(lines)
	return slices.Compact(lines), nil
}
