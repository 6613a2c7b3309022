package jobs_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/catalog"
)

// TestUnsupportedControl: a command that the job does not support is a usage error, and sends
// nothing.
func TestUnsupportedControl(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	for _, kind := range []string{
		"IngestLibrary", "IngestVideo", "DeleteVideo", "SearchVideos", "ListVideos", "CheckHealth", "TrainSFT", "TrainDPO", "TrainKTO", "TrainEmbedding",
		"TrainSweep", "ListAdapters", "ActivateAdapter", "OptimizePrompts", "PromoteProgram", "Unknown",
	} {
		_, err := b.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: kind, TaskQueue: "nobody"}, kind, map[string]any{})
		require.NoError(t, err)
		for _, c := range []struct {
			name    string
			command []string
		}{
			{workflows.SignalPause, []string{"pause", kind}},
			{workflows.SignalResume, []string{"resume", kind}},
			{workflows.SignalStop, []string{"stop", kind}},
			{workflows.UpdateBudget, []string{"tune", kind, "--budget", "1"}},
			{workflows.UpdateConcurrency, []string{"tune", kind, "--concurrency", "1"}},
			{workflows.UpdateApprove, []string{"approve", kind}},
		} {
			if !catalog.Takes(kind, c.name) {
				code, out, errors := b.Run(c.command...)
				require.Equal(t, cli.ExitUsage, code, "%v: %s", c.command, errors)
				require.Empty(t, out)
				require.Contains(t, errors, "does not support")
			} else if c.command[0] != "tune" && c.command[0] != "approve" { // no worker can answer an update
				code, _, errors := b.Run(c.command...)
				require.Zero(t, code, "%v: %s", c.command, errors)
			}
		}
	}
	require.NoError(t, b.Client.TerminateWorkflow(t.Context(), "IngestLibrary", "", "the end"))
	code, _, errors := b.Run("pause", "IngestLibrary")
	require.Equal(t, cli.ExitFailed, code)
	require.Contains(t, errors, "IngestLibrary has ended, so it cannot be changed; `cogflow status IngestLibrary` says how it ended")
	code, _, errors = b.Run("tune", "IngestVideo", "--budget", "-1")
	require.Equal(t, cli.ExitUsage, code)
	require.Contains(t, errors, "--budget")
	for _, usd := range []string{"1e13", "NaN", "Inf", "-1e-320", "1e400"} {
		for _, command := range [][]string{{"tune", "IngestVideo", "--budget"}, {"ingest", "s3://b/p", "--detach", "--budget"}} {
			code, _, _ = b.Run(append(command, usd)...)
			require.Equal(t, cli.ExitUsage, code, usd)
		}
	}
}
