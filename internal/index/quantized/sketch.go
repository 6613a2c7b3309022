package quantized

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// sketchDeviations bounds the error of an estimate in standard deviations. One in 160 vectors
// at the edge of the best is missed, and far fewer of the better ones.
const sketchDeviations = 2.5

// sketch has the signs of each vector's components after a random rotation, and what makes
// their product with a query an unbiased estimate. The method is RaBitQ (Gao and Long, 2024).
// The rotation makes the error independent of the data.
type sketch struct {
	rotation rotation
	width    int // 64-bit words of a vector
	signs    []uint64
	ones     []float32 // number of positive components
	factors  []float32 // from the product with the signs to the similarity
	errors   []float32
}

func newSketch(dim, n int) sketch {
	r := newRotation(dim)
	width := (r.size + 63) / 64
	return sketch{
		rotation: r, width: width, signs: make([]uint64, n*width),
		ones: make([]float32, n), factors: make([]float32, n), errors: make([]float32, n),
	}
}

func (s *sketch) bytes() int { return 8*len(s.signs) + 4*(len(s.ones)+len(s.factors)+len(s.errors)) }

// encode adds a vector of a length.
func (s *sketch) encode(i int, vector []float32, length float64) {
	if length == 0 {
		return
	}
	rotated := s.rotation.apply(vector)
	sum, ones := 0.0, 0
	for k, v := range rotated {
		sum += math.Abs(float64(v))
		if v > 0 {
			s.signs[i*s.width+k/64] |= 1 << (k % 64)
			ones++
		}
	}
	root := math.Sqrt(float64(len(rotated)))
	cosine := min(1, sum/(root*length)) // of the vector and its signs
	s.ones[i] = float32(ones)
	s.factors[i] = float32(length / (cosine * root))
	s.errors[i] = float32(sketchDeviations * length * math.Sqrt(1-cosine*cosine) / cosine / math.Sqrt(max(1, float64(len(rotated)-1))))
}

// planes is a rotated query in four bits per component: the n-th bits of 64 components are
// one word.
type planes struct {
	words []uint64 // four for each word of a sketch
	least float32
	level float32 // what one level stands for
	sum   float32
	wrong float32 // length of the difference to the query
}

const levels = 15 // of four bits

func newPlanes(unit []float32) planes {
	rotated := newRotation(len(unit)).apply(unit)
	p := planes{words: make([]uint64, (len(rotated)+63)/64*4), least: rotated[0]}
	most := rotated[0]
	for _, v := range rotated {
		p.least, most = min(p.least, v), max(most, v)
		p.sum += v
	}
	p.level = max(math.SmallestNonzeroFloat32, (most-p.least)/levels)
	wrong := 0.0
	for k, v := range rotated {
		level := min(levels, uint64((v-p.least)/p.level+0.5))
		off := float64(v - p.least - float32(level)*p.level)
		wrong += off * off
		for bit := range 4 {
			p.words[k/64*4+bit] |= level >> bit & 1 << (k % 64)
		}
	}
	p.wrong = sketchDeviations * float32(math.Sqrt(wrong))
	return p
}

// estimate returns the similarity of vectors from to from+len(out) by their signs.
func (s *Set) estimate(q *Query, base float32, from int, out []Similarity) {
	k := &s.sketch
	signs := k.signs[from*k.width:]
	for i := range out {
		weight := 0
		planes := q.words
		for _, word := range signs[:k.width] {
			p := (*[4]uint64)(planes)
			weight += bits.OnesCount64(word&p[0]) + bits.OnesCount64(word&p[1])<<1 +
				bits.OnesCount64(word&p[2])<<2 + bits.OnesCount64(word&p[3])<<3
			planes = planes[4:]
		}
		signs = signs[k.width:]
		positive := q.least*k.ones[from+i] + q.level*float32(weight) // sum of the query where the sign is positive
		out[i] = Similarity{
			Value: base + k.factors[from+i]*(2*positive-q.sum),
			Error: k.errors[from+i] + k.factors[from+i]*q.wrong + rounding,
		}
	}
}

// rotation is a random orthogonal transformation: twice random signs and a Walsh-Hadamard
// transform. It is the same for every set of a dimension.
type rotation struct {
	size  int // the dimension, rounded up to a power of two
	flips [2][]float32
}

func newRotation(dim int) rotation {
	r := rotation{size: 1 << bits.Len(uint(dim-1))}
	rng := rand.New(rand.NewPCG(uint64(dim), 0x636f67666c6f77))
	scale := float32(1 / math.Sqrt(float64(r.size)))
	for i := range r.flips {
		r.flips[i] = make([]float32, r.size)
		for k := range r.flips[i] {
			r.flips[i][k] = scale
			if rng.Uint64()&1 == 0 {
				r.flips[i][k] = -scale
			}
		}
	}
	return r
}

func (r rotation) apply(vector []float32) []float32 {
	out := make([]float32, r.size)
	copy(out, vector)
	for _, flips := range r.flips {
		for k := range out {
			out[k] *= flips[k]
		}
		for half := 1; half < len(out); half *= 2 {
			for from := 0; from < len(out); from += 2 * half {
				a, b := out[from:from+half], out[from+half:from+2*half]
				for k, v := range a {
					a[k], b[k] = v+b[k], v-b[k]
				}
			}
		}
	}
	return out
}
