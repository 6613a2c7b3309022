package provider_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/provider"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	const modal = "https://acme--serve.modal.run/generate"
	for name, c := range map[string]struct {
		model provider.Model
		want  provider.Address
		fails string
	}{
		"a prefix":       {model: provider.Model{Name: "ollama/qwen3:8b"}, want: provider.Address{Name: "ollama/qwen3:8b", Served: "qwen3:8b", URL: "http://localhost:11434/v1", Format: provider.Schema}},
		"a known name":   {model: provider.Model{Name: "claude-x"}, want: provider.Address{Name: "anthropic/claude-x", Served: "claude-x", URL: "https://api.anthropic.com/v1", KeyVariable: "ANTHROPIC_API_KEY", Dialect: provider.Anthropic}},
		"OpenAI itself":  {model: provider.Model{Provider: "openai", Name: "m"}, want: provider.Address{Name: "openai/m", Served: "m", URL: "https://api.openai.com/v1", KeyVariable: "OPENAI_API_KEY", Format: provider.Schema, Official: true}},
		"another server": {model: provider.Model{Provider: "openai", Name: "m", APIBase: "http://h:1", Key: "os.environ/K"}, want: provider.Address{Name: "openai/m", Served: "m", URL: "http://h:1/v1", KeyVariable: "K"}},
		"Modal":          {model: provider.Model{Name: "m"}, want: provider.Address{Name: "modal/m", Served: "m", URL: "https://acme--serve.modal.run/v1", Format: provider.Schema}},
		"no name":        {fails: "is required"},
		"no address":     {model: provider.Model{Name: "vllm/m"}, fails: "set its api_base"},
		"a key":          {model: provider.Model{Name: "m", APIBase: "http://h", KeyVariable: "sk-live"}, fails: "name of a variable"},
		"credentials":    {model: provider.Model{Name: "m", APIBase: "http://u:p@h/v1"}, fails: "credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := provider.Resolve(c.model, modal)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	require.True(t, provider.Known("hosted_vllm"))
	require.False(t, provider.Known("acme"))
}
