package quantized

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// TestWithinTheError: the exact cosine is within the bound, for noise, for vectors close to
// each other, for few large components, and for extreme lengths.
func TestWithinTheError(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(dim int) []float32 {
		v := make([]float32, dim)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	const n = 150
	for _, dim := range []int{1, 3, 8, 100, 256, 2500} {
		base := noise(dim)
		kinds := map[string]func() []float32{
			"noise": func() []float32 { return noise(dim) },
			"close": func() []float32 {
				v := noise(dim)
				for i := range v {
					v[i] = base[i] + v[i]/100
				}
				return v
			},
			"sparse": func() []float32 {
				v := make([]float32, dim)
				v[rng.IntN(dim)], v[rng.IntN(dim)] = 1, -0.5
				return v
			},
			"tiny":  func() []float32 { v := make([]float32, dim); v[dim-1] = 1e-30; return v },
			"huge":  func() []float32 { v := noise(dim); v[0] = 1e18; return v },
			"zero":  func() []float32 { return make([]float32, dim) },
			"equal": func() []float32 { return base },
		}
		for _, kind := range slices.Sorted(maps.Keys(kinds)) { // the order decides what the random numbers are
			vector := kinds[kind]
			var all []float32
			for range n {
				all = append(all, vector()...)
			}
			s := New(dim, all)
			require.Equal(t, n, s.Len())
			out := make([]Similarity, n)
			for _, query := range [][]float32{noise(dim), all[:dim], base} {
				q, ok := NewQuery(query)
				if !ok {
					continue
				}
				base, outside := s.base(q), 0
				s.estimate(q, base, 0, out)
				for i, estimated := range out {
					want := cosine(query, all[i*dim:(i+1)*dim])
					got := s.compare(q, base, i)
					require.InDelta(t, want, got.Value, float64(got.Error), "%s of %d, vector %d", kind, dim, i)
					require.Less(t, got.Error, float32(0.05), "%s of %d", kind, dim)
					if math.Abs(want-float64(estimated.Value)) > float64(estimated.Error) {
						outside++
					}
				}
				require.LessOrEqual(t, outside, n/10, "%s of %d: estimates beyond their error", kind, dim)
			}
		}
	}
	_, ok := NewQuery(make([]float32, 8))
	require.False(t, ok)
}
