package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/chunks"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/flowtest"
)

const clip = "what the clip holds"

// builds are workers of several builds that share a store.
type builds struct {
	t     *testing.T
	store blob.Store
	file  string
	run   *Activities
	ref   VideoRef
}

// newBuilds pins a run to a recipe.
func newBuilds(t *testing.T, p video.Profile) *builds {
	t.Helper()
	dir := t.TempDir()
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(dir, "store"))
	require.NoError(t, err)
	b := &builds{t: t, store: store, file: filepath.Join(dir, "clip.mp4")}
	require.NoError(t, os.WriteFile(b.file, []byte(clip), 0o600))
	sum := sha256.Sum256([]byte(clip))
	b.ref = VideoRef{Tenant: "default", Video: video.ID(hex.EncodeToString(sum[:])), Recipe: "pinned"}
	require.NoError(t, activities.WriteJSON(t.Context(), store, video.RecipeKey("default", "pinned"), p))
	b.run = &Activities{Store: store, Sources: b, Media: stills{by: "here"}, Runs: b, Scratch: dir}
	return b
}

func (b *builds) List(context.Context, tenant.ID, string, bool, func(string) error) (int, error) {
	return 0, errors.ErrUnsupported
}

func (b *builds) Version(context.Context, tenant.ID, string) (video.FileVersion, string, error) {
	return video.FileVersion{}, "clip.mp4", nil
}

func (b *builds) Peek(ctx context.Context, t tenant.ID, uri string, _ video.FileVersion) (*os.File, bool, error) {
	file, _, err := b.Open(ctx, t, uri)
	return file, true, err
}

func (b *builds) Beside(context.Context, tenant.ID, string) (string, []video.Neighbour, error) {
	return "clip.mp4", nil, nil
}
func (b *builds) Keep(tenant.ID, string, video.ID, *os.File) {}
func (b *builds) Open(context.Context, tenant.ID, string) (*os.File, string, error) {
	file, err := os.Open(b.file)
	return file, "clip.mp4", err
}

func (b *builds) Reopen(ctx context.Context, t tenant.ID, uri string, _ video.ID) (*os.File, string, error) {
	return b.Open(ctx, t, uri)
}
func (b *builds) VideoTenant(context.Context, string, string) (tenant.ID, error) { return "", nil }
func (b *builds) Running(context.Context, string, string) (bool, error)          { return true, nil }

func (b *builds) ChainRunning(context.Context, string, string) (bool, error) { return true, nil }
func (b *builds) Signal(context.Context, string, string, string, any) error  { return nil }

// stills is an extractor that yields a frame each second and leaves its name on them.
type stills struct{ by string }

const seconds = 10

func (stills) Probe(context.Context, *os.File) (video.Media, error) { return video.Media{}, nil }

func (s stills) Extract(_ context.Context, _ *os.File, _ string, _ video.Sampling, emit func(video.Picture) error, _ func(int64)) (video.Extraction, error) {
	for i := range int64(seconds) {
		jpeg := fmt.Appendf(nil, "%s %d", s.by, i)
		sum := sha256.Sum256(jpeg)
		err := emit(video.Picture{JPEG: jpeg, Frame: video.Frame{
			PTSMS: 1000 * i, StartMS: 1000 * i, EndMS: 1000 * (i + 1), SHA256: hex.EncodeToString(sum[:]),
		}})
		if err != nil {
			return video.Extraction{}, err
		}
	}
	return video.Extraction{DurationMS: 1000 * seconds}, nil
}

// extract runs the activity as a workflow does, with its retries; before is called
// before each attempt. The clock of the test's environment does not wait.
func (b *builds) extract(force bool, before func(attempt int)) (out video.Extraction, attempts int) {
	b.t.Helper()
	env := flowtest.NewEnvironmentWith(&activities.Errors{})
	env.RegisterActivity(b.run.Extract)
	env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) {
		attempts++
		before(attempts)
	})
	env.ExecuteWorkflow(func(ctx workflow.Context) (out video.Extraction, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Hour, RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, MaximumAttempts: 100}, // 0 means 10 here
		})
		in := ExtractInput{VideoRef: b.ref, URI: "clip.mp4", Force: force}
		err = workflow.ExecuteActivity(ctx, b.run.Extract, in).Get(ctx, &out)
		return out, err
	})
	require.NoError(b.t, env.GetWorkflowError())
	require.NoError(b.t, env.GetWorkflowResult(&out))
	return out, attempts
}

func calm(int) {}

// frames reads which build made each frame under a prefix.
func (b *builds) frames(prefix string, chunks int) (made []string) {
	b.t.Helper()
	for i := range chunks {
		var c video.Chunk
		require.NoError(b.t, activities.ReadJSON(b.t.Context(), b.store, video.ChunkKey(prefix, i), &c))
		require.Equal(b.t, i, c.Index)
		for _, f := range c.Frames {
			jpeg, err := activities.ReadAll(b.t.Context(), b.store, video.FrameKey(prefix, f))
			require.NoError(b.t, err)
			made = append(made, string(jpeg))
		}
	}
	return made
}

