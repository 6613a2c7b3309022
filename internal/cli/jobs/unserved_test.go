package jobs_test

import (
	"encoding/json"
	"strings"
	"testing"

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

// unservedReasons waits until status shows those runs, with this word about the wrong type, and returns their reasons by id.
func unservedReasons(b *clitest.Bench, wrongType string) map[string]string {
	why := map[string]string{}
	b.Until(func(out string) bool {
		var all jobs.Overview
		if json.Unmarshal([]byte(out), &all) != nil {
			return false
		}
		clear(why)
		for _, u := range all.NeverTook {
			why[u.WorkflowID] = u.Reason
		}
		return why["wrong-queue"] != "" && why["activity-queue"] != "" && strings.Contains(why["wrong-type"], wrongType)
	}, "status", "--json")
	return why
}

// testUnservedWithout: without a worker, status shows a reason for every run.
func testUnservedWithout(t *testing.T, b *clitest.Bench) {
	startUnserved(t, b)
	why := unservedReasons(b, "no worker polls the queue cogflow: `make up` starts one here")
	assert.Contains(t, why["wrong-queue"], "no worker polls the queue cogfolw for workflows: cancel it and start it on the queue cogflow")
	assert.Contains(t, why["activity-queue"], "no worker polls the queue media for workflows")
}

// testUnservedWith: with a worker, status names the unknown type.
func testUnservedWith(t *testing.T, b *clitest.Bench) {
	unservedReasons(b, "no worker knows the workflow type IngestLibary")
	_, text, _ := b.Run("status")
	assert.Contains(t, text, "NEVER TAKEN")
	assert.Contains(t, text, "wrong-queue")
	for _, id := range []string{"wrong-queue", "activity-queue", "wrong-type"} {
		require.NoError(t, b.Client.TerminateWorkflow(t.Context(), id, "", "the test is over"))
	}
}
