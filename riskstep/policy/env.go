package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// What rules see is bounded, so that what they cost is known when they are compiled.
const (
	maxWhen     = 1024   // bytes of an expression
	maxCost     = 20_000 // of one evaluation, in CEL's units: under a millisecond
	meteredFrom = 1000   // what may cost more is also counted while it runs, which makes it several times slower
	maxList     = 256    // scopes of a request
	maxText     = 2048   // bytes of a string
	maxNodes    = 256    // of an expression
	maxNesting  = 32
)

// view is Facts as an expression sees them: every field is a variable of its own with a dotted name, so that a name that
// does not exist is an error when the rule is compiled, and no map is built to evaluate it.
type view struct {
	*Facts
	scopes scopes
}

type variable struct {
	kind *cel.Type
	get  func(*view) ref.Val
}

var variables = declare()

func declare() map[string]variable {
	vs := map[string]variable{}
	text := func(name string, get func(*view) string) {
		vs[name] = variable{cel.StringType, func(v *view) ref.Val { return types.String(get(v)) }}
	}
	yes := func(name string, get func(*view) bool) {
		vs[name] = variable{cel.BoolType, func(v *view) ref.Val { return types.Bool(get(v)) }}
	}
	whole := func(name string, get func(*view) int) {
		vs[name] = variable{cel.IntType, func(v *view) ref.Val { return types.Int(get(v)) }}
	}
	real := func(name string, get func(*view) float64) {
		vs[name] = variable{cel.DoubleType, func(v *view) ref.Val { return types.Double(get(v)) }}
	}
	text("moment", func(v *view) string { return v.Moment })
	real("risk.p", func(v *view) float64 { return v.Risk.P })
	text("risk.level", func(v *view) string { return v.Risk.Level })
	for _, name := range Signals {
		real("risk.bits."+name, func(v *view) float64 { return v.Risk.Bits[name] })
	}
	for _, name := range Novelties {
		yes("risk.novel."+name, func(v *view) bool { return slices.Contains(v.Risk.Novel, name) })
	}
	for _, name := range Doubts {
		yes("risk.doubt."+name, func(v *view) bool { return slices.Contains(v.Risk.Doubt, name) })
	}
	real("limits.step_up", func(v *view) float64 { return v.Limits.StepUp })
	real("limits.deny", func(v *view) float64 { return v.Limits.Deny })
	text("net.country", func(v *view) string { return v.Net.Country })
	whole("net.asn", func(v *view) int { return int(v.Net.ASN) })
	yes("net.hosting", func(v *view) bool { return v.Net.Hosting })
	yes("net.anonymous", func(v *view) bool { return v.Net.Anonymous })
	yes("net.mobile", func(v *view) bool { return v.Net.Mobile })
	yes("net.known", func(v *view) bool { return v.Net.Known })
	yes("device.known", func(v *view) bool { return v.Device.Known })
	yes("device.bound", func(v *view) bool { return v.Device.Bound })
	yes("device.hardware", func(v *view) bool { return v.Device.Hardware })
	whole("user.logins", func(v *view) int { return v.User.Logins })
	whole("user.best", func(v *view) int { return v.User.Best })
	yes("user.alerted", func(v *view) bool { return v.User.Alerted })
	text("client.id", func(v *view) string { return v.Client.ID })
	text("client.profile", func(v *view) string { return v.Client.Profile })
	vs["request.scopes"] = variable{cel.ListType(cel.StringType), func(v *view) ref.Val { return v.scopes }}
	yes("request.sensitive", func(v *view) bool { return v.Request.Sensitive })
	whole("session.aal", func(v *view) int { return v.Session.AAL })
	whole("session.auth_age", func(v *view) int { return v.Session.AuthAge })
	yes("session.moved", func(v *view) bool { return v.Session.Moved })
	yes("session.abroad", func(v *view) bool { return v.Session.Abroad })
	yes("session.bound", func(v *view) bool { return v.Session.Bound })
	return vs
}

// ResolveName makes a view an activation of CEL.
func (v *view) ResolveName(name string) (any, bool) {
	d, ok := variables[name]
	if !ok {
		return nil, false
	}
	return d.get(v), true
}

// Parent is none.
func (v *view) Parent() cel.Activation { return nil }

