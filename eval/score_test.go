package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

func frame(name string, start, end int64) video.Hit {
	return video.Hit{Name: name, StartMS: start, EndMS: end}
}

// TestScore has values worked out by hand; 1/log2(3) = 0.63093, 1/log2(4) = 0.5.
func TestScore(t *testing.T) {
	t.Parallel()
	graded := Query{Relevant: []Judged{
		{Video: "a", EndMS: 1000, Grade: 1}, {Video: "b", Grade: 3}, {Video: "c", StartMS: 500, EndMS: 600, Grade: 2},
	}} // gains 1, 7, 3; ideal 7 + 3·0.63093 + 1·0.5 = 9.39279
	one := Query{Relevant: []Judged{{Video: "a", Grade: 1}}}
	for name, c := range map[string]struct {
		q    Query
		hits []video.Hit
		k    int
		want Scores
	}{
		"first":   {one, []video.Hit{frame("a", 0, 1)}, 10, Scores{1, 1, 1, 1}},
		"third":   {one, []video.Hit{frame("x", 0, 1), frame("y", 0, 1), frame("a", 0, 1)}, 3, Scores{0.5, 1, 1. / 3, 3}},
		"below k": {one, []video.Hit{frame("x", 0, 1), frame("a", 0, 1)}, 1, Scores{}},
		"no hits": {one, nil, 10, Scores{}},
		"k is 0":  {one, []video.Hit{frame("a", 0, 1)}, 0, Scores{}},
		"ideal":   {graded, []video.Hit{frame("b", 0, 1), frame("c", 500, 501), frame("a", 0, 1)}, 10, Scores{1, 1, 1, 1}},
		// 1 + 7·0.63093 = 5.41650
		"upside down": {graded, []video.Hit{frame("a", 999, 2000), frame("b", 0, 1)}, 10, Scores{5.41650 / 9.39279, 2. / 3, 1, 1}},
		// The second and the third hit show what the first found. 7 + 0 + 0 + 3/log2(5) = 8.29203
		"found once": {graded, []video.Hit{frame("b", 0, 1), frame("b", 0, 1), frame("b", 5, 9), frame("c", 0, 900)}, 10, Scores{8.29203 / 9.39279, 2. / 3, 1, 1}},
		// At k = 1 the ideal is 7.
		"cut ideal": {graded, []video.Hit{frame("c", 599, 700)}, 1, Scores{3. / 7, 1. / 3, 1, 1}},
		// A range ends before its end: neither hit touches it.
		"touching": {graded, []video.Hit{frame("a", 1000, 2000), frame("c", 0, 500)}, 10, Scores{}},
		// One hit finds both, and gains as much as the better: 3 / (3 + 1·0.63093) = 0.82624.
		"covers two": {
			Query{Relevant: []Judged{{Video: "a", EndMS: 5, Grade: 1}, {Video: "a", StartMS: 5, EndMS: 9, Grade: 2}}},
			[]video.Hit{frame("a", 0, 30)},
			10,
			Scores{0.82624, 1, 1, 1},
		},
		"nothing judged": {Query{}, []video.Hit{frame("a", 0, 1)}, 10, Scores{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Score(c.q, c.hits, c.k)
			assert.InDelta(t, c.want.NDCG, got.NDCG, 1e-5)
			assert.InDelta(t, c.want.Recall, got.Recall, 1e-9)
			assert.InDelta(t, c.want.RR, got.RR, 1e-9)
			assert.Equal(t, c.want.First, got.First)
		})
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	hit := video.Hit{Video: "4f2a", URI: "https://host/b/a.mp4?sig=x/y", Name: "the film", StartMS: 1000, EndMS: 1000}
	for _, name := range []string{"4f2a", "https://host/b/a.mp4?sig=x/y", "the film", "a.mp4"} {
		assert.True(t, Judged{Video: name}.Matches(hit), name)
	}
	for _, name := range []string{"4f2", "A.mp4", "b/a.mp4", "y", "."} {
		assert.False(t, Judged{Video: name}.Matches(hit), name)
	}
	assert.True(t, Judged{Video: "what?.mp4"}.Matches(video.Hit{URI: "/v/what?.mp4"}), "a local name may have any character")
	// A hit without a length is a moment.
	assert.True(t, Judged{Video: "4f2a", StartMS: 1000, EndMS: 1001}.Matches(hit))
	assert.False(t, Judged{Video: "4f2a", StartMS: 999, EndMS: 1000}.Matches(hit))
	assert.False(t, Judged{Video: "4f2a", StartMS: 1001, EndMS: 2000}.Matches(hit))
}

func TestMean(t *testing.T) {
	t.Parallel()
	queries := []QueryScores{{"a", Scores{1, 0.5, 1, 1}}, {"b", Scores{0.5, 0, 0.25, 4}}, {"c", Scores{}}}
	got := Mean(video.RankBM25, queries)
	assert.InDelta(t, 0.5, got.NDCG, 1e-12)
	assert.InDelta(t, 1./6, got.Recall, 1e-12)
	assert.InDelta(t, 1.25/3, got.MRR, 1e-12)
	assert.Equal(t, queries, got.Queries)
	assert.Equal(t, RankScores{Rank: "x", Queries: []QueryScores{}}, Mean("x", nil))
}

// TestScoreAgainstDefinitions compares with slow code that follows the
// definitions word by word.
func TestScoreAgainstDefinitions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 11))
	names := []string{"a", "b", "c"}
	for range 3000 {
		var q Query
		for range 1 + rng.IntN(5) {
			item := Judged{Video: names[rng.IntN(3)], Grade: 1 + rng.IntN(4)}
			if rng.IntN(3) > 0 {
				item.StartMS = rng.Int64N(8)
				item.EndMS = item.StartMS + 1 + rng.Int64N(6)
			}
			q.Relevant = append(q.Relevant, item)
		}
		var hits []video.Hit
		for range rng.IntN(9) {
			start := rng.Int64N(12)
			hits = append(hits, frame(names[rng.IntN(3)], start, start+1+rng.Int64N(5)))
		}
		k := 1 + rng.IntN(8)
		got, want := Score(q, hits, k), slowScore(q, hits, k)
		require.InDelta(t, want.NDCG, got.NDCG, 1e-9, "%+v %+v %d", q, hits, k)
		require.InDelta(t, want.Recall, got.Recall, 1e-9, "%+v %+v %d", q, hits, k)
		require.InDelta(t, want.RR, got.RR, 1e-9, "%+v %+v %d", q, hits, k)
		require.Equal(t, want.First, got.First)
		for _, score := range []float64{got.NDCG, got.Recall, got.RR} {
			require.True(t, score >= 0 && score <= 1, "%+v", got)
		}
		// Hits without a judgement do not change the score if they come last.
		require.Equal(t, got, Score(q, append(slices.Clip(hits), frame("nobody", 0, 1)), k))
	}
}

