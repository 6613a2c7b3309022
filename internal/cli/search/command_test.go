package search_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestSearch runs the program against one server.
func TestSearch(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Step("without a worker", testNoSearch)
	b.Serve()
	b.Step("with a worker", testSearch)
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
