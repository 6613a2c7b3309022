package ingest

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// fullIndex is always full.
type fullIndex struct{ Index }

func (fullIndex) Fence(context.Context, tenant.ID, string, video.ID, int64) (int64, error) {
	return 0, fault.New(fault.Capacity, "claim video", claimedVideo, "the disk is full")
}

// busy is a server on which every other workflow still runs.
type busy struct{ alone }

func (busy) Running(context.Context, string, string) (bool, error)      { return true, nil }
func (busy) ChainRunning(context.Context, string, string) (bool, error) { return true, nil }

// TestWaitForAClaim: if a workflow asks for it, a full index is a permanent error, so that the
// workflow itself can wait. For a claim of another workflow, the activity waits by its retries.
func TestWaitForAClaim(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		held, tell bool
		retried    bool
	}{
		{"full, as former builds ask", false, false, true},
		{"full", false, true, false},
		{"held, as former builds ask", true, false, true},
		{"held", true, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newClaimTest(t)
			if c.held {
				w.takeOver()
				w.a.Runs = busy{}
			} else {
				w.a.Index = fullIndex{w.a.Index}
			}
			_, err := w.env.ExecuteActivity(w.a.Claim, ClaimInput{VideoRef: w.in.VideoRef, Force: true, FailWithoutRoom: c.tell})
			app, ok := errors.AsType[*temporal.ApplicationError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, string(fault.Capacity), app.Type())
			require.Equal(t, c.retried, !app.NonRetryable())
			if c.held {
				require.InDelta(t, activities.ClaimWait, app.NextRetryDelay(), float64(activities.ClaimWait)/2)
			}
		})
	}
}
