package tpe

import "math"

// Go's logarithm and exponential may be off by one unit in the last place; those of the C
// library under NumPy almost never are. Two candidates of equal expectation differ by less than
// one unit, so the functions here are correctly rounded.

// double is hi+lo, a number with twice the precision.
type double struct{ hi, lo float64 }

func twoSum(a, b float64) double {
	s := a + b
	t := s - a
	return double{s, (a - (s - t)) + (b - t)}
}

func (a double) add(b double) double {
	s := twoSum(a.hi, b.hi)
	return twoSum(s.hi, s.lo+a.lo+b.lo)
}

func (a double) times(b double) double {
	p := a.hi * b.hi
	e := math.FMA(a.hi, b.hi, -p)
	return twoSum(p, e+a.hi*b.lo+a.lo*b.hi)
}

func (a double) over(n float64) double {
	q := a.hi / n
	return twoSum(q, (math.FMA(-q, n, a.hi)+a.lo)/n)
}

const (
	ln2High  = 0x1.62e42feep-1 // few enough bits that a small integer times it is exact
	ln2Low   = 0x1.a39ef35793c76p-33
	ln2Lower = 0x1.cc01f97b57a08p-87
	halvings = 5
)

// expDouble is e^x, for x from -700 to 700.
func expDouble(x float64) double {
	k := math.Round(x / math.Ln2)
	r := twoSum(math.FMA(-k, ln2High, x), 0)
	p := k * ln2Low
	r = r.add(double{-p, -math.FMA(k, ln2Low, -p) - k*ln2Lower})
	r = r.over(1 << halvings)
	total, term := double{1, 0}, double{1, 0}
	for i := 1.0; i <= 16; i++ {
		term = term.times(r).over(i)
		total = total.add(term)
	}
	for range halvings {
		total = total.times(total)
	}
	scale := math.Ldexp(1, int(k))
	return double{total.hi * scale, total.lo * scale}
}

// exp is e^x; below -700 the difference does not matter here.
func exp(x float64) float64 {
	if x < -700 || x > 700 {
		return math.Exp(x)
	}
	e := expDouble(x)
	return e.hi + e.lo
}

// log is the natural logarithm of a positive number.
func log(x float64) float64 {
	y := math.Log(x)
	if math.IsInf(y, 0) || math.Abs(y) > 700 {
		return y
	}
	z := expDouble(-y).times(double{x, 0}).add(double{-1, 0}) // x/e^y - 1, tiny
	return y + (z.hi + z.lo)
}
