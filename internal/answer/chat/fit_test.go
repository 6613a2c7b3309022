package chat_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/internal/answer/params"
)

// TestFitBelievesAnswers: a maximum counts for other requests only if a request with it is
// answered: a message can repeat a row that names one.
func TestFitBelievesAnswers(t *testing.T) {
	t.Parallel()
	const row = `status 400: "cannot tokenize 'max_tokens: 9 > 8, which is the maximum allowed'"`
	const limit = `status 400: "max_tokens is too large: 900. This model supports at most 512 completion tokens"`
	e := &params.Endpoint{}
	var sent []int
	ask := func(refuses func(tokens int) string) error {
		_, _, err := chat.Fit(e, "m", chat.Request{MaxCompletionTokens: 900}, func(r chat.Request) ([]byte, error) {
			sent = append(sent, r.MaxCompletionTokens)
			if why := refuses(r.MaxCompletionTokens); why != "" {
				return nil, fault.New(fault.Input, "ask", "m", why)
			}
			return []byte("yes"), nil
		})
		return err
	}
	require.Error(t, ask(func(int) string { return row }))
	limited := func(tokens int) string {
		if tokens > 512 {
			return limit
		}
		return ""
	}
	require.NoError(t, ask(limited))
	require.NoError(t, ask(limited))
	require.Equal(t, []int{900, 8, 900, 512, 512}, sent)
}
