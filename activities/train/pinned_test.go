package train

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/training"
)

// TestCheckpointOfAnotherFormat: a checkpoint that this build's trainer does not
// read goes to a worker that does. If there is no such worker, the job continues from a
// checkpoint that it reads, and does not fail.
func TestCheckpointOfAnotherFormat(t *testing.T) {
	t.Parallel()
	k := newKeeping(t)
	first := k.attempt("a")
	require.NoError(t, first.storeCheckpoint(t.Context(), k.written(first, 2)))
	require.NoError(t, first.storeCheckpoint(t.Context(), k.written(first, 4)))
	key := training.CheckpointPrefix("default", "job", 4) + training.ManifestName
	var m training.StoredCheckpoint
	require.NoError(t, activities.ReadJSON(t.Context(), k.a.Store, key, &m))
	m.Version = 2
	require.NoError(t, activities.WriteManifest(t.Context(), k.a.Store, key, m))

	next := k.attempt("b")
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	resume := func(ctx context.Context) (int, error) {
		if _, err := next.resume(ctx); err != nil {
			return 0, err
		}
		return next.resumed, nil
	}
	env.RegisterActivity(resume)
	_, err := env.ExecuteActivity(resume)
	require.ErrorContains(t, err, "the run was started with checkpoints of version 2")
	k.a.others.Alone("checkpoints of version 2") // as after some tries
	step, err := env.ExecuteActivity(resume)
	require.NoError(t, err)
	var at int
	require.NoError(t, step.Get(&at))
	require.Equal(t, 2, at)
}
