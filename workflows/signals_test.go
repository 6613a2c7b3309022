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

// steerable is a workflow that runs long enough to be signalled.
type steerable struct {
	env   func(t *testing.T) *testsuite.TestWorkflowEnvironment
	run   string
	input any
}

func steerables(t *testing.T) map[string]steerable {
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
	inGym := func(t *testing.T) *testsuite.TestWorkflowEnvironment {
		t.Helper()
		return newTrainWorld(t).environment()
	}
	train, err := json.Marshal(answers("a"))
	require.NoError(t, err)
	return map[string]steerable{
		"IngestVideo":   {inWorld, "IngestVideo", ingestflow.VideoInput{URI: w.videoURI()}},
		"IngestLibrary": {inWorld, "IngestLibrary", ingestflow.LibraryInput{Source: w.library()}},
		"TrainSFT":      {inGym, "TrainSFT", answers("a")},
		"TrainSweep": {inGym, "TrainSweep", trainflow.SweepInput{
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

// odd are invalid payloads.
func odd(t *testing.T, name string) []any {
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
	twists := twisted(t, raw)
	if name == train.SignalTraining {
		twists = append(twists, rawJSON(`{"tally":{"slice_key":"x"}}`), rawJSON(`{"tally":{"next_key":"`+strings.Repeat("a", 1<<20)+`"}}`), rawJSON(`{"tally":{"slice":-1}}`))
	}
	return append(append(out, json.RawMessage(raw)), twists...)
}

// rawJSON is a payload that says to be JSON.
func rawJSON(text string) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: []byte(text),
	})
}

// twisted are copies of a document, each with one field that is not what it should be.
func twisted(t *testing.T, raw []byte) (out []any) {
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
				twist, err := json.Marshal(document)
				require.NoError(t, err)
				out = append(out, json.RawMessage(twist))
			}
			at[name] = was
		}
	}
	walk(document.(map[string]any))
	return out
}

// TestOddSignals sends odd payloads to each signal and update that a workflow takes.
// None may fail or panic it: a workflow task that panics is tried again for ever.
func TestOddSignals(t *testing.T) {
	t.Parallel()
	for kind, s := range steerables(t) {
		signals, updates := handlers(t, s)
		of, found := catalog.TypeOf(kind)
		require.True(t, found, kind)
		require.Equal(t, signals, of.Signals, "the signals of %s", kind)
		require.Equal(t, updates, of.Updates, "the updates of %s", kind)
		for _, name := range signals {
			t.Run(kind+" signal "+name, func(t *testing.T) { t.Parallel(); oddSignals(t, s, name) })
		}
		for _, name := range updates {
			t.Run(kind+" update "+name, func(t *testing.T) { t.Parallel(); oddUpdates(t, s, name) })
		}
	}
}

// handlers lists the signals and updates that a run takes, as it says itself.
func handlers(t *testing.T, s steerable) (signals, updates []string) {
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

func oddSignals(t *testing.T, s steerable, name string) {
	t.Helper()
	env := s.env(t)
	payloads := odd(t, name)
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

func oddUpdates(t *testing.T, s steerable, name string) {
	t.Helper()
	env := s.env(t)
	accepted := 0
	whenBegun(env, func() {
		for _, p := range odd(t, name) {
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

// whenBegun does something when the first activity of a run begins.
func whenBegun(env *testsuite.TestWorkflowEnvironment, do func()) {
	var once sync.Once
	env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { once.Do(do) })
}

// TestInvalidBudgetSignal: it changes no limit, and people see that it was ignored.
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
