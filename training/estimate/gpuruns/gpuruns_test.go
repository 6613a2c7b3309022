package gpuruns_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training/estimate/gpuruns"
)

// TestGPURuns compares memory with what was measured: on one H100, and in the file that
// COGFLOW_GPU_CHECK names. Speed is only logged: that machine started a kernel in 22 µs, three times
// what others need, and runs of short rows wait for kernels.
func TestGPURuns(t *testing.T) {
	t.Parallel()
	files := []string{filepath.Join("testdata", "gpu-runs.json")}
	if more := os.Getenv("COGFLOW_GPU_CHECK"); more != "" {
		files = append(files, more)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		check, err := gpuruns.Read(name, data)
		require.NoError(t, err)
		for _, r := range check.Runs {
			t.Run(r.Name, func(t *testing.T) {
				t.Parallel()
				c, ok, err := r.Estimate()
				require.NoError(t, err)
				if !ok {
					return // of plain TRL, or it did not run
				}
				t.Logf("memory %+.1f %%, estimated speed %.1f times the measured", 100*(float64(c.NeedBytes)/r.PeakBytes-1), c.TokensPerSecond/r.TokensPerSecond)
				if r.Device != "cpu" { // whose estimates have measured runs of their own
					assert.GreaterOrEqual(t, float64(c.NeedBytes), 0.9*r.PeakBytes)
				}
			})
		}
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	shape := `{"architecture": "llama", "parameters": 1000000, "weight_bytes": 4000000, "layers": 2, "hidden": 64, "intermediate": 128, "heads": 4,
		"kv_heads": 4, "vocab": 512, "max_positions": 4096, "tied": true, "linear": [
		{"name": "model.layers.*.self_attn.q_proj", "in": 64, "out": 64, "count": 2}, {"name": "model.layers.*.self_attn.k_proj", "in": 64, "out": 64, "count": 2},
		{"name": "model.layers.*.self_attn.v_proj", "in": 64, "out": 64, "count": 2}, {"name": "model.layers.*.self_attn.o_proj", "in": 64, "out": 64, "count": 2}]}`
	c, err := gpuruns.Read("x", []byte(`{"machine": {"torch": "2.11.0", "transformers": "5.17.0", "trl": "1.16.0", "device": "cpu"}, "runs": [
		{"name": "sft tiny plain", "method": "sft", "size": "tiny", "side": "plain", "device": "cpu", "peak_bytes": 2e9, "tokens_per_second": 100, "steps": 12},
		{"name": "sft tiny ours", "method": "sft", "size": "tiny", "side": "ours", "device": "cpu", "shape": `+shape+`, "batch_size": 8,
		 "max_seq_length": 1024, "rows": 96, "tokens": 20000, "longest": 900, "peak_bytes": 1e9, "tokens_per_second": 250, "steps": 12},
		{"name": "sft tiny ours compiled", "not_run": "no time was left"}],
		"resume": {"equal": true}, "embedder": {"not_run": "no time was left"}}`))
	require.NoError(t, err)
	text, err := c.Markdown()
	require.NoError(t, err)
	for _, want := range []string{
		"It is a run on a CPU, with tiny models, and says nothing about a GPU.",
		"| sft tiny plain | 100 | 1.00 × |  | 2.00 |  |\n",
		"| sft tiny ours | 250 | 2.50 × | ",
		"| sft tiny ours compiled | no time was left |",
		"| equal | true |", "| not run | no time was left |",
	} {
		assert.Contains(t, text, want)
	}
	assert.Regexp(t, `\| sft tiny ours \| 250 \| 2\.50 × \| \d+ \| 1\.00 \| \d\.\d\d \([+-]\d+ %\) \|`, text)

	for _, bad := range []string{`[]`, `{"runs": []}`, `{`, `{"runs": [{"name": 1}]}`} {
		_, err := gpuruns.Read("x", []byte(bad))
		require.Equal(t, fault.Input, fault.ClassOf(err), bad)
	}
}
