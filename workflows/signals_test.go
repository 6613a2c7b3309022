package workflows_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
	trainflow "github.com/cogniverse/cogflow/workflows/train"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/workflows/catalog"

	commonpb "go.temporal.io/api/common/v1"

	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// controllable is a workflow that runs long enough to be signalled.
type controllable struct {
	env   func(t *testing.T) *testsuite.TestWorkflowEnvironment
	run   string
	input any
}

func controllables(t *testing.T) map[string]controllable {
	t.Helper()
	inWorld := func(t *testing.T) *testsuite.TestWorkflowEnvironment {
		t.Helper()
		w := newWorld(t)
		w.video("harbour.txt", frames("harbour", 10)...)
		return w.environment()
	}
	lib := t.TempDir()
	w := &world{t: t, dir: lib}
	w.video("harbour.txt", frames("harbour", 10)...)
	inTraining := func(t *testing.T) *testsuite.TestWorkflowEnvironment {
		t.Helper()
		return newTrainWorld(t).environment()
	}
	train, err := json.Marshal(answers("a"))
	require.NoError(t, err)
	return map[string]controllable{
		"IngestVideo":   {inWorld, "IngestVideo", ingestflow.VideoInput{URI: w.videoURI()}},
		"IngestLibrary": {inWorld, "IngestLibrary", ingestflow.LibraryInput{Source: w.library()}},
		"TrainSFT":      {inTraining, "TrainSFT", answers("a")},
		"TrainSweep": {inTraining, "TrainSweep", trainflow.SweepInput{
			Method: "sft", Train: train, Grid: map[string][]json.RawMessage{"seed": {[]byte("1"), []byte("2"), []byte("3")}},
		}},
		"OptimizePrompts": {
			func(t *testing.T) *testsuite.TestWorkflowEnvironment {
				t.Helper()
				return newOptimizeWorld(t).environment()
			},
			"OptimizePrompts", optimizeInput(optimize.ModeCompat),
		},
	}
}

// invalidPayloads are payloads that no signal or update accepts.
func invalidPayloads(t *testing.T, name string) []any {
	t.Helper()
	out := []any{
		nil,
		[]byte{0xff, 0},
		rawJSON(`"` + strings.Repeat("x", 1<<20) + `"`),
		rawJSON(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)),
	}
	for _, text := range []string{
		"null", "true", `""`, "-1", "1e300", "-1e300", "1e400", "9223372036854775807", "1e-320x", "1.5", "[]", "[null]", `{"x":{}}`, `{"step":1,"step":2}`,
	} {
		out = append(out, rawJSON(text))
	}
	example := map[string]any{
		ingest.SignalExtracted: ingest.Extracted{Chunks: 1, Frames: 1},
		train.SignalTraining: train.Signal{
			Report: train.Report{
				Step: 1, Total: 10, Epoch: 1, Tokens: 1, TokensPerSecond: 1, MemoryBytes: 1, Checkpoint: 1, BestStep: 1, ETASeconds: 1,
				Phase: "train", Device: "d", Trouble: "t", Metrics: map[string]float64{"a": 1}, BaseMetrics: map[string]float64{"a": 1},
			},
			Tally: &train.Tally{Attempts: 1, Reached: 1, Redone: 1, Failures: 1, MicroBatch: 1, Accumulation: 1},
		},
		workflows.SignalVideoDone: ingestflow.VideoDone{
			WorkflowID: "default-test-workflow-id/000000", Failure: nil,
			Result: ingestflow.VideoResult{Video: "../../b", Status: video.StatusIndexed},
		},
	}[name]
	if example == nil {
		return out
	}
	raw, err := json.Marshal(example)
	require.NoError(t, err)
	corruptedPayloads := corruptedCopies(t, raw)
	if name == train.SignalTraining {
		corruptedPayloads = append(corruptedPayloads, rawJSON(`{"tally":{"slice_key":"x"}}`), rawJSON(`{"tally":{"next_key":"`+strings.Repeat("a", 1<<20)+`"}}`), rawJSON(`{"tally":{"slice":-1}}`))
	}
	return append(append(out, json.RawMessage(raw)), corruptedPayloads...)
}

// rawJSON is a payload with the encoding JSON and any content.
func rawJSON(text string) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: []byte(text),
	})
}

