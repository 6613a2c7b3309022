package preview_test

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/video"
)

func embed(t testing.TB, texts ...string) [][]float32 {
	t.Helper()
	all, err := preview.Embedder{}.EmbedTexts(t.Context(), video.TextRequest{Stage: video.Stage{Model: preview.EmbedderModel}, Texts: texts})
	require.NoError(t, err)
	require.Len(t, all, len(texts))
	out := make([][]float32, len(all))
	for i, e := range all {
		require.NoError(t, e.Check())
		require.Equal(t, 256, e.Dim)
		require.Equal(t, 1, e.Rows)
		require.InDelta(t, 1, cosine(e.Floats, e.Floats), 1e-6)
		out[i] = e.Floats
	}
	return out
}

func cosine(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestEmbedNeighbours(t *testing.T) {
	t.Parallel()
	captions := []string{
		"On-screen text: “WELCOME TO BANGKOK”. Almost all dark blue; dark, colourful; detailed; subject in the centre; landscape.",
		"On-screen text: “Chapter One”. Almost all white; very bright, black and white; detailed; subject in the centre; landscape.",
		"Mostly brown, dark brown and olive, with some red, orange and yellow; medium bright; detailed; subject in the lower middle; landscape.",
		"On-screen text: “Thank you very much, Mr. Twistle.”. Mostly black and dark grey; dark; detailed; subject left of centre; landscape.",
		"Mostly light blue and dark green; medium bright; smooth; horizon low, brighter above; portrait.",
	}
	documents := embed(t, captions...)
	for query, want := range map[string]int{
		"welcome to bangkok":      0,
		"Bangok":                  0, // misspelt
		"the first chapters":      1, // inflected
		"red and yellow toy":      2,
		"thanks Mister Twistle":   3,
		"dark blue":               0,
		"horizon":                 4,
		"portrait of a green sky": 4,
	} {
		q := embed(t, query)[0]
		best := 0
		for i := range documents {
			if cosine(q, documents[i]) > cosine(q, documents[best]) {
				best = i
			}
		}
		require.Equal(t, want, best, query)
	}
}

// TestEmbedStable fails when vectors change: then EmbedderRevision must too,
// or stored vectors no longer match new queries.
func TestEmbedStable(t *testing.T) {
	t.Parallel()
	v := embed(t, "On-screen text: “WELCOME TO BANGKOK, ยินดีต้อนรับ”. Mostly dark blue and white.")[0]
	h := sha256.New()
	for _, f := range v {
		bits := math.Float32bits(f)
		h.Write([]byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)})
	}
	require.Equal(t, "1", preview.EmbedderRevision)
	require.Equal(t, "fd8f1b747fe368aea6aae655f5011b639f36950ccc3e4b9136234ec0aab658bb", hex.EncodeToString(h.Sum(nil)))
}

func TestEmbedRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " \n\t"} {
		_, err := preview.Embedder{}.EmbedTexts(t.Context(), video.TextRequest{Texts: []string{"good", text}})
		require.Equal(t, fault.Input, fault.ClassOf(err))
		require.ErrorContains(t, err, `"2"`)
	}
	_, err := preview.Embedder{}.EmbedTexts(t.Context(), video.TextRequest{Stage: video.Stage{Model: "other"}, Texts: []string{"good"}})
	require.Equal(t, fault.Input, fault.ClassOf(err))
}

func FuzzEmbed(f *testing.F) {
	f.Add("!!!")
	f.Add("\xff")
	f.Add("a a a a")
	f.Add("ÅÄÖ 日本語 12")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := preview.Embedder{}.EmbedTexts(t.Context(), video.TextRequest{Texts: []string{text}})
		if err != nil {
			require.Equal(t, fault.Input, fault.ClassOf(err))
			return
		}
		require.NoError(t, all[0].Check())
	})
}
