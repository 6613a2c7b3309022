package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// running is a fake video workflow: its query result and its pending activities.
type running struct {
	says    ingest.VideoProgress
	pending []*workflowpb.PendingActivityInfo
}

type said struct{ v any }

func (said) HasValue() bool { return true }

func (s said) Get(into any) error {
	data, err := json.Marshal(s.v)
	return errors.Join(err, json.Unmarshal(data, into))
}

func (r *running) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	return said{r.says}, nil
}

func (r *running) DescribeWorkflow(context.Context, string, string) (*client.WorkflowExecutionDescription, error) {
	return &client.WorkflowExecutionDescription{RawResponse: &workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: r.pending}}, nil
}

// works adds a running activity that has sent a heartbeat.
func (r *running) works(t *testing.T, name string, beat map[string]any) {
	t.Helper()
	details, err := converter.GetDefaultDataConverter().ToPayloads(beat)
	require.NoError(t, err)
	r.pending = append(r.pending, &workflowpb.PendingActivityInfo{
		ActivityType: &commonpb.ActivityType{Name: name}, State: enumspb.PENDING_ACTIVITY_STATE_STARTED, HeartbeatDetails: details,
	})
}

// TestFramesByHeartbeat: the bar of a video moves with the heartbeats of its activities before
// the workflow counts their chunks, and it never moves back.
func TestFramesByHeartbeat(t *testing.T) {
	t.Parallel()
	r := &running{says: ingest.VideoProgress{URI: "/v/a.mp4", Name: "a.mp4", Stage: "extract", Expected: 200}}
	var last *progress
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	bar, before := "", 0
	look := func(want string) {
		t.Helper()
		p, ok := videoProgress(t.Context(), r, "id")
		require.True(t, ok)
		now = now.Add(time.Second)
		here := p.(*progress)
		here.at = now
		if last == nil {
			here.After(nil)
		} else {
			here.After(last)
		}
		last = here
		bar = p.Bars()[0].Text
		require.Contains(t, bar, want)
		require.GreaterOrEqual(t, p.Bars()[0].Done, before)
		before = p.Bars()[0].Done
	}
	look("extract")
	r.works(t, "ExtractFrames", map[string]any{"frames": 40, "ms": 9})
	look("extract 40/200 frames")
	moved := before
	require.Positive(t, moved)
	r.pending = nil
	r.works(t, "ExtractFrames", map[string]any{"frames": 128})
	r.works(t, "DescribeChunk", map[string]any{"answered": 10})
	r.works(t, "EmbedChunk", map[string]any{"answered": 4, "waiting": ""})
	look("extract 128/200 frames")
	require.Equal(t, 10, last.videos[0].Described)
	require.Equal(t, 4, last.videos[0].Embedded)

	r.says.Stage, r.says.Extracted, r.says.Described = "describe", 200, 64
	r.pending = nil
	r.works(t, "DescribeChunk", map[string]any{"answered": 60})
	look("describe 124/200 frames")
	r.pending = nil // the chunk has ended, but the workflow has not counted it yet
	look("describe 124/200 frames")
	r.works(t, "DescribeChunk", map[string]any{"answered": 2}) // a new attempt
	look("describe 124/200 frames")
	r.works(t, "DescribeChunk", map[string]any{"answered": 62, "waiting": "the model server"})
	look("describe (waits: the model server) 128/200 frames")
	r.says.Waiting = "budget"
	look("describe (waits: budget) 128/200 frames")
	r.says = ingest.VideoProgress{URI: "/v/a.mp4", Name: "a.mp4", Stage: "publish", Expected: 200, Extracted: 200, Described: 200, Embedded: 200, Indexed: 200}
	r.pending = nil
	look("publish 200/200 frames")
	require.Equal(t, barSteps, before)
}

// TestColdStart: while no worker has taken an activity of a video, the line shows the wait
// and its duration.
func TestColdStart(t *testing.T) {
	t.Parallel()
	r := &running{says: ingest.VideoProgress{URI: "/v/a.mp4", Stage: "describe", Expected: 9, Extracted: 9}}
	r.pending = []*workflowpb.PendingActivityInfo{{
		ActivityType: &commonpb.ActivityType{Name: "DescribeChunk"}, State: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED,
		ScheduledTime:   timestamppb.New(time.Now().Add(-90 * time.Minute)),
		ActivityOptions: &activitypb.ActivityOptions{TaskQueue: &taskqueuepb.TaskQueue{Name: "describe-l40s"}},
	}}
	p, ok := videoProgress(t.Context(), r, "id")
	require.True(t, ok)
	require.Contains(t, p.Line(), "describe (waits: 1h30m")
	require.NotContains(t, p.Change(), "1h30m", "a longer wait is not a change")
}
