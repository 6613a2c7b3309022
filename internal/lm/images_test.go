package lm_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
)

// TestImages: images are sent as parts of OpenAI's protocol, and what vendors bill for one is
// reserved.
func TestImages(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	m := priced(s, lm.Options{})
	sample, err := image.Sample()
	require.NoError(t, err)
	ask := lmtest.Ask("x")
	last := &ask.Messages[len(ask.Messages)-1]
	last.Parts, last.Content = []prompt.Part{{Text: "What is <this>?"}, {Image: &sample}, {Text: "Say."}}, ""
	s.Next(answertest.Status(http.StatusOK, `{"choices":[{"message":{"content":"grey"},"finish_reason":"stop"}],"usage":{"prompt_tokens":8510,"completion_tokens":1}}`))
	said, err := m.Complete(t.Context(), ask)
	require.NoError(t, err)
	require.EqualValues(t, 8510+10, said.CostMicroUSD, "an image of gpt-4o-mini")
	reserved, priced := m.Reserve(ask)
	require.True(t, priced)
	require.GreaterOrEqual(t, reserved, said.CostMicroUSD)
	got := s.Calls()[0].Messages
	content, err := json.Marshal(got[len(got)-1])
	require.NoError(t, err)
	require.JSONEq(t, `{"role": "user", "content": [{"type": "text", "text": "What is <this>?"}, {"type": "image_url", "image_url": {"url": "`+
		sample.URL()+`"}}, {"type": "text", "text": "Say."}]}`, string(content))
}
