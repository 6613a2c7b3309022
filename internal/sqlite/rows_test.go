package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/video"
)

// TestFloatVectorsAreStoredAsBits: the index keeps one bit per float of several vectors. A
// query with the floats of a document finds that document.
func TestFloatVectorsAreStoredAsBits(t *testing.T) {
	t.Parallel()
	x, err := sqlite.Open(filepath.Join(t.TempDir(), "index.db"))
	require.NoError(t, err)
	defer x.Close()
	random := rand.New(rand.NewPCG(3, 4))
	id, generation := video.NewFingerprint("video"), video.NewFingerprint("generation")
	docs := make([]video.Document, 30)
	for i := range docs {
		e := video.Embedding{Dim: 64, Rows: 1 + i%4}
		for range e.Rows * e.Dim {
			e.Floats = append(e.Floats, float32(random.NormFloat64()))
		}
		docs[i] = video.Document{
			ID: fmt.Sprint(i), Tenant: "acme", Profile: "p", Video: video.ID(id), Generation: generation,
			URI: "file:///v.mp4", Name: "v.mp4", PTSMS: int64(i), StartMS: int64(i), EndMS: int64(i) + 1, FrameKey: fmt.Sprint(i), Multi: true, Embedding: e,
		}
	}
	require.NoError(t, x.Upsert(t.Context(), docs))
	_, err = x.Publish(t.Context(), video.Generation{
		Tenant: "acme", Profile: "p", Video: video.ID(id), Generation: generation, Documents: len(docs), URI: "file:///v.mp4", Name: "v.mp4", DurationMS: 30,
	})
	require.NoError(t, err)
	for i, d := range docs {
		for rows := 1; rows <= min(2, d.Embedding.Rows); rows++ {
			q := video.Embedding{Dim: 64, Rows: rows, Floats: d.Embedding.Floats[:rows*64]}
			hits, err := x.Search(t.Context(), video.Query{Tenant: "acme", Profile: "p", Multi: true, Embedding: q, Limit: 3, Rank: video.RankVector})
			require.NoError(t, err)
			require.EqualValues(t, i, hits[0].PTSMS)
			require.InDelta(t, rows, hits[0].Score, 1e-9)
		}
	}
}
