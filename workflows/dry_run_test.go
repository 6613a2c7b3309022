package workflows_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
)

// dryRun is a dry run of the library.
func (w *world) dryRun(force bool) ingestflow.LibraryResult {
	w.t.Helper()
	out, err := w.ingestLibrary(ingestflow.LibraryInput{Source: w.library(), DryRun: true, Force: force})
	require.NoError(w.t, err)
	require.Zero(w.t, out.Failed)
	return out
}

// TestDryRunIsAccurate: stored results cost nothing, and the estimate of the rest is what the
// run then costs.
func TestDryRunIsAccurate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sound = []string{"hello"}
	w.profile.Transcribe = video.Stage{Model: "listener", GPU: []string{"cpu"}, CostMicroUSD: 500}
	w.ingest.Transcriber = &echo{}
	w.video("harbour.txt", frames("harbour", 5)...)
	w.video("market.txt", frames("market", 3)...)
	run := func() ingestflow.LibraryResult {
		out, err := w.ingestLibrary(ingestflow.LibraryInput{Source: w.library()})
		require.NoError(t, err)
		return out
	}

	before := w.dryRun(false)
	require.Zero(t, before.Unchanged)
	require.True(t, before.Estimate.AtMost)
	require.Zero(t, before.Estimate.Unread, "small files are read")
	require.Positive(t, before.Estimate.CostUSD)
	require.InDelta(t, 0.022, run().CostUSD, 1e-9, "8 frames and 2 pieces of sound")

	unchanged := w.dryRun(false)
	require.Equal(t, 2, unchanged.Unchanged)
	require.Equal(t, ingestflow.Estimate{}, *unchanged.Estimate)
	forced := w.dryRun(true)
	require.Zero(t, forced.Unchanged)
	require.Equal(t, 8, forced.Estimate.Frames)
	require.Zero(t, forced.Estimate.Calls)
	require.Zero(t, forced.Estimate.CostUSD)
	require.False(t, forced.Estimate.AtMost)

	require.NoError(t, os.Rename(filepath.Join(w.library(), "market.txt"), filepath.Join(w.library(), "other.txt")))
	require.Equal(t, 2, w.dryRun(false).Unchanged, "its content has another name")

	w.profile.Embed.Revision = "2" // all captions and transcripts are stored
	embedded := w.dryRun(false)
	require.Zero(t, embedded.Unchanged)
	require.Equal(t, ingestflow.Estimate{
		Bytes: embedded.Estimate.Bytes, DurationMS: embedded.Estimate.DurationMS, Frames: 8, Calls: 8,
	}, *embedded.Estimate)
	w.profile.Describe.Prompt = "What is seen?" // its captions are others; the frames are stored
	asked := w.dryRun(false)
	require.Equal(t, 16, asked.Estimate.Calls)
	require.InDelta(t, 0.008, asked.Estimate.CostUSD, 1e-9)
	require.False(t, asked.Estimate.AtMost)
	require.InDelta(t, 0.022+asked.Estimate.CostUSD, run().CostUSD, 1e-9, "both runs have one id in the ledger here")
	require.Equal(t, 2, w.dryRun(false).Unchanged)
	w.profile.Describe.Revision, w.profile.Describe.Unpriced = "3", true
	require.True(t, w.dryRun(false).Estimate.Unpriced)
}

// TestDryRunAfterIndexLost: videos that are missing from the index do not count as unchanged.
func TestDryRunAfterIndexLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 5)...)
	_, err := w.ingestLibrary(ingestflow.LibraryInput{Source: w.library()})
	require.NoError(t, err)
	index, err := sqlite.Open(filepath.Join(w.dir, "another.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, index.Close()) })
	w.ingest.Index = index
	out := w.dryRun(false)
	require.Zero(t, out.Unchanged)
	require.Equal(t, 1, out.Estimate.Reindexed)
	require.Zero(t, out.Estimate.CostUSD)
}

// countingSource counts the reads of a video.
type countingSource struct {
	ingest.Sources
	n     int
	holes bool // what is peeked is not whole
}

func (p *countingSource) Peek(ctx context.Context, t tenant.ID, uri string, v video.FileVersion) (*os.File, bool, error) {
	p.n++
	f, whole, err := p.Sources.Peek(ctx, t, uri, v)
	return f, whole && !p.holes, err
}

// TestDryRunOfLargeVideo: a dry run does not read a large video completely, and not at all if an
// earlier run has read it.
func TestDryRunOfLargeVideo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := &countingSource{Sources: w.ingest.Sources}
	w.ingest.Sources = source
	w.profile.Sampling.MaxFrames = 10
	w.video("large.txt", strings.Repeat("x", 5<<20), "second")
	fresh := w.dryRun(false)
	require.Equal(t, 1, fresh.Estimate.Unread)
	require.True(t, fresh.Estimate.AtMost)
	require.Equal(t, 1, source.n)
	_, err := w.ingestLibrary(ingestflow.LibraryInput{Source: w.library()})
	require.NoError(t, err)

	require.Equal(t, 1, w.dryRun(false).Unchanged)
	require.Equal(t, 1, source.n, "it was not looked into again")
	later := time.Now().Add(time.Hour)
	file := filepath.Join(w.library(), "large.txt")
	require.NoError(t, os.Chtimes(file, later, later))
	require.Equal(t, 1, w.dryRun(false).Unchanged, "it has the same size, so it is read")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("y", 5<<20)+"\nsecond"), 0o600))
	changed := w.dryRun(false)
	require.Zero(t, changed.Unchanged)
	require.Zero(t, changed.Estimate.Unread)
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("y", 6<<20)), 0o600))
	require.Equal(t, 1, w.dryRun(false).Estimate.Unread)

	source.holes = true
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.Equal(t, 1, w.dryRun(false).Estimate.Unprobed, "what was left out may say more")
}
