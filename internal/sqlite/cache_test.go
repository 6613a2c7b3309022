package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func openTwo(t *testing.T) (x, other *Index) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "index.db")
	for _, opened := range []**Index{&x, &other} {
		var err error
		*opened, err = Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, (*opened).Close()) })
	}
	return x, other
}

func put(t *testing.T, x *Index, owner tenant.ID, name string, e video.Embedding) {
	t.Helper()
	d := video.Document{
		ID: name, Tenant: owner, Profile: "p", Video: video.ID(name), Generation: "1", Caption: name, Embedding: e,
	}
	require.NoError(t, x.Upsert(t.Context(), []video.Document{d}))
	_, err := x.Publish(t.Context(), video.Generation{
		Tenant: owner, Profile: "p", Video: d.Video, Generation: "1", Documents: 1,
	})
	require.NoError(t, err)
}

func find(t *testing.T, x *Index, owner tenant.ID, e video.Embedding) []video.Hit {
	t.Helper()
	hits, err := x.Search(t.Context(), video.Query{Tenant: owner, Profile: "p", Limit: 10, Rank: video.RankVector, Embedding: e})
	require.NoError(t, err)
	return hits
}

func floatsOf(rows int, values ...float32) video.Embedding {
	return video.Embedding{Dim: len(values) / rows, Rows: rows, Floats: values}
}

func TestOtherHandlesWrites(t *testing.T) {
	t.Parallel()
	x, other := openTwo(t)
	e := floatsOf(1, 1, 0)
	put(t, x, "acme", "a", e)
	require.Len(t, find(t, other, "acme", e), 1)
	put(t, x, "acme", "b", e)
	require.Len(t, find(t, other, "acme", e), 2)
	kept := other.cache.views[0].segments[0]
	_, err := x.DeleteVideo(t.Context(), "acme", "", "b")
	require.NoError(t, err)
	require.Len(t, find(t, other, "acme", e), 1)
	require.Same(t, kept, other.cache.views[0].segments[0], "an unchanged generation is not read again")
	require.NoError(t, x.Upsert(t.Context(), []video.Document{{
		ID: "a", Tenant: "acme", Profile: "p", Video: "a", Generation: "1", Embedding: floatsOf(1, 0, 1),
	}}))
	require.Zero(t, find(t, other, "acme", e)[0].Score)
}

func TestCacheForgets(t *testing.T) {
	t.Parallel()
	x, _ := openTwo(t)
	x.cache.limit = 1
	e := floatsOf(1, 1, 0)
	for _, owner := range []tenant.ID{"a", "b", "c"} {
		put(t, x, owner, "clip", e)
	}
	for range 2 {
		for _, owner := range []tenant.ID{"a", "b", "c"} {
			require.Len(t, find(t, x, owner, e), 1)
			require.Len(t, x.cache.views, 1)
		}
	}
	x.cache.limit = cacheLimit
	for _, owner := range []tenant.ID{"a", "b", "c"} {
		require.Len(t, find(t, x, owner, e), 1)
	}
	require.Len(t, x.cache.views, 3)
}

func TestFloatMaxSim(t *testing.T) {
	t.Parallel()
	x, _ := openTwo(t)
	put(t, x, "acme", "two rows", floatsOf(2, 1, 0, 0, 2))
	put(t, x, "acme", "one row", floatsOf(1, 3, 3))
	hits := find(t, x, "acme", floatsOf(2, 1, 0, 0, 1))
	require.Equal(t, "one row", hits[0].Caption)
	require.InDelta(t, 3+3, hits[0].Score, 1e-9)
	require.InDelta(t, 1+2, hits[1].Score, 1e-9)
}

// TestMixedShapes: while a profile changes its model, both generations exist; words
// find all documents, vectors only those of their own shape.
func TestMixedShapes(t *testing.T) {
	t.Parallel()
	x, _ := openTwo(t)
	put(t, x, "acme", "old model", floatsOf(1, 1, 0))
	put(t, x, "acme", "new model", floatsOf(1, 1, 0, 0))
	require.Equal(t, "old model", find(t, x, "acme", floatsOf(1, 1, 0))[0].Caption)
	require.Len(t, find(t, x, "acme", floatsOf(1, 1, 0, 0)), 1)
	hits, err := x.Search(t.Context(), video.Query{Tenant: "acme", Profile: "p", Text: "model", Limit: 10, Rank: video.RankBM25})
	require.NoError(t, err)
	require.Len(t, hits, 2)
}

func TestDamagedEmbedding(t *testing.T) {
	t.Parallel()
	x, other := openTwo(t)
	e := floatsOf(1, 1, 0)
	put(t, x, "acme", "a", e)
	_, err := x.db.Write.ExecContext(t.Context(), "UPDATE document SET embedding=x'00'")
	require.NoError(t, err)
	_, err = other.Search(t.Context(), video.Query{Tenant: "acme", Profile: "p", Limit: 1, Rank: video.RankVector, Embedding: e})
	require.ErrorContains(t, err, "move it away")
}
