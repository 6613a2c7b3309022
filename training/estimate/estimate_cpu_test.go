package estimate

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
)

// cpuRun is a run of the real trainer on the CPU: torch 2.11.0, one thread,
// models made by trainer.tiny, rows of alpaca and preference demos. Seconds are
// of the processor, so that what else the machine did does not count.
type cpuRun struct {
	Name         string          `json:"name"`
	Method       training.Method `json:"method"`
	Shape        Shape           `json:"shape"`
	LoRA         bool            `json:"lora"`
	BatchSize    int             `json:"batch_size"`
	Accumulation int             `json:"accumulation"`
	MaxSeqLength int             `json:"max_seq_length"`
	Rows         int             `json:"rows"`
	Tokens       int64           `json:"tokens"`
	Longest      int             `json:"longest"`
	Steps        int             `json:"steps"`
	PeakBytes    float64         `json:"peak_bytes"`
	Seconds      float64         `json:"seconds"`
}

func (r cpuRun) plan(t *testing.T) Plan {
	t.Helper()
	p := Plan{
		Method: r.Method, Shape: r.Shape, Numerics: training.FP32, Classes: []string{classCPU}, Rows: r.Rows, Tokens: r.Tokens, Longest: r.Longest,
		Config: training.Config{Epochs: 1, BatchSize: r.BatchSize, Accumulation: r.Accumulation, MaxSeqLength: r.MaxSeqLength},
	}
	if r.LoRA {
		l := training.LoRA{R: 8, Alpha: 16, Dropout: 0.1, TargetModules: []string{"k_proj", "o_proj", "q_proj", "v_proj"}}
		if r.Method == training.Embedding {
			l.TargetModules = []string{"q_proj", "v_proj"}
		}
		l, err := r.Shape.Adapt(l)
		require.NoError(t, err)
		p.LoRA = &l
	}
	return p
}

// measured reads the runs of a file.
func measured[T any](t *testing.T, name string) (runs []T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &runs))
	require.NotEmpty(t, runs)
	return runs
}

// TestCPURuns: memory within 15 % and time within 25 % of what was measured.
func TestCPURuns(t *testing.T) {
	t.Parallel()
	for _, r := range measured[cpuRun](t, "cpu-runs.json") {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			p := r.plan(t)
			e, err := p.Estimate()
			require.NoError(t, err)
			c := e.Classes[0]
			assert.Equal(t, r.Steps, e.Steps)
			t.Logf("memory %+.1f %%, time %+.1f %%", 100*(float64(c.NeedBytes)/r.PeakBytes-1), 100*(c.Seconds/r.Seconds-1))
			assert.InEpsilon(t, r.PeakBytes, float64(c.NeedBytes), 0.15)
			assert.InEpsilon(t, r.Seconds, c.Seconds, 0.25)
		})
	}
}
