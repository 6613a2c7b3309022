package jobs

import (
	"testing"
	"time"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

func TestExecutionsGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	closed := now.Add(-time.Minute)
	clitest.Golden(t, "executions", clitest.Printed(func(a *cli.App) {
		app{a}.printExecutions([]execution{
			{WorkflowID: "ingest-acme-local_preview-0123", Name: "videos", Kind: "IngestLibrary", Status: "running", Started: now.Add(-90 * time.Second)},
			{WorkflowID: "dry-run/ingest-b", Kind: "IngestLibrary", DryRun: true, Status: "completed", Started: now.Add(-80 * time.Hour), Closed: &closed},
			{WorkflowID: "ingest-b", Kind: "IngestLibrary", Status: "failed", Started: now.Add(-80 * time.Hour), Closed: &closed},
		}, now)
	}))
}
