package embed_test

import (
	"testing"

	"github.com/cogniverse/cogflow/internal/embed"
	"github.com/cogniverse/cogflow/internal/embed/embedtest"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/video"
)

// TestEmbedders: every embedder passes the one suite.
func TestEmbedders(t *testing.T) {
	t.Parallel()
	small := multi()
	small.MaxPixels = 400
	for name, c := range map[string]struct {
		stage video.Stage
		open  func(t *testing.T) embedtest.Embedder
	}{
		"pooling": {multi(), func(t *testing.T) embedtest.Embedder {
			return embed.NewPooling(embed.Options{URL: embedtest.Start(t).URL})
		}},
		"pooling, one vector": {single(), func(t *testing.T) embedtest.Embedder {
			return embed.NewPooling(embed.Options{URL: embedtest.Start(t).URL})
		}},
		"pooling, scaled down": {small, func(t *testing.T) embedtest.Embedder {
			return embed.NewPooling(embed.Options{URL: embedtest.Start(t).URL, MaxInFlight: 2})
		}},
		"embeddings": {video.Stage{Model: "nomic-embed-text", Dim: 768}, func(t *testing.T) embedtest.Embedder {
			return embed.NewTexts(embed.Options{URL: embedtest.Start(t).URL + "/v1"})
		}},
		"preview": {video.LocalPreview().Embed, func(*testing.T) embedtest.Embedder { return preview.Embedder{} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			embedtest.Run(t, c.stage, c.open)
		})
	}
}
