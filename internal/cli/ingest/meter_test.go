package ingest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestLibraryETA: extraction alone gives no estimate, and a library does not end before its video.
func TestLibraryETA(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var last *progress
	show := func(after time.Duration, extracted, described int) (library, one time.Duration) {
		now = now.Add(after)
		v := ingest.VideoProgress{URI: "/v/a.mp4", Stage: "describe", Expected: 100, Extracted: extracted, Described: described}
		p := &progress{at: now, library: &ingest.LibraryProgress{Stage: "ingest", Videos: 1}, videos: []row{{VideoProgress: v}}}
		if last == nil {
			p.After(nil)
		} else {
			p.After(last)
		}
		last = p
		return p.meters.eta.Left(), p.meters.each[v.URI].eta.Left()
	}
	show(0, 0, 0)
	library, one := show(5*time.Second, 100, 0)
	require.Zero(t, library, "nothing was described")
	require.Zero(t, one)
	for described := 5; described <= 60; described += 5 {
		library, one = show(5*time.Second, 100, described)
		require.Positive(t, one)
		require.GreaterOrEqual(t, library, one, "after %d frames", described)
	}
}

// TestDryRunCount: a dry run finishes videos before it has counted all of them.
func TestDryRunCount(t *testing.T) {
	t.Parallel()
	m := newMeters()
	require.Equal(t, "3/3 videos, 2 unchanged", m.libraryText(&ingest.LibraryProgress{Stage: "estimate", Done: 3, Unchanged: 2}))
}