// newRunOfOtherBuild makes a run of a build with another extractor, which has already stored
// that many chunks of three frames.
func newRunOfOtherBuild(t *testing.T, stored int) (b *builds, prefix string) {
	t.Helper()
	p := video.LocalPreview()
	p.ChunkFrames, p.Extractor = 3, "other"
	b = newBuilds(t, p)
	prefix = video.FramesPrefix("default", b.ref.Video, p.ExtractFingerprint(b.ref.Video))
	there := stills{by: "there"}
	c := chunks.NewWriter(t.Context(), b.store, prefix, 3, func(int, int) {})
	_, err := there.Extract(t.Context(), nil, "", video.Sampling{}, func(p video.Picture) error {
		if c.Chunks() == stored {
			return nil
		}
		return c.Add(p)
	}, nil)
	require.NoError(t, err)
	return b, prefix
}

// TestExtractedByAnotherBuild: a finished extraction of a build with another extractor is
// used, also with force: this build could not make it again.
func TestExtractedByAnotherBuild(t *testing.T) {
	t.Parallel()
	b, prefix := newRunOfOtherBuild(t, 3)
	done := video.Extraction{Frames: 9, Chunks: 3}
	require.NoError(t, activities.WriteManifest(t.Context(), b.store, video.ExtractionKey(prefix), done))
	for _, force := range []bool{false, true} {
		out, attempts := b.extract(force, calm)
		require.Equal(t, done, out)
		require.Equal(t, 1, attempts)
	}
	_, chunk, at, err := b.run.chunk(t.Context(), ChunkInput{VideoRef: b.ref, Chunk: 1})
	require.NoError(t, err)
	require.Equal(t, prefix, at)
	require.EqualValues(t, 3000, chunk.Frames[0].PTSMS)
}

// TestExtractionGoesBack: while workers of the build that started a run exist,
// one of them takes the extraction of the run.
func TestExtractionGoesBack(t *testing.T) {
	t.Parallel()
	b, prefix := newRunOfOtherBuild(t, 3)
	done := video.Extraction{Frames: 10, Chunks: 4}
	out, attempts := b.extract(false, func(attempt int) {
		if attempt == 3 {
			require.NoError(t, activities.WriteManifest(t.Context(), b.store, video.ExtractionKey(prefix), done))
		}
	})
	require.Equal(t, done, out)
	require.Equal(t, 3, attempts)
	require.NotContains(t, b.frames(prefix, 3), "here 0")
}

// TestExtractionIsFinishedByAnotherBuild: after an upgrade no worker has the extractor of the
// run. The stored chunks are kept, and this build extracts the rest.
func TestExtractionIsFinishedByAnotherBuild(t *testing.T) {
	t.Parallel()
	for _, chunks := range []int{0, 2} {
		b, prefix := newRunOfOtherBuild(t, chunks)
		out, attempts := b.extract(false, calm)
		require.Equal(t, activities.HandBacks+1, attempts)
		require.Equal(t, 10, out.Frames)
		require.Equal(t, 4, out.Chunks)
		require.Empty(t, out.FinishedBy, "not part of the result, since an earlier build would refuse the field")
		var stored video.Extraction
		require.NoError(t, activities.ReadJSON(t.Context(), b.store, video.ExtractionKey(prefix), &stored))
		require.Equal(t, video.LocalPreview().Pinned().Extractor, stored.FinishedBy)
		var want []string
		bytes := 0
		for i := range seconds {
			by := "here"
			if i < 3*chunks {
				by = "there"
			}
			want = append(want, fmt.Sprintf("%s %d", by, i))
			bytes += len(want[i])
		}
		require.Equal(t, want, b.frames(prefix, out.Chunks))
		require.EqualValues(t, bytes, out.FrameBytes)
	}
}

// TestExtractionIsPinned: a run of this build is extracted at once.
func TestExtractionIsPinned(t *testing.T) {
	t.Parallel()
	p := video.LocalPreview()
	p.ChunkFrames = 3
	b := newBuilds(t, p.Pinned())
	out, attempts := b.extract(false, calm)
	require.Equal(t, 1, attempts)
	require.Equal(t, video.Extraction{Frames: 10, Chunks: 4, DurationMS: 10_000, FrameBytes: 60}, out)
	resolved := &Activities{Store: b.store, Profiles: func(string) (video.Profile, error) { return p, nil }}
	recipe, err := resolved.ResolveProfile(t.Context(), ResolveInput{Tenant: "default"})
	require.NoError(t, err)
	var stored video.Profile
	require.NoError(t, activities.ReadJSON(t.Context(), b.store, video.RecipeKey("default", recipe.Fingerprint), &stored))
	require.Equal(t, p.Pinned(), stored)
}
