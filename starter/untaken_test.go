package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
)

// begun starts runs that no worker can take: each of two things is wrong with them, or both.
func begun(t *testing.T, b *bench) {
	t.Helper()
	for id, at := range map[string][2]string{
		"wrong-queue": {"cogfolw", "IngestLibrary"}, "activity-queue": {"media", "IngestLibrary"}, "wrong-type": {"cogflow", "IngestLibary"},
	} {
		_, err := b.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: at[0]}, at[1], map[string]any{})
		require.NoError(t, err)
	}
}

// untakenReasons waits until status shows those runs, and returns their reasons by id.
func untakenReasons(t *testing.T, b *bench) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.Eventually(t, func() bool { // the visibility store follows with a short delay
		_, text, _ := b.run("status", "--json")
		clear(out)
		for _, u := range decode[overview](t, text).NeverTook {
			out[u.WorkflowID] = u.Reason
		}
		return out["wrong-queue"] != "" && out["activity-queue"] != "" && out["wrong-type"] != ""
	}, 20*time.Second, 100*time.Millisecond)
	return out
}

// testUntakenWithout: without any worker, every run says what it waits for.
func testUntakenWithout(t *testing.T, b *bench) {
	begun(t, b)
	why := untakenReasons(t, b)
	assert.Contains(t, why["wrong-queue"], "no worker polls the queue cogfolw for workflows: cancel it and start it on the queue cogflow")
	assert.Contains(t, why["activity-queue"], "no worker polls the queue media for workflows")
	assert.Contains(t, why["wrong-type"], "no worker polls the queue cogflow: `make up` starts one here")
}

// testUntakenWith: with a worker, a type that it does not know is told.
func testUntakenWith(t *testing.T, b *bench) {
	require.Eventually(t, func() bool {
		return untakenReasons(t, b)["wrong-type"] != "no worker polls the queue cogflow: `make up` starts one here, or serve the pool `cogflow`"
	}, 20*time.Second, 100*time.Millisecond)
	assert.Contains(t, untakenReasons(t, b)["wrong-type"], "no worker knows the workflow type IngestLibary")
	_, text, _ := b.run("status")
	assert.Contains(t, text, "NEVER TAKEN")
	assert.Contains(t, text, "wrong-queue")
	for _, id := range []string{"wrong-queue", "activity-queue", "wrong-type"} {
		require.NoError(t, b.client.TerminateWorkflow(t.Context(), id, "", "the test is over"))
	}
}

// testHealthClasses: the classes that are asked for, and those of the configuration, are looked at.
func testHealthClasses(t *testing.T, b *bench) {
	code, out, _ := b.run("health", "--gpu", "l40s", "--json")
	assert.Equal(t, exitFailed, code)
	parts := map[string]string{}
	for _, c := range decode[checks](t, out).Checks {
		parts[c.Part] = c.Status
	}
	for _, queue := range []string{"describe-l40s", "embed-l40s", "train-l40s", "describe-cpu", "media", "index"} {
		assert.Equal(t, "fail", parts["queue "+queue], queue)
	}
	code, _, errors := b.run("health", "--gpu", "l40x")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errors, "l40x")
}
