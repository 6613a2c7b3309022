package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

// TestRunningSaysMore: a line below a cut list says that the list is cut, and names the command
// that lists all jobs.
func TestRunningSaysMore(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	jobs := []execution{{WorkflowID: "ingest-1", Kind: "IngestLibrary", Name: "talks", Started: now.Add(-time.Minute)}}
	all := clitest.Printed(func(a *cli.App) { app{a}.printRunning(jobs, false, now) })
	assert.Contains(t, all, "talks")
	assert.NotContains(t, all, "cogflow list")
	cut := clitest.Printed(func(a *cli.App) { app{a}.printRunning(jobs, true, now) })
	assert.Contains(t, cut, "Only the 15 newest are shown. List all: cogflow list --status running")
}
