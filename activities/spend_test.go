package activities_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// lateLedger has an entry that is settled only after a time.
type lateLedger struct {
	activities.Ledger
	from time.Time
	late time.Duration
}

func (l lateLedger) Job(context.Context, tenant.ID, string) (video.Spend, error) {
	if time.Since(l.from) < l.late {
		return video.Spend{Calls: 2, Answered: 1, Open: 1, CostMicroUSD: 5, Reserved: 20}, nil
	}
	return video.Spend{Calls: 2, Answered: 2, CostMicroUSD: 16}, nil
}

// TestFinalSpend: a settlement that comes late is part of what a job has spent, and one that
// never comes does not keep the job.
func TestFinalSpend(t *testing.T) {
	t.Parallel()
	for late, want := range map[time.Duration]int64{0: 16, 3 * time.Second: 16, time.Hour: 5} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			spend, err := activities.FinalSpend(t.Context(), lateLedger{from: start, late: late}, "acme", "job")
			require.NoError(t, err)
			require.Equal(t, want, spend.CostMicroUSD, late)
			require.LessOrEqual(t, time.Since(start), 5*time.Second)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := activities.FinalSpend(ctx, lateLedger{from: time.Now(), late: time.Hour}, "acme", "job")
		require.ErrorIs(t, err, context.Canceled)
	})
}
