package jobs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/jobs"
	"github.com/cogniverse/cogflow/internal/cli/root"
)

// TestJobs runs the commands against one server, which is empty at first.
func TestJobs(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Step("never taken, without a worker", testUnservedWithout)
	b.Serve()
	b.Step("never taken, with a worker", testUnservedWith)
	b.Step("control", testSteer)
	b.Step("redrive", testRedrive)
	b.Step("report", testReport)
	b.Step("dry run", testDryRun)
	b.Step("overview", testOverview)
}

func testSteer(t *testing.T, b *clitest.Bench) {
	source := filepath.Join(b.Dir, "wait")
	code, out, errors := b.Run("ingest", source, "--detach", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	first := clitest.Decode[cli.Started](t, out)
	id := first.WorkflowID
	assert.Equal(t, "http://127.0.0.1:8233/namespaces/default/workflows/"+id+"/"+first.RunID, first.UI)

	code, out, errors = b.Run("ingest", source, "--detach", "--json")
	require.Equal(t, cli.ExitDone, code)
	assert.Equal(t, first, clitest.Decode[cli.Started](t, out))
	assert.Contains(t, errors, "is already running")

	out = b.Until(func(out string) bool { return strings.Contains(out, id) && !strings.Contains(out, "-queue") }, "list", "--status", "running")
	assert.Regexp(t, `running +IngestLibrary +wait +`+id, out)
	out = b.UntilPrints([]string{"status"}, "0/3 videos")
	assert.Regexp(t, `IngestLibrary +wait +`+id+` +[0-9a-z.]+ +0/3 videos`, out)
	code, errors = b.Interrupt("0/3 videos", "watch")
	assert.Equal(t, cli.ExitInterrupted, code, errors)
	code, errors = b.Interrupt("0/3 videos", "watch", id)
	assert.Equal(t, cli.ExitInterrupted, code)
	assert.Contains(t, errors, "the job continues")

	code, _, errors = b.Run("tune", id, "--concurrency", "7")
	assert.Equal(t, cli.ExitDone, code, errors)
	code, _, errors = b.Run("tune", id)
	assert.Equal(t, cli.ExitUsage, code, errors)
	code, _, errors = b.Run("pause", id, "--json")
	assert.Equal(t, cli.ExitDone, code, errors)
	b.UntilPrints([]string{"status", id}, "ingest (paused): 0 of 3 videos (0 indexed, 0 unchanged, 0 failed), 7 concurrently")

	code, _, errors = b.Run("redrive", id)
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "is running")
	code, _, errors = b.Run("report", id)
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "is not finished")

	b.UntilPrints([]string{"__complete", "watch", ""}, id+"\tIngestLibrary running")

	code, errors = b.Interrupt("0/3 videos", "watch", id, "--cancel-on-interrupt")
	assert.Equal(t, cli.ExitInterrupted, code)
	assert.Contains(t, errors, "cancelled")
	code, _, errors = b.Run("watch", id)
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "cancelled error: the job was cancelled")
}

func testRedrive(t *testing.T, b *clitest.Bench) {
	source := filepath.Join(b.Dir, "partial")
	code, _, errors := b.Run("ingest", source, "--id", "partial")
	require.Equal(t, cli.ExitPartial, code, errors)
	before, err := b.Client.DescribeWorkflow(t.Context(), "partial", "")
	require.NoError(t, err)
	code, out, errors := b.Run("redrive", "partial", "--detach", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	again := clitest.Decode[cli.Started](t, out)
	assert.Equal(t, "partial", again.WorkflowID)
	assert.NotEqual(t, before.WorkflowExecution.RunID, again.RunID)
	input := clitest.Decode[ingest.LibraryInput](t, string(b.Begun("partial", again.RunID).GetInput().GetPayloads()[0].GetData()))
	assert.Equal(t, source, input.Source)
	assert.Equal(t, "default", input.Tenant)

	code, _, errors = b.Run("ingest", filepath.Join(b.Dir, "ok"), "--tenant", "org:t", "--id", "whole")
	require.Equal(t, cli.ExitDone, code, errors)
	code, _, errors = b.Run("redrive", "whole")
	assert.Equal(t, cli.ExitDone, code)
	assert.Contains(t, errors, "nothing to redrive")
	code, _, errors = b.Run("redrive", "missing")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "`cogflow list` shows the jobs")
}

func testReport(t *testing.T, b *clitest.Bench) {
	code, _, errors := b.Run("report", "whole")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "object not found")

	_, err := b.Store().Put(t.Context(), "default/reports/x/y.html", strings.NewReader("<html>"))
	require.NoError(t, err)
	code, out, errors := b.Run("report", "whole")
	assert.Equal(t, cli.ExitDone, code, errors)
	data, err := os.ReadFile(strings.TrimSpace(out))
	require.NoError(t, err)
	assert.Equal(t, "<html>", string(data))
}

// testDryRun: a dry run is marked as such, has its own id, and never hides the report of a
// job, even if it has the id of the job, as in earlier builds.
func testDryRun(t *testing.T, b *clitest.Bench) {
	source := filepath.Join(b.Dir, "ok")
	code, out, errors := b.Run("ingest", source, "--id", "report's own", "--detach", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	id := clitest.Decode[cli.Started](t, out).WorkflowID
	code, out, errors = b.Run("ingest", source, "--id", id, "--dry-run")
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, errors, "Started dry-run/"+id)
	assert.Contains(t, out, "Nothing was written.")
	_, out, _ = b.Run("status", "dry-run/"+id)
	assert.Contains(t, out, "dry run: ingest "+source)
	assert.Contains(t, out, "IngestLibrary (dry run) completed")
	code, _, errors = b.Run("report", "dry-run/"+id)
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "cogflow report "+id)

	input := map[string]any{"source": source, "dry_run": true}
	for range 2 {
		run, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain}, "IngestLibrary", input)
		require.NoError(t, err)
		require.NoError(t, run.Get(t.Context(), nil))
	}
	b.UntilPrints([]string{"report", id}, filepath.Join("reports", "x", "y.html"))
	b.UntilPrints([]string{"__complete", "report", ""}, "dry-run/"+id+"\tIngestLibrary (dry run) completed")
}

func testOverview(t *testing.T, b *clitest.Bench) {
	code, _, errors := b.Run("search", "anything")
	require.Equal(t, cli.ExitDone, code, errors)
	var all jobs.ExecutionList
	// The visibility store follows with a short delay.
	b.Until(func(out string) bool {
		all = jobs.ExecutionList{}
		return json.Unmarshal([]byte(out), &all) == nil && len(all.Workflows) == 1
	}, "list", "--json", "--kind", "ingestlibrary", "--tenant", "org:t", "--status", "completed")
	assert.Equal(t, strings.ToLower(enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED.String()), all.Workflows[0].Status)

	code, out, errors := b.Run("status", "--json")
	assert.Equal(t, cli.ExitDone, code, errors)
	view := clitest.Decode[jobs.Overview](t, out)
	assert.Equal(t, "cogflow", view.Pools[0].Queue)
	assert.Equal(t, 1, view.Pools[0].Workers)
	for _, job := range view.Jobs {
		assert.NotEqual(t, "SearchVideos", job.Kind)
	}
}
