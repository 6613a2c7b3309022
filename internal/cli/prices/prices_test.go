package prices_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
)

const configuration = `{"cogflow": {
	"endpoints": {
		"openai": {"kind": "openai", "url": "https://api.openai.com/v1", "models": ["gpt-4o-mini", "gpt-99"]},
		"own": {"kind": "openai", "url": "http://127.0.0.1:8000/v1", "models": ["vlm", "free-vlm"], "input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5},
		"texts": {"kind": "embeddings", "url": "http://127.0.0.1:8001/v1", "models": ["texts", "other-texts"]}
	},
	"optimize": {"student": "gpt-99", "teacher": "gpt-4o-mini"},
	"training": {"prices": {"a10g": 0.9}},
	"profiles": {
		"captions": {"describe": {"model": "vlm"}, "embed": {"model": "texts", "dim": 8, "cost_micro_usd": 7}},
		"cheap": {"describe": {"model": "vlm"}, "embed": {"model": "texts", "dim": 8, "cost_micro_usd": 0}},
		"unpriced": {"describe": {"model": "vlm"}, "embed": {"model": "other-texts", "dim": 8}}
	}}}`

// TestPrices: each price with its origin, and what has none.
func TestPrices(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, root.Run)
	file := filepath.Join(b.Dir, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(configuration), 0o600))
	code, out, stderr := b.Run("prices", "--config", file)
	require.Zero(t, code, stderr)
	clitest.Golden(t, "prices", out)

	code, out, stderr = b.Run("prices", "--config", file, "--json")
	require.Zero(t, code, stderr)
	type document struct {
		Models []struct{ Model, Source, Date string }
		GPUs   []struct{ Class, Source, Date string }
		Book   struct {
			Date   string
			Prices []struct{ Host, Model string }
		}
	}
	d := clitest.Decode[document](t, out)
	require.NotEmpty(t, d.Book.Prices)
	source := map[string]string{}
	for _, m := range d.Models {
		source[m.Model] = m.Source
		require.Equal(t, m.Source == "list", m.Date == d.Book.Date)
	}
	for _, g := range d.GPUs {
		source[g.Class] = g.Source
	}
	for name, want := range map[string]string{
		"gpt-4o-mini": "list", "gpt-99": "unknown", "vlm": "configuration", "texts": "configuration", "other-texts": "unknown",
		"cogflow/preview-describer": "built in", "a10g": "configuration", "l4": "list", "h200": "unknown",
	} {
		require.Equal(t, want, source[name], name)
	}

	_, out, _ = b.Run("prices", "--config", file, "--book")
	require.Contains(t, out, "api.anthropic.com")
	require.Contains(t, out, "Prices of "+d.Book.Date)
}
