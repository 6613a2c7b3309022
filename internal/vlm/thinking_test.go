package vlm_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/video"
)

// TestThoughtsAreNoCaption: the reasoning of a model is neither shown nor indexed.
func TestThoughtsAreNoCaption(t *testing.T) {
	t.Parallel()
	text, finish := "", "length"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"choices":[{"message":{"content":%q},"finish_reason":%q}],"usage":{"prompt_tokens":9,"completion_tokens":40}}`, text, finish)
	}))
	t.Cleanup(s.Close)
	d := vlm.NewOpenAI(vlm.Options{URL: s.URL})
	describe := func(answer string) (video.Caption, error) {
		text = answer
		return d.Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
	}
	finish = "stop"
	c, err := describe("<think>A dog? No.</think>\n\nA cat.")
	require.NoError(t, err)
	require.Equal(t, "A cat.", c.Text)
	require.Equal(t, 40, c.OutputTokens, "thoughts are paid for")
	finish = "length"
	_, err = describe("<think>A dog? No, it")
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "raise max_tokens")
}
