package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	activitypb "go.temporal.io/api/activity/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// TestColdStart: a run waits for a worker only while none of its activities has one.
func TestColdStart(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	pending := func(queue string, ago time.Duration, started bool) *workflowpb.PendingActivityInfo {
		p := &workflowpb.PendingActivityInfo{
			State: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED, ScheduledTime: timestamppb.New(now.Add(-ago)),
			ActivityOptions: &activitypb.ActivityOptions{TaskQueue: &taskqueuepb.TaskQueue{Name: queue}},
		}
		if started {
			p.State = enumspb.PENDING_ACTIVITY_STATE_STARTED
		}
		return p
	}
	long, short := pending("train-l40s", 3*time.Minute, false), pending("train-l40s", time.Second, false)
	for name, c := range map[string]struct {
		pending []*workflowpb.PendingActivityInfo
		want    Cold
	}{
		"no activity":             {nil, Cold{}},
		"one activity waits":      {[]*workflowpb.PendingActivityInfo{long}, Cold{"train-l40s", 3 * time.Minute}},
		"the longer of two waits": {[]*workflowpb.PendingActivityInfo{short, long}, Cold{"train-l40s", 3 * time.Minute}},
		"a short wait":            {[]*workflowpb.PendingActivityInfo{short}, Cold{}},
		"another activity runs":   {[]*workflowpb.PendingActivityInfo{long, pending("media", time.Minute, true)}, Cold{}},
		"a wait for a retry":      {[]*workflowpb.PendingActivityInfo{pending("index", -time.Minute, false)}, Cold{}},
		"an unknown queue":        {[]*workflowpb.PendingActivityInfo{pending("", time.Minute, false)}, Cold{}},
	} {
		require.Equal(t, c.want, ColdStart(c.pending, now), name)
	}
	cold := Cold{"train-l40s", 192*time.Second + 300*time.Millisecond}
	require.Equal(t, "3m12s for a worker of queue train-l40s", cold.Waits(cold.What()))
	require.Equal(t, "budget", cold.Waits("budget"))
	require.Empty(t, Cold{}.Waits(Cold{}.What()))
}
