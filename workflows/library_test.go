package workflows_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
)

func frames(name string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s %d", name, i)
	}
	return out
}

func (w *world) ingestLibrary(in ingestflow.LibraryInput) (ingestflow.LibraryResult, error) {
	w.t.Helper()
	env := w.environment()
	env.ExecuteWorkflow("IngestLibrary", in)
	require.True(w.t, env.IsWorkflowCompleted())
	var out ingestflow.LibraryResult
	if err := env.GetWorkflowError(); err != nil {
		return out, err
	}
	require.NoError(w.t, env.GetWorkflowResult(&out))
	return out, nil
}

func TestIngestLibrary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 10)...)
	w.video("market.txt", frames("market", 3)...)
	w.video("empty.txt")
	in := ingestflow.LibraryInput{Source: w.library()}

	out, err := w.ingestLibrary(in)
	require.NoError(t, err)
	require.Equal(t, video.Totals{
		Videos: 3, Indexed: 2, Failed: 1, Frames: 13, Documents: 13, DescribeCalls: 13, CostUSD: 0.013,
	}, out.Totals)
	require.Len(t, out.Failures, 1)
	require.Equal(t, string(fault.Input), out.Failures[0].Class)
	require.Equal(t, "inspect", out.Failures[0].Stage)
	require.Contains(t, out.Failures[0].Reason, "empty.txt")
	require.NotEmpty(t, out.Report)
	hits := w.search("harbour 7")
	require.NotEmpty(t, hits)
	require.Equal(t, int64(7000), hits[0].PTSMS)

	again, err := w.ingestLibrary(in)
	require.NoError(t, err)
	require.Equal(t, 2, again.Unchanged)
	require.Equal(t, 1, w.callsOf("harbour 7"), "a stored caption is never paid again")
}

func TestForceReusesCaptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 5)...)
	in := ingestflow.LibraryInput{Source: w.library()}
	_, err := w.ingestLibrary(in)
	require.NoError(t, err)
	in.Force = true
	out, err := w.ingestLibrary(in)
	require.NoError(t, err)
	require.Equal(t, 1, out.Indexed)
	require.Equal(t, 1, w.callsOf("harbour 0"))
}

func TestChangedPromptRunsDescribeButNotExtract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 5)...)
	in := ingestflow.LibraryInput{Source: w.library()}
	_, err := w.ingestLibrary(in)
	require.NoError(t, err)
	w.profile.Describe.Prompt = "be brief" // another recipe, the same frames
	out, err := w.ingestLibrary(in)
	require.NoError(t, err)
	require.Equal(t, 1, out.Indexed)
	require.Equal(t, 2, w.callsOf("harbour 0"))
	published, err := w.ingest.Index.Published(t.Context(), video.PublishedFilter{Tenant: tenant.Default})
	require.NoError(t, err)
	require.Len(t, published, 1, "the old generation is gone")
	require.Len(t, w.search("harbour"), 5)
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 5)...)
	w.video("empty.txt")
	env := w.environment()
	var stages []string
	env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		attributes, _ := args.Get(0).(temporal.SearchAttributes)
		if stage, ok := attributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(workflows.AttrStage)); ok {
			stages = append(stages, stage)
		}
	}).Return(nil)
	env.ExecuteWorkflow("IngestLibrary", ingestflow.LibraryInput{Source: w.library(), DryRun: true})
	require.NoError(t, env.GetWorkflowError())
	var out ingestflow.LibraryResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, []string{workflows.StageDryRun, workflows.StageDryRun}, stages, "it is marked from its start on")
	require.Equal(t, 2, out.Videos)
	require.Equal(t, 1, out.Failed)
	require.NotNil(t, out.Estimate)
	require.Positive(t, out.Estimate.Frames)
	require.Empty(t, w.objects(), "nothing written")
	require.Zero(t, w.callsOf("harbour 0"))
}

// longName lists one more video, whose URI is too long.
type longName struct{ ingest.Sources }

func (l longName) List(ctx context.Context, t tenant.ID, source string, recursive bool, yield func(string) error) (int, error) {
	if err := yield("s3://bucket/" + strings.Repeat("é", 5000)); err != nil {
		return 0, err
	}
	return l.Sources.List(ctx, t, source, recursive, yield)
}

// TestLibraryRefusesLongURI: a URI that is too long fails only its video; the failure has the
// start of the URI.
func TestLibraryRefusesLongURI(t *testing.T) {
	t.Parallel()
	for _, dry := range []bool{true, false} {
		w := newWorld(t)
		w.video("harbour.txt", frames("harbour", 3)...)
		w.ingest.Sources = longName{w.ingest.Sources}
		out, err := w.ingestLibrary(ingestflow.LibraryInput{Source: w.library(), DryRun: dry})
		require.NoError(t, err)
		require.Equal(t, 2, out.Videos)
		require.Equal(t, 1, out.Failed)
		require.Len(t, out.Failures, 1)
		require.Equal(t, string(fault.Input), out.Failures[0].Class)
		require.Contains(t, out.Failures[0].Reason, "2048 bytes")
		require.Contains(t, out.Failures[0].URI, "s3://bucket/éé")
		require.Less(t, len(out.Failures[0].URI), 2060)
	}
}

// TestLibraryCostsFailedVideos: a library costs what the ledger says of all its videos,
// also of one that fails after it has paid.
func TestLibraryCostsFailedVideos(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 5)...)
	w.video("market.txt", frames("market", 9)...)
	w.describe = func(r video.DescribeRequest) (video.Caption, error) {
		if string(r.JPEG) == "market 8" {
			return video.Caption{}, fault.New(fault.Auth, "describe", "", "the key has expired")
		}
		return caption(r), nil
	}
	env := w.environment()
	env.ExecuteWorkflow("IngestLibrary", ingestflow.LibraryInput{Source: w.library()})
	require.NoError(t, env.GetWorkflowError())
	var out ingestflow.LibraryResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, 1, out.Failed)
	spent, err := w.ingest.Ledger.Spent(t.Context(), tenant.Default, "default-test-run-id", "")
	require.NoError(t, err)
	require.Greater(t, spent, int64(5*1000), "the video that failed has paid")
	require.InDelta(t, float64(spent)/1e6, out.CostUSD, 1e-9)
}
