package embedtest

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// Embedder is what the activities ask of an embedder; see activities.Embedder.
type Embedder interface {
	Limit(model string) int
	EmbedTexts(ctx context.Context, r video.TextRequest) ([]video.Embedding, error)
	EmbedPictures(ctx context.Context, r video.PictureRequest) (video.Embedding, error)
}

// Picture is a plain JPEG.
func Picture(tb testing.TB, c color.RGBA) []byte {
	tb.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 64, 36))
	for i := range 64 * 36 {
		m.SetRGBA(i%64, i/64, c)
	}
	var out bytes.Buffer
	require.NoError(tb, jpeg.Encode(&out, m, nil))
	return out.Bytes()
}

// Run tests an embedder with a stage. Each subtest opens its own.
func Run(t *testing.T, stage video.Stage, open func(t *testing.T) Embedder) {
	texts := func(t *testing.T, e Embedder, texts ...string) []video.Embedding {
		t.Helper()
		out, err := e.EmbedTexts(t.Context(), video.TextRequest{Stage: stage, Query: true, Texts: texts})
		require.NoError(t, err)
		require.Len(t, out, len(texts))
		for _, v := range out {
			require.NoError(t, stage.CheckVector(v))
		}
		return out
	}
	tests := map[string]func(t *testing.T, e Embedder){
		"texts in their order": func(t *testing.T, e Embedder) {
			require.GreaterOrEqual(t, e.Limit(stage.Model), 1)
			all := texts(t, e, "a red tram", "a blue bus", "a red tram", "night")
			require.Equal(t, all[0], all[2])
			require.NotEqual(t, all[0], all[1])
			require.Equal(t, all[1], texts(t, e, "a blue bus")[0], "alone as among others")
			require.Empty(t, texts(t, e))
		},
		"an empty text": func(t *testing.T, e Embedder) {
			_, err := e.EmbedTexts(t.Context(), video.TextRequest{Stage: stage, Texts: []string{"good", "  "}})
			require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, "2")
		},
		"cancelled": func(t *testing.T, e Embedder) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := e.EmbedTexts(ctx, video.TextRequest{Stage: stage, Texts: []string{"good"}})
			require.ErrorIs(t, err, context.Canceled)
		},
		"pictures": func(t *testing.T, e Embedder) {
			red, blue := Picture(t, color.RGBA{220, 0, 0, 255}), Picture(t, color.RGBA{0, 0, 220, 255})
			one, err := e.EmbedPictures(t.Context(), video.PictureRequest{Stage: stage, JPEGs: [][]byte{red}})
			if stage.Of == video.OfCaption {
				require.Equal(t, fault.Input, fault.ClassOf(err), "a model of texts refuses them")
				return
			}
			require.NoError(t, err)
			require.NoError(t, stage.CheckVector(one))
			other, err := e.EmbedPictures(t.Context(), video.PictureRequest{Stage: stage, JPEGs: [][]byte{blue}})
			require.NoError(t, err)
			require.NotEqual(t, one, other)
			segment, err := e.EmbedPictures(t.Context(), video.PictureRequest{Stage: stage, JPEGs: [][]byte{red, blue}})
			require.NoError(t, err)
			require.NoError(t, stage.CheckVector(segment))
			for _, bad := range [][][]byte{nil, {nil}, {[]byte("GIF89a")}, {red, red[:50]}} {
				_, err := e.EmbedPictures(t.Context(), video.PictureRequest{Stage: stage, JPEGs: bad})
				require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			}
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}
