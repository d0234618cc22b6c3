package did

import (
	"math/big"
	"slices"
)

// The field and the curve constant of Ed25519, RFC 8032 §5.1.
var (
	one = big.NewInt(1)
	edP = new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	edD = func() *big.Int {
		d := new(big.Int).ModInverse(big.NewInt(121666), edP)
		return d.Mul(d, big.NewInt(-121665)).Mod(d, edP)
	}()
	edTorsion = torsion()
)

// torsion returns the y of the eight points of small order. Order 1, 2 and 4 have y = 1, -1, 0; the points of order 8
// double to y = 0, that is x² = -y², which the curve's equation turns into d·y⁴ + 2·y² - 1 = 0.
func torsion() []*big.Int {
	out := []*big.Int{new(big.Int), one, new(big.Int).Sub(edP, one)}
	root := new(big.Int).ModSqrt(new(big.Int).Add(one, edD), edP)
	inverse := new(big.Int).ModInverse(edD, edP)
	for _, r := range []*big.Int{root, new(big.Int).Neg(root)} {
		y2 := new(big.Int).Sub(r, one)
		if y := new(big.Int).ModSqrt(y2.Mul(y2, inverse).Mod(y2, edP), edP); y != nil {
			out = append(out, y, new(big.Int).Sub(edP, y))
		}
	}
	return out
}

// onEdwards says whether b, 32 bytes, is the one canonical spelling of a point of edwards25519 that is not of small order:
// the standard library only finds out at a signature, and a key of small order verifies signatures over anything.
// RFC 8032 §5.1.3. Public keys are no secrets, so time may vary.
func onEdwards(b []byte) bool {
	le := make([]byte, 32)
	for i, c := range b {
		le[31-i] = c
	}
	le[0] &= 0x7f // the sign of x
	y := new(big.Int).SetBytes(le)
	if y.Cmp(edP) >= 0 || slices.ContainsFunc(edTorsion, func(t *big.Int) bool { return t.Cmp(y) == 0 }) {
		return false
	}
	// x² = (y²-1)/(d·y²+1) is a square exactly if the product of both is.
	y2 := y.Mul(y, y)
	u := new(big.Int).Sub(y2, one)
	v := y2.Mul(y2, edD)
	v.Add(v, one)
	return big.Jacobi(u.Mul(u, v).Mod(u, edP), edP) == 1
}
