package workflows_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
	trainflow "github.com/cogniverse/cogflow/workflows/train"
)

// takenRuns is a server on which every workflow is open. Its tenant is at first that of the
// library, later unknown.
type takenRuns struct {
	activities.Runs
	ours int // how often it is the library's own
}

func (r *takenRuns) Running(context.Context, string, string) (bool, error)      { return true, nil }
func (r *takenRuns) ChainRunning(context.Context, string, string) (bool, error) { return true, nil }

func (r *takenRuns) VideoTenant(context.Context, string, string) (tenant.ID, error) {
	if r.ours--; r.ours >= 0 {
		return tenant.Default, nil
	}
	return "", nil
}

// requireTaken checks that the video failed with a message that names the id.
func requireTaken(t *testing.T, out ingestflow.LibraryResult, id string) {
	t.Helper()
	require.Equal(t, 1, out.Failed)
	require.Zero(t, out.Indexed)
	require.Len(t, out.Failures, 1)
	require.Equal(t, string(fault.Input), out.Failures[0].Class)
	require.Contains(t, out.Failures[0].Reason, id)
}

// take starts a workflow on a queue without a worker, so that it stays open, under an id.
func take(t *testing.T, c client.Client, id string) {
	t.Helper()
	begin(t, c, client.StartWorkflowOptions{ID: id, TaskQueue: "unserved"}, "IngestVideo")
}

// TestChildIDTakenLater: another workflow takes the id of a video after the library has checked
// its owner. It neither stalls the library nor counts as its video.
func TestChildIDTakenLater(t *testing.T) {
	t.Parallel()
	c, w := liveServer(t), newWorld(t)
	w.ingest.Runs = &takenRuns{ours: 1}
	w.video("harbour.txt", frames("harbour", 3)...)
	for _, queue := range []string{workflows.QueueMain, workflows.QueueMedia} {
		serve := worker.New(c, queue, worker.Options{Interceptors: activities.Interceptors(0, nil)})
		serve.RegisterActivity(w.ingest)
		register(serve, "IngestLibrary")
		require.NoError(t, serve.Start())
		t.Cleanup(serve.Stop)
	}
	take(t, c, "lib/000000")
	run := begin(t, c, client.StartWorkflowOptions{ID: "lib", TaskQueue: workflows.QueueMain},
		"IngestLibrary", ingestflow.LibraryInput{Source: w.library()})
	var out ingestflow.LibraryResult
	require.NoError(t, end(t, run, &out))
	requireTaken(t, out, "lib/000000")
}

// TestIDTakenAfterContinue: the same for the id of a video that a former run of the library has
// started and that ended without a signal.
func TestIDTakenAfterContinue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ingest.Runs = &takenRuns{ours: 2}
	recipe, err := w.ingest.ResolveProfile(t.Context(), ingest.ResolveInput{Tenant: tenant.Default})
	require.NoError(t, err)
	const library, run = "default-test-workflow-id", "default-test-run-id"
	in, err := json.Marshal(map[string]any{"source": "s", "resume": map[string]any{
		"job": run, "recipe": recipe, "listing": ingest.Listing{Prefix: "default/listings/r/", Videos: 1}, "next": 1,
		"in_flight": []map[string]any{{"id": library + "/000000", "uri": "harbour.txt"}},
	}})
	require.NoError(t, err)
	env := w.environment()
	env.SetContinuedExecutionRunID("r")
	env.ExecuteWorkflow("IngestLibrary", json.RawMessage(in))
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var out ingestflow.LibraryResult
	require.NoError(t, env.GetWorkflowResult(&out))
	requireTaken(t, out, library+"/000000")
}

// TestSweepIDTaken: a run of a sweep whose id is taken fails with that reason; the others run.
func TestSweepIDTaken(t *testing.T) {
	t.Parallel()
	l := newLive(t, "cpu")
	take(t, l.client, "job/001")
	train, err := json.Marshal(answers("a"))
	require.NoError(t, err)
	var out trainflow.SweepResult
	require.NoError(t, end(t, l.start("TrainSweep", trainflow.SweepInput{
		Method: "sft", Train: train, Grid: map[string][]json.RawMessage{"seed": {[]byte("1"), []byte("2"), []byte("3")}},
	}), &out))
	require.Equal(t, 1, out.Failed)
	require.Equal(t, string(fault.Input), out.Runs[1].Failure.Class)
	require.Contains(t, out.Runs[1].Failure.Reason, "job/001")
	require.NotNil(t, out.Runs[0].Result)
	require.NotNil(t, out.Runs[2].Result)
}
