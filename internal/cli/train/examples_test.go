package train

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/workflows/train"
)

type plainTrain train.Input

// checkExample checks an example as a run does before it takes a GPU.
func checkExample(t *testing.T, method training.Method, in plainTrain) {
	t.Helper()
	require.NoError(t, training.CheckName("name", in.Name))
	assert.NotEmpty(t, in.BaseModel)
	settings := map[training.Method]*training.Settings{training.SFT: in.SFT, training.DPO: in.DPO, training.Embedding: in.Embedding}
	for m, s := range settings {
		assert.Equal(t, m == method, s != nil, "settings of %s", m)
	}
	lora := training.LoRASettings{}
	if in.LoRA != nil {
		lora = *in.LoRA
	}
	config, _, extras, err := training.Resolve(method, *settings[method], lora)
	require.NoError(t, err)
	_, err = estimate.PinNumerics(in.GPU, extras.Numerics)
	require.NoError(t, err)
	rows, err := json.Marshal(in.Dataset.Rows)
	require.NoError(t, err)
	check, err := dataset.Prepare(t.Context(), dataset.CheckOptions{
		Name: "rows", Method: method, MaxSeqLength: config.MaxSeqLength, ValidationShare: *extras.ValidationSplit, Seed: 42,
	}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(rows)), nil }, nil, io.Discard, io.Discard)
	require.NoError(t, err)
	assert.Zero(t, check.Train.Dropped)
	assert.GreaterOrEqual(t, check.Train.Kept, extras.MinRows)
	assert.Positive(t, check.EvalFile.Rows)
	for _, p := range check.Problems {
		assert.NotEqual(t, dataset.SeverityError, p.Severity, p.String())
	}
}

func TestTrainExamples(t *testing.T) {
	t.Parallel()
	for _, method := range []training.Method{training.SFT, training.DPO, training.Embedding} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile("../../../examples/train-" + string(method) + ".json")
			require.NoError(t, err)
			var in plainTrain
			clitest.Strictly(t, data, &in)
			checkExample(t, method, in)
		})
	}
}

func TestSweepExample(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../examples/train-sweep.json")
	require.NoError(t, err)
	type plain train.SweepInput
	var in plain
	clitest.Strictly(t, data, &in)
	assert.Len(t, in.Grid, 2)
	for i, rate := range in.Grid["sft_config.learning_rate"] {
		var one map[string]any
		require.NoError(t, json.Unmarshal(in.Train, &one))
		require.NoError(t, put(one, "sft_config.learning_rate", rate))
		require.NoError(t, put(one, "lora.r", in.Grid["lora.r"][i]))
		merged, err := json.Marshal(one)
		require.NoError(t, err)
		var run plainTrain
		clitest.Strictly(t, merged, &run)
		checkExample(t, in.Method, run)
	}
}
