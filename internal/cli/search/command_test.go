package search_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/video"
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

	testExamples(t, b)

	code, out, errors = b.Run("search", "bad", "--json")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "auth error: embed: no key")
	assert.Equal(t, "auth", clitest.Decode[map[string]cli.Failure](t, out)["error"].Class)
}

// testExamples: a picture is stored before the search starts, and a hit's id finds what is like it.
func testExamples(t *testing.T, b *clitest.Bench) {
	file, text := filepath.Join(t.TempDir(), "tram.png"), filepath.Join(t.TempDir(), "notes.png")
	var data bytes.Buffer
	require.NoError(t, png.Encode(&data, image.NewGray(image.Rect(0, 0, 8, 8))))
	require.NoError(t, os.WriteFile(file, data.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(text, []byte("a tram"), 0o600))
	code, out, errors := b.Run("search", "--image", file, "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	hash, by, _ := strings.Cut(clitest.Decode[ingest.SearchResult](t, out).Hits[0].Caption, " ")
	assert.Equal(t, "by vector", by)
	_, err := video.ParseID(hash)
	require.NoError(t, err)

	code, out, errors = b.Run("search", "a", "tram", "--like", "default:0011:1000", "--group", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	groups := clitest.Decode[ingest.SearchGroups](t, out)
	require.Len(t, groups.Videos, 1)
	assert.Equal(t, "b.mp4", groups.Videos[0].Name)
	assert.Equal(t, "a tram default:0011:1000 by hybrid", groups.Videos[0].Hits[0].Caption)
	assert.Equal(t, "default:0011:1000", groups.Videos[0].Hits[0].ID)

	for _, c := range []struct {
		code int
		text string
		args []string
	}{
		{cli.ExitUsage, "nothing to search for", nil},
		{cli.ExitUsage, "exclude each other", []string{"--image", file, "--like", "x"}},
		{cli.ExitFailed, "compares words only", []string{"--like", "x", "--rank", "bm25"}},
		{cli.ExitFailed, "would ignore the words", []string{"tram", "--image", file, "--rank", "vector"}},
		{cli.ExitFailed, "is not a JPEG, PNG or WebP picture", []string{"--image", text}},
		{cli.ExitFailed, "missing.png", []string{"--image", filepath.Join(t.TempDir(), "missing.png")}},
		{cli.ExitFailed, "is a directory", []string{"--image", t.TempDir()}},
	} {
		code, _, errors := b.Run(append([]string{"search"}, c.args...)...)
		assert.Equal(t, c.code, code, "%v: %s", c.args, errors)
		assert.Contains(t, errors, c.text)
	}
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
