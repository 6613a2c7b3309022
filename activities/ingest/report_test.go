package ingest

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// TestReportCountsDescribeCalls: calls of other kinds are in the cost, not in that count.
func TestReportCountsDescribeCalls(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	calls, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	for _, kind := range []string{video.KindDescribe, video.KindEmbed, video.KindTranscribe} {
		r, err := calls.TryReserve(t.Context(), video.Call{
			Tenant: "default", Job: "job", Workflow: "w", Kind: kind, Model: "m", Fingerprint: video.Fingerprint(kind), CostMicroUSD: microUS,
		}, 0)
		require.NoError(t, err)
		_, err = calls.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: microUS})
		require.NoError(t, err)
	}
	var page video.Report
	a := &Activities{Store: store, Ledger: calls, Report: func(_ io.Writer, r video.Report) error {
		page = r
		return nil
	}}
	out, err := activitytest.Run(t, a.WriteReport, ReportInput{Kind: "IngestVideo", Tenant: "default", Job: "job"})
	require.NoError(t, err)
	require.Equal(t, 1, page.Totals.DescribeCalls)
	require.InDelta(t, 3*microUS/1e6, page.Totals.CostUSD, 1e-12)
	require.Equal(t, 1, out.Spend.Describe)
}
