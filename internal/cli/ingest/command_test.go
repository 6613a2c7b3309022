package ingest_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestIngest runs the commands against one server.
func TestIngest(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Serve()
	code, out, errors := b.Run("ingest", filepath.Join(b.Dir, "ok"), "--tenant", "org:t", "--json", "--priority", "2")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, 3, clitest.Decode[ingest.LibraryResult](t, out).Indexed)
	id, _, _ := strings.Cut(strings.TrimPrefix(errors, "Started "), "\n")
	assert.Regexp(t, "^ingest-org:t-local_preview-[0-9a-f]{12}$", id)
	d, err := b.Client.DescribeWorkflow(t.Context(), id, "")
	require.NoError(t, err)
	assert.Equal(t, "IngestLibrary", d.WorkflowType.Name)
	raw := d.RawResponse
	_, out, _ = b.Run("status", id, "--json")
	assert.Contains(t, out, `"summary": "ingest `+filepath.Join(b.Dir, "ok")+`"`)
	assert.EqualValues(t, 2, raw.GetWorkflowExecutionInfo().GetPriority().GetPriorityKey())
	assert.Equal(t, "org:t", raw.GetWorkflowExecutionInfo().GetPriority().GetFairnessKey())

	code, out, _ = b.Run("ingest", filepath.Join(b.Dir, "partial"))
	assert.Equal(t, cli.ExitPartial, code)
	assert.Contains(t, out, "empty.mp4  inspect  input  probe video: the file is empty")

	code, out, errors = b.Run("ingest", filepath.Join(b.Dir, "fail"), "--json")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "input error: list: no such directory")
	assert.Equal(t, "input", clitest.Decode[map[string]cli.Failure](t, out)["error"].Class)
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	var out clitest.Output
	env := map[string]string{"COGNIVERSE_CONFIG": "../../config/testdata/cogniverse.json"}
	code := root.Run(t.Context(), cli.Process{
		Args: []string{"profiles"}, Getenv: func(name string) string { return env[name] }, In: strings.NewReader(""), Out: &out, Err: &clitest.Output{},
	})
	assert.Equal(t, cli.ExitDone, code)
	assert.Contains(t, out.String(), "*  video_colpali_smol500_mv_frame")
	assert.Contains(t, out.String(), `no endpoint serves its embedding model "vidore/colsmol-500m"`)
}
