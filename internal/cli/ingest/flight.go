package ingest

import (
	"context"
	"time"

	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// row is the progress of one active video, from its workflow and its running activities.
type row struct {
	ingest.VideoProgress
	cold cli.Cold
}

// heartbeat holds the heartbeat details of the activities of a video; each activity sets some fields.
type heartbeat struct {
	Frames    int    `json:"frames"`    // of ExtractFrames
	Described int    `json:"described"` // of DescribeChunk, in builds before `answered`
	Answered  int    `json:"answered"`  // of DescribeChunk and EmbedChunk
	Waiting   string `json:"waiting"`   // reason of the wait of a model call
}

// inFlight adds the frames in the heartbeats of the running activities. The workflow counts
// these frames when the activities end.
func inFlight(ctx context.Context, q cli.Querier, id string, v ingest.VideoProgress) row {
	r := row{VideoProgress: v}
	d, err := q.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return r
	}
	pending := d.RawResponse.GetPendingActivities()
	waiting := ""
	for _, p := range pending {
		var b heartbeat
		// The details of other activities have other fields or none.
		if converter.GetDefaultDataConverter().FromPayloads(p.GetHeartbeatDetails(), &b) != nil {
			continue
		}
		r.Extracted = max(r.Extracted, b.Frames)
		switch p.GetActivityType().GetName() {
		case "DescribeChunk":
			r.Described += b.Described + b.Answered
		case "EmbedChunk":
			r.Embedded += b.Answered
		default:
			continue
		}
		if b.Waiting != "" {
			waiting = b.Waiting
		}
	}
	if r.Waiting == "" {
		r.cold = cli.ColdStart(pending, time.Now())
		r.Waiting = r.cold.What()
	}
	if r.Waiting == "" {
		r.Waiting = waiting
	}
	return r
}

// keep prevents counts from decreasing. A chunk that ends is missing from the heartbeats
// until the workflow counts it, and a new attempt begins at 0.
func (r *row) keep(last row) {
	for _, count := range []struct{ now, before *int }{
		{&r.Extracted, &last.Extracted}, {&r.Described, &last.Described}, {&r.Embedded, &last.Embedded}, {&r.Indexed, &last.Indexed},
	} {
		*count.now = max(*count.now, *count.before)
	}
}

// share is the finished fraction of the video: all its stages have equal weight.
func (r *row) share() float64 {
	frames := expected(r.VideoProgress)
	if frames == 0 {
		return 0
	}
	described := max(r.Described, r.Embedded) // a profile can have no describe stage
	return min(1, float64(r.Extracted+described+r.Embedded+r.Indexed)/float64(4*frames))
}
