package pricebook_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/pricebook"
	"github.com/cogniverse/cogflow/prompt"
)

func TestOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, &prompt.Price{Input: 0.15, Output: 0.6, Listed: "2026-08-21"}, pricebook.Of("api.openai.com", "gpt-4o-mini"))
	require.Equal(t, &prompt.Price{Input: 5, Output: 25, Listed: "2026-08-21"}, pricebook.Of("api.anthropic.com", "claude-opus-5"))
	require.Nil(t, pricebook.Of("api.openai.com", "claude-opus-5"))
	require.Nil(t, pricebook.Of("example.org", "gpt-4o-mini"))
}
