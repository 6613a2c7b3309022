package activities

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const (
	// settleWithin is how long FinalSpend waits: longer than a settlement is late, and so
	// short that a cancelled run still ends in time.
	settleWithin = 5 * time.Second
	settlePoll   = 200 * time.Millisecond
)

// spendReader is the part of a Ledger that sums up the calls of a job.
type spendReader interface {
	Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error)
}

// FinalSpend is what a job has spent that makes no more calls. An answer is stored before its
// cost is settled, and another worker can end the job in between, for example after an outage
// of the ledger. So it waits for open entries, but not long: one may be of a call that hangs.
func FinalSpend(ctx context.Context, l spendReader, t tenant.ID, job string) (video.Spend, error) {
	late := time.NewTimer(settleWithin)
	defer late.Stop()
	poll := time.NewTicker(settlePoll)
	defer poll.Stop()
	for {
		spend, err := l.Job(ctx, t, job)
		if err != nil || spend.Open == 0 {
			return spend, err
		}
		select {
		case <-late.C:
			return spend, nil
		case <-poll.C:
		case <-ctx.Done():
			return spend, context.Cause(ctx)
		}
	}
}
