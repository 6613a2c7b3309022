package ingest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/video"
)

// TestDescribeCallsAreOfDescribers: a run that only transcribed made no describe call.
func TestDescribeCallsAreOfDescribers(t *testing.T) {
	t.Parallel()
	r := &libraryRun{recipe: ingest.Recipe{Describe: "d"}}
	r.total(video.Spend{Calls: 3, ByKind: true})
	require.Zero(t, r.totals.DescribeCalls)
	r.total(video.Spend{Calls: 3, Describe: 2, ByKind: true})
	require.Equal(t, 2, r.totals.DescribeCalls)
	r.total(video.Spend{Calls: 3})
	require.Equal(t, 3, r.totals.DescribeCalls, "an earlier build did not count by kind")
}