// corruptedCopies are copies of a document, each with one invalid field.
func corruptedCopies(t *testing.T, raw []byte) (out []any) {
	t.Helper()
	var document any
	require.NoError(t, json.Unmarshal(raw, &document))
	var walk func(at map[string]any)
	walk = func(at map[string]any) {
		for name, was := range at {
			if inner, ok := was.(map[string]any); ok {
				walk(inner)
			}
			for _, value := range []any{
				nil, -1, int64(1e18), 1e300, strings.Repeat("|`\x00é", 10_000), []any{}, map[string]any{"a": map[string]any{}},
			} {
				at[name] = value
				corrupted, err := json.Marshal(document)
				require.NoError(t, err)
				out = append(out, json.RawMessage(corrupted))
			}
			at[name] = was
		}
	}
	walk(document.(map[string]any))
	return out
}

// TestInvalidSignals sends invalid payloads to each signal and update of a workflow. None may
// fail the workflow or make it panic: a workflow task that panics is retried for ever.
func TestInvalidSignals(t *testing.T) {
	t.Parallel()
	for kind, s := range controllables(t) {
		signals, updates := handlers(t, s)
		of, found := catalog.TypeOf(kind)
		require.True(t, found, kind)
		require.Equal(t, signals, of.Signals, "the signals of %s", kind)
		require.Equal(t, updates, of.Updates, "the updates of %s", kind)
		for _, name := range signals {
			t.Run(kind+" signal "+name, func(t *testing.T) { t.Parallel(); sendInvalidSignals(t, s, name) })
		}
		for _, name := range updates {
			t.Run(kind+" update "+name, func(t *testing.T) { t.Parallel(); sendInvalidUpdates(t, s, name) })
		}
	}
}

// handlers lists the signals and updates that a run supports, from its metadata.
func handlers(t *testing.T, s controllable) (signals, updates []string) {
	t.Helper()
	env := s.env(t)
	whenBegun(env, func() {
		value, err := env.QueryWorkflow("__temporal_workflow_metadata")
		require.NoError(t, err)
		var m sdkpb.WorkflowMetadata
		require.NoError(t, value.Get(&m))
		for _, d := range m.GetDefinition().GetSignalDefinitions() {
			signals = append(signals, d.GetName())
		}
		for _, d := range m.GetDefinition().GetUpdateDefinitions() {
			updates = append(updates, d.GetName())
		}
		env.CancelWorkflow()
	})
	env.ExecuteWorkflow(s.run, s.input)
	return signals, updates
}

func sendInvalidSignals(t *testing.T, s controllable, name string) {
	t.Helper()
	env := s.env(t)
	payloads := invalidPayloads(t, name)
	whenBegun(env, func() {
		for _, p := range payloads {
			env.SignalWorkflow(name, p)
		}
	})
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalResume, nil) }, time.Hour)
	env.ExecuteWorkflow(s.run, s.input)
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError(), "an invalid signal fails no run")
}

func sendInvalidUpdates(t *testing.T, s controllable, name string) {
	t.Helper()
	env := s.env(t)
	accepted := 0
	whenBegun(env, func() {
		for _, p := range invalidPayloads(t, name) {
			env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
				OnAccept: func() { accepted++ }, OnReject: func(err error) { require.Error(t, err) },
				OnComplete: func(_ any, err error) { require.NoError(t, err) },
			}, p)
		}
	})
	env.ExecuteWorkflow(s.run, s.input)
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	if name == workflows.UpdateBudget {
		require.Equal(t, 1, accepted, "only 1.5 is a budget")
	}
}

// whenBegun calls do when the first activity of a run starts.
func whenBegun(env *testsuite.TestWorkflowEnvironment, do func()) {
	var once sync.Once
	env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { once.Do(do) })
}

// TestInvalidBudgetSignal: an invalid limit changes nothing, and the status shows that it was
// ignored.
func TestInvalidBudgetSignal(t *testing.T) {
	t.Parallel()
	for _, payload := range []any{-1.0, 1e13, nil, "x", json.RawMessage("null")} {
		w := newWorld(t)
		w.video("harbour.txt", frames("harbour", 10)...)
		env := w.environment()
		waited := false
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalBudget, payload) }, time.Hour)
		env.RegisterDelayedCallback(func() {
			var p ingestflow.VideoProgress
			value, err := env.QueryWorkflow(workflows.QueryProgress)
			require.NoError(t, err)
			require.NoError(t, value.Get(&p))
			waited = p.Waiting == "budget"
			require.Contains(t, p.IgnoredSignal, workflows.SignalBudget)
			env.SignalWorkflow(workflows.SignalBudget, 1.0)
		}, 2*time.Hour)
		in := ingestflow.VideoInput{URI: w.videoURI()}
		in.BudgetUSD = 0.004
		env.ExecuteWorkflow("IngestVideo", in)
		require.Equal(t, 10, videoResult(t, env).Documents)
		require.True(t, waited, "%v raised the limit", payload)
	}
}
