package workflows_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/flowtest"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// signalLog is the signals that the runs of a sweep received, by seed.
type signalLog map[int64][]string

// sweepOf is a sweep of three seeds, two at a time, whose runs stand in for TrainSFT:
// each records its signals and ends when it is stopped or released.
func sweepOf(t *testing.T) (*testsuite.TestWorkflowEnvironment, signalLog, func()) {
	t.Helper()
	env := flowtest.NewEnvironment()
	told, release := signalLog{}, false
	register(env, "TrainSweep")
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in trainflow.Input) (trainflow.Result, error) {
		seed, stopped := *in.Seed, false
		told[seed] = append(told[seed], "begun")
		for _, name := range []string{workflows.SignalPause, workflows.SignalResume, workflows.SignalStop} {
			workflow.Go(ctx, func(ctx workflow.Context) {
				for workflow.GetSignalChannel(ctx, name).Receive(ctx, nil) {
					told[seed] = append(told[seed], name)
					stopped = stopped || name == workflows.SignalStop
				}
			})
		}
		for !stopped && !release {
			if err := workflow.Sleep(ctx, time.Minute); err != nil {
				return trainflow.Result{}, err
			}
		}
		return trainflow.Result{Status: "trained", Version: 1}, nil
	}, workflow.RegisterOptions{Name: "TrainSFT"})
	env.RegisterActivity(newTrainWorld(t).train)
	return env, told, func() { release = true }
}

func sweepProgress(t *testing.T, env *testsuite.TestWorkflowEnvironment) (p trainflow.SweepResult) {
	t.Helper()
	value, err := env.QueryWorkflow(workflows.QueryProgress)
	require.NoError(t, err)
	require.NoError(t, value.Get(&p))
	return p
}

func seeds(t *testing.T) trainflow.SweepInput {
	t.Helper()
	train, err := json.Marshal(trainflow.Input{BaseModel: "m", Dataset: activities.Dataset{URI: "file:///rows.jsonl"}})
	require.NoError(t, err)
	return trainflow.SweepInput{
		Method: "sft", Train: train, Grid: map[string][]json.RawMessage{"seed": {[]byte("1"), []byte("2"), []byte("3")}},
	}
}

// TestSweepPauses: active runs are paused, and no other run starts until the sweep resumes.
func TestSweepPauses(t *testing.T) {
	t.Parallel()
	env, told, release := sweepOf(t)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalPause, nil) }, time.Hour)
	env.RegisterDelayedCallback(func() {
		require.True(t, sweepProgress(t, env).Paused)
		release()
	}, 2*time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Empty(t, told[3], "it was to be started when another had ended")
		env.SignalWorkflow(workflows.SignalResume, nil)
	}, 3*time.Hour)
	env.ExecuteWorkflow("TrainSweep", seeds(t))
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var out trainflow.SweepResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, []string{"begun", "pause"}, told[1])
	require.Equal(t, []string{"begun", "pause"}, told[2])
	require.Equal(t, []string{"begun"}, told[3])
	require.Zero(t, out.Failed)
	require.Empty(t, out.Status)
	require.False(t, out.Paused)
}

// TestSweepStops: active runs end with their best so far, and no other run starts.
func TestSweepStops(t *testing.T) {
	t.Parallel()
	for _, paused := range []bool{false, true} {
		env, told, _ := sweepOf(t)
		want := []string{"begun", "stop"}
		if paused {
			want = []string{"begun", "pause", "stop"}
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalPause, nil) }, time.Hour)
		}
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalStop, nil) }, 2*time.Hour)
		env.ExecuteWorkflow("TrainSweep", seeds(t))
		require.True(t, env.IsWorkflowCompleted())
		require.NoError(t, env.GetWorkflowError())
		var out trainflow.SweepResult
		require.NoError(t, env.GetWorkflowResult(&out))
		require.Equal(t, want, told[1])
		require.Equal(t, want, told[2])
		require.Empty(t, told[3])
		require.Equal(t, "stopped", out.Status)
		require.Equal(t, 1, out.Failed)
		require.Contains(t, out.Runs[2].Failure.Reason, "stopped before")
	}
}

// manyRows is a training input with rows of the given total size.
func manyRows(t *testing.T, size int) json.RawMessage {
	t.Helper()
	in := trainflow.Input{BaseModel: "m"}
	row, err := json.Marshal(map[string]string{"prompt": strings.Repeat("<é>", 200), "completion": "c"})
	require.NoError(t, err)
	for range size / len(row) {
		in.Dataset.Rows = append(in.Dataset.Rows, row)
	}
	raw, err := json.Marshal(in)
	require.NoError(t, err)
	return raw
}

