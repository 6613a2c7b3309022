package optimize

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/confirm"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

type plainOptimize optimize.Input

// TestOptimizeExample checks the example as a run does before its first model call.
func TestOptimizeExample(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../examples/optimize.json")
	require.NoError(t, err)
	var in plainOptimize
	clitest.Strictly(t, data, &in)
	require.NoError(t, training.CheckName("name", in.Name))
	program, err := prompt.Read(in.Program)
	require.NoError(t, err)
	var all []*prompt.Object
	require.NoError(t, json.Unmarshal(in.Trainset, &all))
	m, err := metric.Read(in.Metric, program, all[0].Keys())
	require.NoError(t, err)
	search, aside := confirm.SetAside(all, 0, in.Seed)
	assert.GreaterOrEqual(t, len(aside), 10, "enough rows for a verdict")
	plan, err := mipro.NewPlan(&mipro.Job{Settings: in.Settings, Program: program, Train: search, Metric: m})
	require.NoError(t, err)
	assert.Positive(t, plan.Trials)
	assert.Positive(t, plan.Quote().Student)
	for i, example := range all {
		for _, f := range append(program.Inputs(), program.Outputs()...) {
			_, ok := example.Get(f.Name)
			assert.True(t, ok, "example %d has no %s", i+1, f.Name)
		}
	}

	alone, err := os.ReadFile("../../../examples/programs/agentic-router.json")
	require.NoError(t, err)
	var inline, file bytes.Buffer
	require.NoError(t, json.Compact(&inline, in.Program))
	require.NoError(t, json.Compact(&file, alone))
	assert.Equal(t, file.String(), inline.String(), "the example's program is the one in examples/programs")
}

// TestProgramExamples: the programs of the examples are valid, and their DSPy states have the
// keys that Cogniverse loads.
func TestProgramExamples(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"agentic-router": "route", "modality-routing": "route.predict", "iris": "classify.predict"} {
		data, err := os.ReadFile(filepath.Join("../../../examples/programs", name+".json"))
		require.NoError(t, err)
		program, err := prompt.Read(data)
		require.NoError(t, err, name)
		assert.Equal(t, name, program.Name)
		require.NoError(t, training.CheckName("name", program.Name))
		assert.Equal(t, []string{key}, program.State().Keys())
		loaded, err := program.Load(program.File())
		require.NoError(t, err)
		assert.Equal(t, program.Predictors[0].Instructions, loaded.Predictors[0].Instructions)
	}
}

// TestExampleData checks the datasets as a run does before its first model call.
func TestExampleData(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		program string
		rows    int
	}{
		"iris": {"iris", 150}, "routing-train": {"agentic-router", 100}, "routing-val": {"agentic-router", 120}, "routing-test": {"agentic-router", 120},
	} {
		text, err := os.ReadFile(filepath.Join("../../../examples/programs", c.program+".json"))
		require.NoError(t, err)
		program, err := prompt.Read(text)
		require.NoError(t, err)
		s := set{flag: "trainset", name: filepath.Join("../../../examples/data", name+".jsonl")}
		require.NoError(t, s.read())
		var all []*prompt.Object
		require.NoError(t, json.Unmarshal(s.text, &all))
		assert.Len(t, all, c.rows, name)
		m := metric.Default(program)
		for i, example := range all { // the expected output, sent as an answer, is parsed and scores 1
			shown := example.Copy()
			shown.Set("reasoning", "So it is.")
			messages, err := prompt.Render(prompt.Chat, program.Predictors[0].Signature(), []*prompt.Object{shown}, example)
			require.NoError(t, err)
			run := program.Start(example, prompt.Server{})
			run.Take(messages[2].Content)
			outputs, err := run.Result()
			require.NoError(t, err, "%s, example %d", name, i+1)
			scoring := m.Start(example, outputs, prompt.Server{})
			assert.InDelta(t, 1, scoring.Score(), 0, "%s, example %d", name, i+1)
		}
	}
}
