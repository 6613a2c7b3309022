package quantized

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shape makes the vectors of one set; sets are videos.
type shape func(rng *rand.Rand, set, dim int) [][]float32

func gaussian(rng *rand.Rand, dim int, around []float32, radius float32) []float32 {
	v := make([]float32, dim)
	for i := range v {
		v[i] = radius * float32(rng.NormFloat64())
		if around != nil {
			v[i] += around[i]
		}
	}
	return v
}

// shapes are data for which quantization is easy, and data for which it is hard.
func shapes(frames int) map[string]shape {
	fill := func(next func(i int) []float32) [][]float32 {
		out := make([][]float32, frames)
		for i := range out {
			out[i] = next(i)
		}
		return out
	}
	common := gaussian(rand.New(rand.NewPCG(9, 9)), 2048, nil, 1)
	return map[string]shape{
		"noise": func(rng *rand.Rand, _, dim int) [][]float32 {
			return fill(func(int) []float32 { return gaussian(rng, dim, nil, 1) })
		},
		"a cluster for each video": func(rng *rand.Rand, _, dim int) [][]float32 {
			center := gaussian(rng, dim, nil, 1)
			return fill(func(int) []float32 { return gaussian(rng, dim, center, 0.2) })
		},
		"a static camera": func(rng *rand.Rand, _, dim int) [][]float32 {
			return fill(func(int) []float32 { return gaussian(rng, dim, common, 0.003) })
		},
		"one cluster in all videos, and clusters within": func(rng *rand.Rand, set, dim int) [][]float32 {
			center := gaussian(rng, dim, common, 0.3)
			return fill(func(i int) []float32 { return gaussian(rng, dim, center, 0.01+0.2*float32((i+set)%3)) })
		},
		"sparse": func(rng *rand.Rand, _, dim int) [][]float32 {
			return fill(func(int) []float32 {
				v := make([]float32, dim)
				for range 3 {
					v[rng.IntN(dim)] += rng.Float32()
				}
				return v
			})
		},
		"equal frames": func(_ *rand.Rand, set, dim int) [][]float32 {
			return fill(func(i int) []float32 { return common[(set+i/50)%7 : (set+i/50)%7+dim] })
		},
	}
}

// recall is the part of the exact best n that a search returns, by the exact similarity, so
// that vectors with the same similarity can stand in for each other.
func recall(t *testing.T, sets []*Set, vectors [][][]float32, query []float32, n int) float64 {
	t.Helper()
	q, ok := NewQuery(query)
	require.True(t, ok)
	found, err := Search(t.Context(), sets, q, nil, n, n)
	require.NoError(t, err)
	var all, got []float64
	for _, set := range vectors {
		for _, v := range set {
			all = append(all, cosine(query, v))
		}
	}
	for _, c := range found {
		got = append(got, cosine(query, vectors[c.Set][c.Vector]))
	}
	descending := func(a, b float64) int { return cmp.Compare(b, a) }
	slices.SortFunc(all, descending)
	slices.SortFunc(got, descending)
	hits := 0
	for i := range n {
		if i < len(got) && got[i] >= all[i]-1e-6 {
			hits++
		}
	}
	return float64(hits) / float64(n)
}

// TestRecall: a search returns the best ten of the exact order, for queries that are noise,
// and for queries close to a frame.
func TestRecall(t *testing.T) {
	t.Parallel()
	const videos, frames, queries = 12, 100, 8
	for name, vectors := range shapes(frames) {
		for _, dim := range []int{96, 256} {
			rng := rand.New(rand.NewPCG(uint64(dim), 3))
			sets, all := make([]*Set, videos), make([][][]float32, videos)
			for i := range sets {
				all[i] = vectors(rng, i, dim)
				sets[i] = New(dim, slices.Concat(all[i]...))
			}
			sum := 0.0
			for i := range queries {
				query := gaussian(rng, dim, nil, 1)
				if i%2 == 0 {
					query = gaussian(rng, dim, all[rng.IntN(videos)][rng.IntN(frames)], 0.1)
				}
				sum += recall(t, sets, all, query, 10)
			}
			require.GreaterOrEqual(t, sum/queries, 0.98, "%s, %d dimensions", name, dim)
		}
	}
}

func TestSearchLimits(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	const dim = 32
	var sets []*Set
	for range 3 {
		sets = append(sets, New(dim, gaussian(rng, 100*dim, nil, 1)))
	}
	sets = append(sets, New(dim, nil))
	q, _ := NewQuery(gaussian(rng, dim, nil, 1))
	found, err := Search(t.Context(), sets, q, nil, 5, 50)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(found), 50)
	require.True(t, slices.IsSortedFunc(found, func(a, b Candidate) int { return cmp.Compare(b.Value, a.Value) }))
	again, err := Search(t.Context(), sets, q, nil, 5, 50)
	require.NoError(t, err)
	require.Equal(t, found, again)
	even := func(set, vector int) bool { return set == 1 && vector%2 == 0 }
	found, err = Search(t.Context(), sets, q, even, 5, 1000)
	require.NoError(t, err)
	require.Len(t, found, 50)
	for _, c := range found {
		require.True(t, even(c.Set, c.Vector))
	}
	found, err = Search(t.Context(), nil, q, nil, 5, 10)
	require.NoError(t, err)
	require.Empty(t, found)
}

// BenchmarkSearch compares with the exact similarity of all vectors, in the same run.
func BenchmarkSearch(b *testing.B) {
	const videos, frames, dim = 100, 500, 256
	for name, vectors := range shapes(frames) {
		b.Run(name, func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			sets, all, size := make([]*Set, videos), make([][][]float32, videos), 0
			for i := range sets {
				all[i] = vectors(rng, i, dim)
				sets[i] = New(dim, slices.Concat(all[i]...))
				size += sets[i].Bytes()
			}
			var search, exact time.Duration
			candidates := 0
			for b.Loop() {
				query := gaussian(rng, dim, all[rng.IntN(videos)][0], 0.1)
				start := time.Now()
				q, _ := NewQuery(query)
				found, err := Search(b.Context(), sets, q, nil, 10, 10)
				require.NoError(b, err)
				search += time.Since(start)
				candidates += len(found)
				start = time.Now()
				for _, set := range all {
					for _, v := range set {
						cosine(query, v)
					}
				}
				exact += time.Since(start)
			}
			b.ReportMetric(search.Seconds()/exact.Seconds(), "of_exact_time")
			b.ReportMetric(float64(size)/float64(4*videos*frames*dim), "of_the_floats'_memory")
			b.ReportMetric(float64(candidates)/float64(b.N), "candidates")
		})
	}
}
