package train

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/report/reporttest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/summary"
)

func renderSweep(t testing.TB, r summary.Sweep) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, RenderSweep(&out, r))
	return out.String()
}

func swept() summary.Sweep {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := summary.Sweep{
		Tenant: "acme", Method: training.SFT, Workflow: "sweep-acme-support-0123456789ab", Run: "0198c1f2", Started: start, Ended: start.Add(2 * time.Hour),
		Varied: []string{"lora.r", "sft_config.learning_rate"}, Best: 3,
		Models: []string{"HuggingFaceTB/SmolLM3-3B"}, Version: "1.2.3",
	}
	for i, values := range [][]string{{"8", "0.0001"}, {"8", "0.0002"}, {"16", "0.0001"}, {"16", "0.0002"}, {"64", "0.0002"}, {"64", "0.01"}} {
		r.Runs = append(r.Runs, summary.SweepLine{
			Values: values, Workflow: "sweep-acme-support-0123456789ab-" + strings.Join(values, "-"), Adapter: "support", Version: i + 1,
			Metrics: map[string]float64{"loss": []float64{1.31, 1.24, 1.28, 1.19, 1.22, 1.98}[i], "accuracy": 0.7 - 0.01*float64(i)},
			Better:  i < 5, CostUSD: 0.4 + 0.1*float64(i), Seconds: 1200 + 60*float64(i),
		})
	}
	r.Runs[4] = summary.SweepLine{Values: []string{"64", "0.0002"}, Workflow: "w", Failure: "capacity error: not even one row at a time fits on a10g", CostUSD: 0.05}
	return r
}

func TestSweepGolden(t *testing.T) {
	t.Parallel()
	page := renderSweep(t, swept())
	checkSelfContained(t, page)
	reporttest.Golden(t, "testdata/sweep.html", []byte(page))
	assert.Contains(t, page, "The best is run 4, with lora.r = 16, learning_rate = 2e-4: loss 1.190.")
	assert.Contains(t, page, "cogflow adapters activate support@4 --tenant acme<")
	assert.Contains(t, page, "Finished, 1 failed")
}

func TestSweepEmpty(t *testing.T) {
	t.Parallel()
	page := renderSweep(t, summary.Sweep{Best: -1})
	checkSelfContained(t, page)
	assert.Contains(t, page, "Nothing to show")
	r := summary.Sweep{Best: -1, Runs: []summary.SweepLine{{Failure: "no"}}}
	page = renderSweep(t, r)
	assert.Contains(t, page, "No run has a result")
	assert.Contains(t, page, ">Failed</span>")
}

func maliciousSweep(text string) summary.Sweep {
	bad := summary.SweepLine{
		Values: []string{text, text, text}, Workflow: text, Adapter: text, Version: 1, Metrics: map[string]float64{text: math.NaN(), "loss": math.Inf(1)},
		CostUSD: math.NaN(), Seconds: math.Inf(-1), Failure: text,
	}
	good := bad
	good.Failure, good.Values = "", nil
	return summary.Sweep{
		Tenant: tenant.ID(text), Method: training.Method(text), Workflow: text, Run: text, Varied: []string{text, text}, Models: []string{text}, Version: text, Runs: []summary.SweepLine{bad, good}, Best: 1,
	}
}

// TestSettingName: a report names a setting as --grid does.
func TestSettingName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"sft_config.learning_rate": "learning_rate", "embedding_config.a.b": "a.b", "lora.r": "lora.r", "seed": "seed", "sft_config": "sft_config", "sft_config.": "sft_config.",
	} {
		require.Equal(t, want, settingName(name))
	}
}