// TestSweepOfInlineRows: rows that all runs share are stored once; the runs
// get a reference. 64 inputs with rows in one workflow task are more than a server takes.
func TestSweepOfInlineRows(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	env := flowtest.NewEnvironment()
	env.RegisterActivity(g.train)
	register(env, "TrainSweep")
	largest, named := 0, map[string]bool{}
	env.RegisterWorkflowWithOptions(func(_ workflow.Context, in map[string]any) (trainflow.Result, error) {
		raw, err := json.Marshal(in)
		largest = max(largest, len(raw))
		named[fmt.Sprint(in["dataset"].(map[string]any)["uri"])] = true
		return trainflow.Result{Status: "trained", Version: 1}, err
	}, workflow.RegisterOptions{Name: "TrainSFT"})
	in := seeds(t)
	in.Train, in.Concurrency = manyRows(t, 200_000), 64
	for i := range 61 {
		in.Grid["seed"] = append(in.Grid["seed"], json.RawMessage(strconv.Itoa(10+i)))
	}
	env.ExecuteWorkflow("TrainSweep", in)
	require.NoError(t, env.GetWorkflowError())
	require.Less(t, largest, 2000)
	require.Len(t, named, 1)
	for uri := range named {
		rows := g.object(training.UploadKey(tenant.Default, strings.TrimPrefix(uri, activities.UploadScheme)))
		var have, want []any
		require.NoError(t, json.Unmarshal([]byte(rows), &have))
		var common struct{ Dataset struct{ Rows []any } }
		require.NoError(t, json.Unmarshal(in.Train, &common))
		want = common.Dataset.Rows
		require.Equal(t, want, have)
	}
}

// TestSweepTrainsOnInlineRows: a reference to rows gives the same job as the rows.
func TestSweepTrainsOnInlineRows(t *testing.T) {
	t.Parallel()
	g := newTrainWorld(t)
	single, err := g.run(answers("a"))
	require.NoError(t, err)
	env := g.environment()
	train, err := json.Marshal(answers("a"))
	require.NoError(t, err)
	env.ExecuteWorkflow("TrainSweep", trainflow.SweepInput{
		Method: "sft", Train: train, Runs: []map[string]json.RawMessage{{"seed": []byte("42")}},
	})
	require.NoError(t, env.GetWorkflowError())
	var out trainflow.SweepResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, single.Job, out.Runs[0].Result.Job)
	require.Equal(t, "unchanged", out.Runs[0].Result.Status)
}

// TestSweepIsBounded: a sweep that is too large for the server, or too slow to compute, is an
// invalid input. Otherwise it would fail a workflow task again and again.
func TestSweepIsBounded(t *testing.T) {
	t.Parallel()
	rows := string(manyRows(t, 100_000))
	dataset := rows[strings.Index(rows, `{"rows"`):strings.LastIndex(rows, "}")]
	many := map[string][]json.RawMessage{}
	for i := range 5000 {
		many["sft_config.a"+strconv.Itoa(i)] = []json.RawMessage{[]byte("1")}
	}
	list := make([]json.RawMessage, 100_000)
	for i := range list {
		list[i] = []byte(strconv.Itoa(i))
	}
	varied := map[string]json.RawMessage{}
	for name := range many {
		varied[name] = []byte("1")
	}
	datasets := make([]map[string]json.RawMessage, 20)
	for i := range datasets {
		datasets[i] = map[string]json.RawMessage{"dataset": []byte(dataset), "seed": []byte(strconv.Itoa(i))}
	}
	for name, change := range map[string]func(in *trainflow.SweepInput){
		"deep name": func(in *trainflow.SweepInput) {
			in.Grid = map[string][]json.RawMessage{"sft_config" + strings.Repeat(".a", 9000): {[]byte("1")}}
		},
		"long name": func(in *trainflow.SweepInput) {
			in.Grid = map[string][]json.RawMessage{"sft_config." + strings.Repeat("a", 300): {[]byte("1")}}
		},
		"many names":   func(in *trainflow.SweepInput) { in.Grid = many },
		"many varied":  func(in *trainflow.SweepInput) { in.Grid, in.Runs = nil, []map[string]json.RawMessage{varied} },
		"many values":  func(in *trainflow.SweepInput) { in.Grid = map[string][]json.RawMessage{"seed": list, "gpu_wait": list} },
		"rows varied":  func(in *trainflow.SweepInput) { in.Grid, in.Runs = nil, datasets },
		"rows too big": func(in *trainflow.SweepInput) { in.Train = manyRows(t, 300_000) },
		"large common": func(in *trainflow.SweepInput) {
			in.Train = json.RawMessage(`{"base_model":"` + strings.Repeat("m", 400_000) + `","dataset":{"uri":"x"}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, told, _ := sweepOf(t)
			in := seeds(t)
			change(&in)
			env.ExecuteWorkflow("TrainSweep", in)
			require.ErrorContains(t, env.GetWorkflowError(), "(type: input")
			require.Empty(t, told)
		})
	}
}

// TestLongWorkflowIDs: an id that is too long for the ids of children is rejected.
func TestLongWorkflowIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		run   string
		input any
		most  int
	}{
		{"TrainSweep", seeds(t), 996},
		{"IngestLibrary", ingestflow.LibraryInput{Source: "/nowhere"}, 993},
	} {
		for _, length := range []int{c.most, c.most + 1, 1000} {
			env, told, release := sweepOf(t)
			release()
			register(env, "IngestLibrary")
			env.RegisterActivity(&ingest.Activities{})
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: strings.Repeat("i", length), TaskQueue: "q"})
			env.OnActivity("ResolveProfile", mock.Anything, mock.Anything).Return(ingest.Recipe{}, temporal.NewNonRetryableApplicationError("it began", "input", nil)).Maybe()
			env.ExecuteWorkflow(c.run, c.input)
			if length > c.most {
				require.ErrorContains(t, env.GetWorkflowError(), "shorter id")
				require.Empty(t, told)
			} else if err := env.GetWorkflowError(); err != nil {
				require.NotContains(t, err.Error(), "shorter id")
			}
		}
	}
}
