package sqlite

import (
	"cmp"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/video"
)

// library makes the frames of videos: a cluster for each video, some frames with equal
// vectors, and some of zeros.
func library(rng *rand.Rand, videos, frames, dim int) (docs []video.Document) {
	vector := func(around []float32, radius float64) []float32 {
		v := make([]float32, dim)
		for i := range v {
			v[i] = around[i] + float32(radius*rng.NormFloat64())
		}
		return v
	}
	origin := make([]float32, dim)
	black := vector(origin, 1)
	for clip := range videos {
		center := vector(origin, 1)
		for i := range frames {
			d := video.Document{
				ID: fmt.Sprintf("%03d:%04d", clip, i), Tenant: "acme", Profile: "p", Video: video.ID(fmt.Sprint(clip)), Generation: "1",
				Caption: fmt.Sprintf("word%d scene%d", rng.IntN(40), clip),
			}
			switch {
			case i%10 == 0:
				d.Embedding = floatsOf(1, black...)
			case i%31 == 0:
				d.Embedding = floatsOf(1, origin...)
			default:
				d.Embedding = floatsOf(1, vector(center, 0.1)...)
			}
			docs = append(docs, d)
		}
	}
	return docs
}

func publishAll(t *testing.T, x *Index, docs []video.Document) {
	t.Helper()
	require.NoError(t, x.Upsert(t.Context(), docs))
	counts := map[video.ID]int{}
	for _, d := range docs {
		counts[d.Video]++
	}
	for id, n := range counts {
		_, err := x.Publish(t.Context(), video.Generation{Tenant: "acme", Profile: "p", Video: id, Generation: "1", Documents: n})
		require.NoError(t, err)
	}
}

// TestVectorSearchIsExact: hits, their order and their scores are those of a comparison with
// every stored vector, ties included.
func TestVectorSearchIsExact(t *testing.T) {
	t.Parallel()
	const dim = 64
	rng := rand.New(rand.NewPCG(4, 2))
	x, _ := openTwo(t)
	docs := library(rng, 12, 120, dim)
	publishAll(t, x, docs)
	random := make([]float32, dim)
	for i := range random {
		random[i] = float32(rng.NormFloat64())
	}
	for name, query := range map[string]video.Embedding{
		"a frame":      docs[77].Embedding,
		"black":        docs[0].Embedding,
		"another one":  floatsOf(1, random...),
		"zeros":        floatsOf(1, make([]float32, dim)...),
		"two vectors":  floatsOf(2, append(slices.Clone(random), docs[5].Embedding.Floats...)...),
		"the opposite": floatsOf(1, negative(docs[77].Embedding.Floats)...),
	} {
		want := slices.Clone(docs)
		packed := pack(query)
		score := func(d video.Document) float64 {
			v := pack(d.Embedding)
			return v.similarity(&packed, 0)
		}
		slices.SortFunc(want, func(a, b video.Document) int {
			return cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(a.ID, b.ID))
		})
		for _, limit := range []int{1, 10, 200, 1000} {
			hits, err := x.Search(t.Context(), video.Query{
				Tenant: "acme", Profile: "p", Limit: limit, Rank: video.RankVector, Embedding: query,
			})
			require.NoError(t, err)
			require.Len(t, hits, limit)
			for i, h := range hits {
				require.Equal(t, want[i].Video, h.Video, "%s, hit %d of %d", name, i, limit)
				require.InDelta(t, score(want[i]), h.Score, 1e-12, "%s, hit %d of %d", name, i, limit)
			}
		}
	}
}

func negative(v []float32) []float32 {
	v = slices.Clone(v)
	for i := range v {
		v[i] = -v[i]
	}
	return v
}

// exhaustive is the fusion of words with the exact order of all vectors.
func exhaustive(t *testing.T, x *Index, q video.Query) (ids []string) {
	t.Helper()
	require.NoError(t, x.db.View(t.Context(), "test", func(tx *sql.Tx) error {
		scope, version, err := scopeID(t.Context(), tx, q.Tenant, q.Profile)
		require.NoError(t, err)
		all, err := x.cache.view(t.Context(), tx, scope, version)
		require.NoError(t, err)
		v := all.selected(video.Filter{}, nil)
		words, err := v.rankWords(t.Context(), q.Text, index.Telling)
		require.NoError(t, err)
		query := pack(q.Embedding)
		segments, _ := v.comparable(&query)
		vectors := v.documents(segments)
		require.NoError(t, v.exact(t.Context(), tx, &query, vectors))
		for _, s := range v.top(fuse(v.top(words, depth), v.top(vectors, depth)), q.Limit) {
			ids = append(ids, v.id(s.at))
		}
		return nil
	}))
	return ids
}

// TestHybridRecall: the fusion finds the same best ten as one with the exact order of all
// vectors. Beyond its first ranks, codes order the vectors.
func TestHybridRecall(t *testing.T) {
	t.Parallel()
	const dim, queries = 64, 15
	rng := rand.New(rand.NewPCG(4, 3))
	x, _ := openTwo(t)
	docs := library(rng, 12, 250, dim)
	caption := map[string]string{}
	for i := range docs {
		docs[i].Caption += " " + docs[i].ID
		caption[docs[i].ID] = docs[i].Caption
	}
	publishAll(t, x, docs)
	found := 0
	for range queries {
		q := video.Query{
			Tenant: "acme", Profile: "p", Limit: 10, Rank: video.RankHybrid,
			Text: fmt.Sprintf("word%d scene%d", rng.IntN(40), rng.IntN(12)), Embedding: docs[rng.IntN(len(docs))].Embedding,
		}
		hits, err := x.Search(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, hits, 10)
		for _, id := range exhaustive(t, x, q) {
			if slices.ContainsFunc(hits, func(h video.Hit) bool { return h.Caption == caption[id] }) {
				found++
			}
		}
	}
	require.GreaterOrEqual(t, float64(found)/(10*queries), 0.98)
}
