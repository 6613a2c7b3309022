package search_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestSearch runs the commands against one server.
func TestSearch(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Step("without a worker", testNoSearch)
	b.Serve()
	b.Step("with a worker", testSearch)
	b.Step("lookups are deleted", testForgotten)
	b.Step("saved views", testViews)
}

func testNoSearch(t *testing.T, b *clitest.Bench) {
	code, text := b.Interrupt("No worker serves the task queue cogflow", "search", "anything")
	assert.Equal(t, cli.ExitInterrupted, code)
	assert.Contains(t, text, "make up")
}

func testSearch(t *testing.T, b *clitest.Bench) {
	code, out, errors := b.Run("search", "a red car", "--json")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, "a red car", clitest.Decode[ingest.SearchResult](t, out).Hits[0].Caption)

	_, out, _ = b.Run("search", "a", "red", "car")
	assert.Contains(t, out, "1.0000  00:01.000–00:02.000  b.mp4  ~ a red car")

	page := filepath.Join(t.TempDir(), "hits.html")
	code, _, errors = b.Run("search", "a red car", "--report", page)
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, errors, "Page: "+page)
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(text), "b.mp4")

	code, out, errors = b.Run("search", "bad", "--json")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "auth error: embed: no key")
	assert.Equal(t, "auth", clitest.Decode[map[string]cli.Failure](t, out)["error"].Class)
}

// testForgotten: the server keeps only the searches that were interrupted or failed.
func testForgotten(t *testing.T, b *clitest.Bench) {
	code, _, errors := b.Run("videos", "list")
	require.Equal(t, cli.ExitDone, code, errors)
	code, _, errors = b.Run("health")
	require.Equal(t, cli.ExitFailed, code, errors)
	lists := func(kind string) (statuses []string) {
		_, out, _ := b.Run("list", "--json", "--kind", kind)
		for _, w := range clitest.Decode[map[string][]map[string]any](t, out)["workflows"] {
			statuses = append(statuses, fmt.Sprint(w["status"]))
		}
		return statuses
	}
	require.Eventually(t, func() bool { // deletions and the visibility store have a delay
		searches := lists("SearchVideos")
		return len(searches) == 2 && slices.Contains(searches, "failed") && len(lists("ListVideos")) == 0 && len(lists("CheckHealth")) == 0
	}, 3*time.Minute, 100*time.Millisecond)
}

// testViews: the server accepts every query of docs/how-to/web-ui-views.md.
func testViews(t *testing.T, b *clitest.Bench) {
	page, err := os.ReadFile("../../../docs/how-to/web-ui-views.md")
	require.NoError(t, err)
	queries := regexp.MustCompile("(?m)^\\| [^|]+ \\| `([^`]+)` \\|$").FindAllStringSubmatch(string(page), -1)
	require.Len(t, queries, 8)
	for _, q := range queries {
		_, err := b.Client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: q[1]})
		require.NoError(t, err, q[1])
	}
}
