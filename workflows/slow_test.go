package workflows_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// slowSources fetch at 1 MB/s.
type slowSources struct {
	*textVideos
	bytes int
}

func (s slowSources) Reopen(ctx context.Context, t tenant.ID, uri string, id video.ID) (*os.File, string, error) {
	const a, second = 100_000, 10 // bytes, times
	tick := time.NewTicker(time.Second / second)
	defer tick.Stop()
	for left := s.bytes; left > 0; left -= a {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
	return s.textVideos.Reopen(ctx, t, uri, id)
}

// TestSlowSource ingests a video that takes longer to read than the heartbeat
// timeout of ten seconds, which the test environment enforces by the real clock.
func TestSlowSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 3)...)
	w.ingest.Sources = slowSources{(*textVideos)(w), 11_000_000}
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingest.VideoInput{URI: w.videoURI()})
	require.Equal(t, 3, videoResult(t, env).Documents)
}
