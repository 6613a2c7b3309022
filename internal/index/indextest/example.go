package indextest

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// testExample: a document is the best hit of a search by its own vector, whatever its shape,
// and is named by the id of its hit.
func testExample(t *testing.T, x Index) {
	rng := rand.New(rand.NewPCG(5, 6))
	for p, make := range map[string]func() video.Embedding{
		profile:   func() video.Embedding { return floats(rng, 1, dim) },
		"bits_64": func() video.Embedding { return packed(rng, 20, 64) },
	} {
		docs := in(clip(p, "1", numbered(20)...), acme, p)
		for i := range docs {
			docs[i].Embedding = make()
		}
		publish(t, x, docs)
		for _, d := range docs[3:6] {
			e, err := x.Vector(t.Context(), acme, p, d.ID)
			require.NoError(t, err)
			require.Equal(t, d.Embedding, e)
			hits := search(t, x, video.Query{Tenant: acme, Profile: p, Embedding: e, Limit: 3, Rank: video.RankVector})
			require.Equal(t, d.ID, hits[0].ID)
			require.Equal(t, d.Caption, hits[0].Caption)
			require.Greater(t, hits[0].Score, hits[1].Score)
		}
	}
	other := in(clip("other", "1", "a tram"), "globex", profile)
	publish(t, x, other)
	for name, c := range map[string]struct {
		tenant       tenant.ID
		profile, doc string
	}{
		"unknown":        {acme, profile, "acme:no-such-document:7"},
		"empty":          {acme, profile, ""},
		"another tenant": {acme, profile, other[0].ID},
		"another path":   {acme, profile, "../" + profile + "_globex/docid/" + other[0].ID},
	} {
		_, err := x.Vector(t.Context(), c.tenant, c.profile, c.doc)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
	}
}

// testTelling: a document with only the words of a query that tell nothing counts for nothing
// in a hybrid search, although it is found by words.
func testTelling(t *testing.T, x Index) {
	texts := []string{
		"it is in the box", "now it is in the end", "frost and snow on the mountain", "the hills in the sun",
	}
	for range 12 {
		texts = append(texts, "it is in the way of the car")
	}
	docs := clip("said", "1", texts...)
	for i := range docs {
		docs[i].Embedding, docs[i].Name = unit(i), "said.mp4"
	}
	publish(t, x, docs)
	q := words("how cold it is in the hills")
	require.Len(t, search(t, x, q), 16, "any word finds")
	q.Rank, q.Embedding, q.Limit = video.RankHybrid, unit(2), 3
	hits := search(t, x, q)
	require.Equal(t, []string{texts[3], texts[2]}, captions(hits)[:2], "a word that tells something, and the best vector")
	q.Text = "it is in the"
	require.Equal(t, texts[0], search(t, x, q)[0].Caption, "if no word tells more than others, all count")
}
