package embed_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/embed"
	"github.com/cogniverse/cogflow/video"
)

// TestRefusedEncoding: servers without encoding_format answer with numbers.
func TestRefusedEncoding(t *testing.T) {
	t.Parallel()
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, err := io.ReadAll(r.Body)
		if err != nil || bytes.Contains(body, []byte("encoding_format")) {
			answertest.Status(http.StatusUnprocessableEntity, `{"detail":[{"type":"extra_forbidden","loc":["body","encoding_format"],"msg":"Extra inputs are not permitted"}]}`)(w)
			return
		}
		answertest.Status(http.StatusOK, `{"data":[{"index":0,"embedding":[0,2]}]}`)(w)
	}))
	t.Cleanup(s.Close)
	x := embed.NewTexts(embed.Options{URL: s.URL})
	for _, want := range []int{2, 3} {
		out, err := x.EmbedTexts(t.Context(), video.TextRequest{Stage: video.Stage{Model: "m", Dim: 2}, Texts: []string{"a"}})
		require.NoError(t, err)
		require.Equal(t, []float32{0, 1}, out[0].Floats)
		require.Equal(t, want, calls)
	}
}
