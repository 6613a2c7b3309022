package main

import (
	"context"
	"encoding/json"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/workflows"
)

// sample is what a job said of itself at one moment.
type sample struct {
	at       time.Time
	final    bool                       // the job has ended
	library  *workflows.LibraryProgress // nil when the job is one video
	videos   []workflows.VideoProgress  // at work now
	sweep    *workflows.SweepResult     // nil when the job is no sweep
	trains   []trainSample              // training runs at work now
	optimize *optimizeSample            // nil when the job is no optimization
}

// querier is the part of the client that samples are taken with.
type querier interface {
	QueryWorkflow(ctx context.Context, id, runID, query string, args ...any) (converter.EncodedValue, error)
	DescribeWorkflow(ctx context.Context, id, runID string) (*client.WorkflowExecutionDescription, error)
}

const (
	pollEvery   = 500 * time.Millisecond
	pollTimeout = 3 * time.Second
	maxShown    = 8 // videos at a time; more fit no terminal
)

// poll samples a job until ctx ends. A query that fails is no event: the worker
// may be away, which watchQueues tells.
func poll(ctx context.Context, q querier, id string, to chan<- sample) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if s, ok := take(ctx, q, id); ok {
			select {
			case to <- s:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// takeLast asks a job that has ended. One that nobody can ask any more says nothing.
func takeLast(ctx context.Context, q querier, id string) (sample, bool) {
	if ctx.Err() != nil {
		return sample{}, false
	}
	s, ok := take(ctx, q, id)
	s.final = true
	return s, ok
}

// take asks a job and the videos it works on.
func take(ctx context.Context, q querier, id string) (sample, bool) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return sample{}, false
	}
	// A video says its uri, a library its source, a training run its base model, a sweep its runs, an
	// optimization how many trials it plans.
	var both struct {
		workflows.LibraryProgress
		URI     *string         `json:"uri"`
		Base    *string         `json:"base_model"`
		Runs    json.RawMessage `json:"runs"`
		Planned *int            `json:"planned"`
	}
	if value.Get(&both) != nil {
		return sample{}, false
	}
	s := sample{at: time.Now()}
	if both.Runs != nil {
		s.sweep = new(workflows.SweepResult)
		if value.Get(s.sweep) != nil {
			return sample{}, false
		}
		s.trains = takeSweep(ctx, q, *s.sweep)
		return s, true
	}
	if both.Planned != nil {
		var p workflows.OptimizeProgress
		if value.Get(&p) != nil {
			return sample{}, false
		}
		s.optimize = takeOptimize(ctx, q, id, p)
		return s, true
	}
	if both.Base != nil {
		var p workflows.TrainProgress
		if value.Get(&p) != nil {
			return sample{}, false
		}
		s.trains = []trainSample{takeTrain(ctx, q, id, p)}
		return s, true
	}
	if both.URI != nil {
		var v workflows.VideoProgress
		if value.Get(&v) != nil {
			return sample{}, false
		}
		s.videos = []workflows.VideoProgress{inFlight(ctx, q, id, v)}
		return s, true
	}
	s.library = &both.LibraryProgress
	s.videos = takeVideos(ctx, q, both.Active)
	return s, true
}

func takeVideos(ctx context.Context, q querier, active []workflows.ActiveVideo) []workflows.VideoProgress {
	active = active[:min(len(active), maxShown)]
	all := make([]workflows.VideoProgress, len(active))
	var group errgroup.Group
	for i, child := range active {
		all[i] = workflows.VideoProgress{URI: child.URI, Name: baseName(child.URI), Stage: "waiting"}
		group.Go(func() error {
			var v workflows.VideoProgress
			// A child that has not begun, or is gone, keeps the row above.
			if value, err := q.QueryWorkflow(ctx, child.WorkflowID, "", workflows.QueryProgress); err == nil && value.Get(&v) == nil {
				all[i] = inFlight(ctx, q, child.WorkflowID, v)
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return no error
	return all
}

// inFlight adds what the running activities of a video have told the server of
// frames that the workflow will count when they end.
func inFlight(ctx context.Context, q querier, id string, v workflows.VideoProgress) workflows.VideoProgress {
	d, err := q.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return v
	}
	for _, p := range d.RawResponse.GetPendingActivities() {
		var beat struct {
			Frames    int `json:"frames"`
			Described int `json:"described"`
		}
		// Other activities report other things, or nothing.
		if converter.GetDefaultDataConverter().FromPayloads(p.GetHeartbeatDetails(), &beat) == nil {
			v.Extracted = max(v.Extracted, beat.Frames)
			v.Described += beat.Described
		}
	}
	return v
}