// slowScore finds the place of each item, then sums place by place; its ideal
// is the best of all orders of the items.
func slowScore(q Query, hits []video.Hit, k int) Scores {
	place := make([]int, len(q.Relevant)) // 0 = not found
	for j, item := range q.Relevant {
		for i := min(k, len(hits)) - 1; i >= 0; i-- {
			if slowMatch(item, hits[i]) {
				place[j] = i + 1
			}
		}
	}
	var s Scores
	dcg, found := 0.0, 0.0
	for p := 1; p <= k; p++ {
		best := 0.0
		for j, item := range q.Relevant {
			if place[j] == p {
				found++
				best = max(best, math.Pow(2, float64(item.Grade))-1)
				if s.First == 0 {
					s.First, s.RR = p, 1/float64(p)
				}
			}
		}
		dcg += best / math.Log2(float64(p)+1)
	}
	s.NDCG = dcg / slowIdeal(q.Relevant, 1, k)
	s.Recall = found / float64(len(q.Relevant))
	return s
}

func slowIdeal(left []Judged, p, k int) float64 {
	best := 0.0
	for i := range left {
		if p > k {
			break
		}
		var rest []Judged
		rest = append(append(rest, left[:i]...), left[i+1:]...)
		best = max(best, (math.Pow(2, float64(left[i].Grade))-1)/math.Log2(float64(p)+1)+slowIdeal(rest, p+1, k))
	}
	return best
}

func slowMatch(j Judged, h video.Hit) bool {
	if j.Video != h.Name {
		return false
	}
	if j.EndMS == 0 {
		return true
	}
	for ms := h.StartMS; ms < h.EndMS; ms++ {
		if ms >= j.StartMS && ms < j.EndMS {
			return true
		}
	}
	return false
}
