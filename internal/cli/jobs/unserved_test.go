package jobs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/jobs"
)

// startUnserved starts runs that no worker can take, because of a wrong queue, a wrong type, or both.
func startUnserved(t *testing.T, b *clitest.Bench) {
	t.Helper()
	for id, at := range map[string][2]string{
		"wrong-queue": {"cogfolw", "IngestLibrary"}, "activity-queue": {"media", "IngestLibrary"}, "wrong-type": {"cogflow", "IngestLibary"},
	} {
		_, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: at[0]}, at[1], map[string]any{})
		require.NoError(t, err)
	}
}

// unservedReasons waits until status shows those runs, and returns their reasons by id.
func unservedReasons(t *testing.T, b *clitest.Bench) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.Eventually(t, func() bool { // the visibility store is updated with a delay
		_, text, _ := b.Run("status", "--json")
		clear(out)
		for _, u := range clitest.Decode[jobs.Overview](t, text).NeverTook {
			out[u.WorkflowID] = u.Reason
		}
		return out["wrong-queue"] != "" && out["activity-queue"] != "" && out["wrong-type"] != ""
	}, 20*time.Second, 100*time.Millisecond)
	return out
}

// testUnservedWithout: without a worker, status shows a reason for every run.
func testUnservedWithout(t *testing.T, b *clitest.Bench) {
	startUnserved(t, b)
	why := unservedReasons(t, b)
	assert.Contains(t, why["wrong-queue"], "no worker polls the queue cogfolw for workflows: cancel it and start it on the queue cogflow")
	assert.Contains(t, why["activity-queue"], "no worker polls the queue media for workflows")
	assert.Contains(t, why["wrong-type"], "no worker polls the queue cogflow: `make up` starts one here")
}

// testUnservedWith: with a worker, status names the unknown type.
func testUnservedWith(t *testing.T, b *clitest.Bench) {
	require.Eventually(t, func() bool {
		return unservedReasons(t, b)["wrong-type"] != "no worker polls the queue cogflow: `make up` starts one here, or serve the pool `cogflow`"
	}, 20*time.Second, 100*time.Millisecond)
	assert.Contains(t, unservedReasons(t, b)["wrong-type"], "no worker knows the workflow type IngestLibary")
	_, text, _ := b.Run("status")
	assert.Contains(t, text, "NEVER TAKEN")
	assert.Contains(t, text, "wrong-queue")
	for _, id := range []string{"wrong-queue", "activity-queue", "wrong-type"} {
		require.NoError(t, b.Client.TerminateWorkflow(t.Context(), id, "", "the test is over"))
	}
}