// scopes is a list whose `in` compares strings where they lie.
type scopes struct {
	traits.Lister
	words []string
}

func (s scopes) Contains(v ref.Val) ref.Val {
	word, ok := v.(types.String)
	return types.Bool(ok && slices.Contains(s.words, string(word)))
}

// see returns f as rules see it; an error where it is beyond what rules were bounded for, or holds what is no number.
func see(f *Facts) (*view, error) {
	for _, x := range f.Risk.Bits {
		if math.IsNaN(x) {
			return nil, fmt.Errorf("policy: bits that are no number")
		}
	}
	for _, p := range []float64{f.Risk.P, f.Limits.StepUp, f.Limits.Deny} {
		if !(p >= 0 && p <= 1) {
			return nil, fmt.Errorf("policy: %v is no probability", p)
		}
	}
	long := func(s string) bool { return len(s) > maxText }
	if len(f.Request.Scopes) > maxList || slices.ContainsFunc(f.Request.Scopes, long) || long(f.Client.ID) || long(f.Client.Profile) || long(f.Net.Country) || long(f.Moment) {
		return nil, fmt.Errorf("policy: facts that are too long")
	}
	return &view{f, scopes{types.NewStringList(types.DefaultTypeAdapter, f.Request.Scopes), f.Request.Scopes}}, nil
}

// environment is what expressions are checked in: the variables, and the standard functions.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true), cel.ParserExpressionSizeLimit(maxWhen), cel.ParserRecursionLimit(maxNesting), cel.ExpressionNodeLimit(maxNodes),
	}
	for name, v := range variables {
		opts = append(opts, cel.Variable(name, v.kind))
	}
	return cel.NewEnv(opts...)
})

// sizes bounds what an expression may cost.
type sizes struct{}

func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	switch {
	case len(n.Path()) == 0:
		return nil
	case n.Type().Kind() == types.ListKind:
		return &cost.SizeEstimate{Max: maxList}
	case n.Type().Kind() == types.StringKind:
		return &cost.SizeEstimate{Max: maxText}
	}
	return nil
}

// program compiles one expression.
func program(when string) (cel.Program, error) {
	if len(when) > maxWhen {
		return nil, fmt.Errorf("when is longer than %d bytes", maxWhen)
	}
	env, err := environment()
	if err != nil {
		return nil, err
	}
	tree, issues := env.Compile(when)
	if err := issues.Err(); err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	if tree.OutputType() != cel.BoolType {
		return nil, fmt.Errorf("when is %s, and has to be bool", tree.OutputType())
	}
	if err := knownWords(tree.NativeRep()); err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	estimate, err := env.EstimateCost(tree, sizes{})
	if err != nil {
		return nil, fmt.Errorf("when: %w", err)
	}
	if estimate.Max > maxCost {
		return nil, fmt.Errorf("when may cost %d, and at most %d is allowed", estimate.Max, maxCost)
	}
	opts := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if estimate.Max > meteredFrom {
		opts = append(opts, cel.CostLimit(maxCost))
	}
	return env.Program(tree, opts...)
}

// vocabularies are variables with few values: to compare one with anything else is a mistake.
var vocabularies = map[string][]string{"moment": Moments, "risk.level": {"low", "medium", "high"}}

// knownWords finds comparisons with words that do not exist.
func knownWords(tree *ast.AST) (err error) {
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		args := e.AsCall().Args()
		for _, a := range args {
			words := vocabularies[nameOf(a)]
			for _, other := range args {
				for _, w := range literals(other) {
					if words != nil && !slices.Contains(words, w) {
						err = fmt.Errorf("%s is never %q, but one of %s", nameOf(a), w, strings.Join(words, ", "))
					}
				}
			}
		}
	}))
	return err
}

func nameOf(e ast.Expr) string {
	if e.Kind() == ast.IdentKind {
		return e.AsIdent()
	}
	return ""
}

// literals are the strings that e is, or lists.
func literals(e ast.Expr) (out []string) {
	switch e.Kind() {
	case ast.LiteralKind:
		if s, ok := e.AsLiteral().(types.String); ok {
			out = append(out, string(s))
		}
	case ast.ListKind:
		for _, item := range e.AsList().Elements() {
			out = append(out, literals(item)...)
		}
	}
	return out
}
