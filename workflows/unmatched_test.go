package workflows_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// whilePaused pauses a run that waits for its first attempt, and calls do.
func whilePaused(env *testsuite.TestWorkflowEnvironment, do func()) {
	whenBegun(env, func() { env.SignalWorkflow(workflows.SignalPause, nil) })
	env.RegisterDelayedCallback(do, time.Hour)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalResume, nil) }, 2*time.Hour)
}

// TestTrainUnmatchedSignal: a valid signal that no attempt of the run has sent neither fails the
// run nor books anything in the ledger.
func TestTrainUnmatchedSignal(t *testing.T) {
	t.Parallel()
	want := undisturbedWeights(t, answers("a"))
	for name, tally := range map[string]train.Tally{
		"unknown entry":      {Attempts: 1, SliceKey: strings.Repeat("0a", 16), SliceUsed: 5},
		"unknown next entry": {Attempts: 1, NextKey: strings.Repeat("0b", 16)},
		"unknown row":        {Attempts: 1, Slice: 1 << 40, SliceMicro: 7},
		"row of another":     {Attempts: 1, Slice: 1, SliceMicro: 7},
		"entry of another":   {Attempts: 1, SliceKey: "other", SliceUsed: 7},
		"next of another":    {Attempts: 1, NextKey: "other"},
		"more time":          {Attempts: 1, Seconds: 1e9},
		"other batches":      {Attempts: 1, MicroBatch: 1, Accumulation: 1},
		"many attempts":      {Attempts: 1<<31 - 1},
		"a price":            {Attempts: 1, CostMicroUSD: 1e15},
		"many steps":         {Attempts: 1, Reached: 1 << 30},
		"many steps again":   {Attempts: 1, Redone: 1 << 30},
		"many failures":      {Attempts: 1, Failures: 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newTrainWorld(t)
			other := video.Call{Tenant: "b", Job: "b", Workflow: "b", Kind: "train", Model: "m", Fingerprint: "f", CostMicroUSD: 100, Attempt: 1}
			held, err := g.train.Ledger.Reserve(t.Context(), other, 0)
			require.NoError(t, err)
			for _, key := range []*string{&tally.SliceKey, &tally.NextKey} {
				if *key == "other" {
					*key = held.Key
				}
			}
			env := g.environment()
			whilePaused(env, func() { env.SignalWorkflow(train.SignalTraining, train.Signal{Tally: &tally}) })
			env.ExecuteWorkflow("TrainSFT", answers("a"))
			out, err := trainResult(t, env)
			require.NoError(t, err)
			require.Equal(t, "trained", out.Status)
			require.Equal(t, want, g.weights("routing", 1))
			require.Zero(t, out.CostUSD)
			require.Zero(t, out.Redone)
			require.Less(t, out.Seconds, 1e6)
			spent, err := g.train.Ledger.Spent(t.Context(), "b", "b", "")
			require.NoError(t, err)
			require.Zero(t, spent)
			again, err := g.train.Ledger.Reserve(t.Context(), other, 0)
			require.NoError(t, err, "the entry is open as it was")
			require.Equal(t, held.Key, again.Key)
		})
	}
}

// TestTrainReportsIgnoredSignals: the status shows that a signal was ignored.
func TestTrainReportsIgnoredSignals(t *testing.T) {
	t.Parallel()
	env := newTrainWorld(t).environment()
	progress := func() (p trainflow.Progress) {
		value, err := env.QueryWorkflow(workflows.QueryProgress)
		require.NoError(t, err)
		require.NoError(t, value.Get(&p))
		return p
	}
	var refused, left string
	whilePaused(env, func() {
		env.SignalWorkflow(train.SignalTraining, train.Signal{Tally: &train.Tally{Attempts: 1, Seconds: 1e9}})
		env.SignalWorkflow(train.SignalTraining, train.Signal{Tally: &train.Tally{Attempts: 1, SliceKey: strings.Repeat("0a", 16)}})
		env.RegisterDelayedCallback(func() { refused = progress().IgnoredSignal }, time.Minute)
	})
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		switch info.ActivityType.Name {
		case "PrepareDataset":
			env.SignalWorkflow(workflows.SignalPause, nil)
		case "PublishAdapter":
			left = progress().IgnoredSignal
		}
	})
	env.ExecuteWorkflow("TrainSFT", answers("a"))
	_, err := trainResult(t, env)
	require.NoError(t, err)
	require.Contains(t, refused, "more time than the run")
	require.Contains(t, left, "not one of this run")
}

// TestVideoUnmatchedSignal: a signal about chunks that do not exist does not fail the video.
func TestVideoUnmatchedSignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 10)...)
	env := w.environment()
	whenBegun(env, func() { env.SignalWorkflow(ingest.SignalExtracted, ingest.Extracted{Chunks: 9, Frames: 40}) })
	env.RegisterDelayedCallback(func() {}, time.Hour)
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	require.Equal(t, 10, videoResult(t, env).Documents)
	require.Equal(t, 1, w.callsOf("harbour 9"))
	var p ingestflow.VideoProgress
	value, err := env.QueryWorkflow(workflows.QueryProgress)
	require.NoError(t, err)
	require.NoError(t, value.Get(&p))
	require.Contains(t, p.IgnoredSignal, ingest.SignalExtracted)
}
