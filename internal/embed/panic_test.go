package embed_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/embed/embedtest"
	"github.com/cogniverse/cogflow/panics/panictest"
	"github.com/cogniverse/cogflow/video"
)

// TestQueryPanics: a panic in one of several calls at once is the error of all.
func TestQueryPanics(t *testing.T) {
	t.Parallel()
	_, err := pooling(embedtest.Start(t)).EmbedTexts(panictest.Context(t.Context()), video.TextRequest{Stage: multi(), Query: true, Texts: []string{"a", "b"}})
	require.ErrorContains(t, err, "internal error: the test asked for it")
}
