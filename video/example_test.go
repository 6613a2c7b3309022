package video

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

func TestExampleFits(t *testing.T) {
	t.Parallel()
	picture := Example{Image: string(NewFingerprint("a picture"))}
	for name, c := range map[string]struct {
		e     Example
		words string
		rank  Rank
		bad   string
	}{
		"words":             {Example{}, "tram", RankBM25, ""},
		"picture":           {picture, "", RankVector, ""},
		"picture, hybrid":   {picture, "tram", RankHybrid, ""},
		"document":          {Example{Like: "default:0011:2000"}, "", RankVector, ""},
		"custom rank":       {picture, "", "float_binary", ""},
		"both":              {Example{picture.Image, "x"}, "", RankVector, "like"},
		"no hash":           {Example{Image: "../frame.jpg"}, "", RankVector, "image"},
		"words only":        {picture, "tram", RankBM25, "rank"},
		"ignored words":     {picture, "tram", RankVector, "rank"},
		"an endless id":     {Example{Like: string(make([]byte, 300))}, "", RankVector, "like"},
		"document and bm25": {Example{Like: "x"}, "", RankBM25, "rank"},
	} {
		err := c.e.Fits(c.words, c.rank)
		if c.bad == "" {
			require.NoError(t, err, name)
			continue
		}
		require.Equal(t, fault.Input, fault.ClassOf(err), name)
		require.ErrorContains(t, err, c.bad, name)
	}
	require.Equal(t, RankVector, picture.DefaultRank(""))
	require.Equal(t, RankHybrid, picture.DefaultRank("tram"))
	require.Equal(t, RankHybrid, Example{}.DefaultRank(""))
}

func TestSampled(t *testing.T) {
	t.Parallel()
	e := Embedding{Dim: 8, Rows: 10}
	for i := range 80 {
		e.Floats = append(e.Floats, float32(i/8))
	}
	require.Equal(t, e, e.Sampled(10))
	few := e.Sampled(3)
	require.NoError(t, few.Check())
	require.Equal(t, []float32{1, 5, 8}, []float32{few.Floats[0], few.Floats[8], few.Floats[16]})
	bits := Embedding{Dim: 16, Rows: 4, Bits: []byte{0, 1, 2, 3, 4, 5, 6, 7}}.Sampled(2)
	require.NoError(t, bits.Check())
	require.Equal(t, []byte{2, 3, 6, 7}, bits.Bits)
}

func TestExampleFirst(t *testing.T) {
	t.Parallel()
	order := func(hits []Hit) (ids string) {
		for _, h := range hits {
			ids += h.ID
		}
		return ids
	}
	hits := []Hit{{ID: "a", Score: 1}, {ID: "b", Score: 1}, {ID: "c", Score: 1}, {ID: "d", Score: 0.5}}
	require.Equal(t, "cabd", order(ExampleFirst(hits, "c")), "equal frames")
	require.Equal(t, "abcd", order(ExampleFirst(hits, "d")), "words decided")
	require.Equal(t, "abcd", order(ExampleFirst(hits, "e")), "filtered out")
	require.Equal(t, "abcd", order(ExampleFirst(hits, "")))
	require.Equal(t, "abcd", order(hits))
	require.Empty(t, ExampleFirst(nil, "a"))
}
