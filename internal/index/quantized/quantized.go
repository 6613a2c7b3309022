// Package quantized compares vectors by their direction in a third of the memory: one bit per
// component finds those that may be among the best, and one byte per component orders them.
// Both come with a bound of the error, so that the caller computes few exact similarities.
// The package does not know documents.
package quantized

import "math"

// deviations bounds an error in standard deviations. Rounding errors are independent of a
// query, so their sum is distributed normally: one in two million is larger.
const deviations = 5

// rounding is the error of sums of float32.
const rounding = 1e-5

// Set holds the directions of vectors of one dimension. It does not change.
type Set struct {
	dim    int
	center []float32 // mean; a vector is coded by its distance to it
	codes  []int8
	steps  []float32 // by vector: the distance that one step of a code stands for
	errors []float32 // by vector: bound of the error for a query without error
	radius float32   // of all vectors around the center
	sketch sketch
}

// New makes a set of vectors of dim components each. A vector of zeros has no direction; its
// similarity is 0.
func New(dim int, vectors []float32) *Set {
	n := len(vectors) / dim
	s := &Set{
		dim: dim, center: make([]float32, dim), codes: make([]int8, n*dim), steps: make([]float32, n), errors: make([]float32, n),
	}
	s.sketch = newSketch(dim, n)
	unit := make([]float32, dim)
	sums := make([]float64, dim)
	for i := range n {
		direction(unit, vectors[i*dim:])
		for k, v := range unit {
			sums[k] += float64(v)
		}
	}
	for k, sum := range sums {
		s.center[k] = float32(sum / float64(n))
	}
	for i := range n {
		direction(unit, vectors[i*dim:])
		s.encode(i, unit)
	}
	return s
}

// direction writes a vector's direction, or zeros.
func direction(unit, vector []float32) {
	sum := 0.0
	for _, v := range vector[:len(unit)] {
		sum += float64(v) * float64(v)
	}
	scale := 0.0
	if sum > 0 {
		scale = 1 / math.Sqrt(sum)
	}
	for k, v := range vector[:len(unit)] {
		unit[k] = float32(float64(v) * scale)
	}
}

func (s *Set) encode(i int, unit []float32) {
	most, norm := float32(0), 0.0
	for k, v := range unit {
		distance := v - s.center[k]
		unit[k] = distance
		most = max(most, distance, -distance)
		norm += float64(distance) * float64(distance)
	}
	s.radius = max(s.radius, float32(math.Sqrt(norm)))
	s.sketch.encode(i, unit, math.Sqrt(norm))
	step := most / math.MaxInt8
	if step == 0 {
		return
	}
	s.steps[i] = step
	wrong := 0.0
	for k, v := range unit {
		code := math.Round(float64(v / step))
		s.codes[i*s.dim+k] = int8(code)
		off := float64(v) - code*float64(step)
		wrong += off * off
	}
	s.errors[i] = bound(wrong, s.steps[i])
}

// bound limits the product of a direction and rounding errors, of which wrong is the sum of
// squares. A direction of few components meets the errors of these alone, so the bound is of
// the error that a step can have, not of the mean error of all components.
func bound(wrong float64, step float32) float32 {
	return min(float32(math.Sqrt(wrong)), step*deviations/float32(math.Sqrt(12)))
}

// Len is the number of vectors.
func (s *Set) Len() int { return len(s.steps) }

// Bytes is the memory that the set takes.
func (s *Set) Bytes() int {
	return len(s.codes) + 4*(len(s.center)+len(s.steps)+len(s.errors)) + s.sketch.bytes()
}

// Query is a direction to compare with.
type Query struct {
	unit  []float32
	codes []int32
	step  float32
	error float32 // bound of the error for a vector at distance 1 from its center
	planes
}

// NewQuery returns false for a vector of zeros, which has no direction.
func NewQuery(vector []float32) (*Query, bool) {
	dim := len(vector)
	q := &Query{unit: make([]float32, dim), codes: make([]int32, dim)}
	direction(q.unit, vector)
	most := float32(0)
	for _, v := range q.unit {
		most = max(most, v, -v)
	}
	if most == 0 {
		return nil, false
	}
	// The sum of all products fits into 32 bits.
	q.step = most / float32(min(math.MaxInt16, math.MaxInt32/(dim*math.MaxInt8)))
	wrong := 0.0
	for k, v := range q.unit {
		q.codes[k] = int32(math.Round(float64(v / q.step)))
		off := float64(v) - float64(q.codes[k])*float64(q.step)
		wrong += off * off
	}
	q.error = bound(wrong, q.step)
	q.planes = newPlanes(q.unit)
	return q, true
}

// base is the similarity of the query to the center.
func (s *Set) base(q *Query) float32 {
	sum := float32(0)
	for k, v := range q.unit {
		sum += v * s.center[k]
	}
	return sum
}

// compare returns the similarity of a vector by its bytes.
func (s *Set) compare(q *Query, base float32, i int) Similarity {
	codes := s.codes[i*s.dim : (i+1)*s.dim]
	return Similarity{
		Value: base + q.step*s.steps[i]*float32(product(q.codes, codes)),
		Error: s.errors[i] + q.error*s.radius + rounding,
	}
}

// Similarity is a cosine, within Error.
type Similarity struct{ Value, Error float32 }

// product uses four sums, so that a processor adds them at the same time.
func product(a []int32, b []int8) int32 {
	var s0, s1, s2, s3 int32
	for len(a) >= 8 && len(b) >= 8 {
		x, y := a[:8:8], b[:8:8]
		s0 += x[0]*int32(y[0]) + x[4]*int32(y[4])
		s1 += x[1]*int32(y[1]) + x[5]*int32(y[5])
		s2 += x[2]*int32(y[2]) + x[6]*int32(y[6])
		s3 += x[3]*int32(y[3]) + x[7]*int32(y[7])
		a, b = a[8:], b[8:]
	}
	for i, v := range a {
		s0 += v * int32(b[i])
	}
	return s0 + s1 + s2 + s3
}
