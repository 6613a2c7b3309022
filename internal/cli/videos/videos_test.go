package videos_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestVideos runs the commands against one server.
func TestVideos(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Serve()
	code, out, errors := b.Run("videos", "list", "--json")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Len(t, clitest.Decode[ingest.ListVideosResult](t, out).Videos, 2)

	_, out, _ = b.Run("videos", "show", clitest.Video)
	assert.Contains(t, out, "00:05.000")
	code, out, errors = b.Run("videos", "show", "b.mp4")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, out, clitest.Video)
	code, _, errors = b.Run("videos", "show", "none.mp4")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, `no ingested video "none.mp4"`)
	code, _, errors = b.Run("videos", "show", "aaaaaaaa")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "matches several videos")

	code, _, _ = b.Run("videos", "delete", clitest.Video)
	assert.Equal(t, cli.ExitUsage, code, "there is no terminal for the confirmation")
	code, out, errors = b.Run("videos", "delete", clitest.Video[:20], "--yes")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, out, "Deleted b.mp4: 7 documents, 3 objects.")
}
