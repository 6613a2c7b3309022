package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

// view shows what a job does, on stderr. Its methods are called one at a time.
type view interface {
	// sampler sends what the job says of itself until ctx ends.
	sampler(ctx context.Context, c client.Client, id string, to chan<- sample)
	show(s sample)
	note(text string)
	end()
}

// view chooses the way of showing: bars on a terminal, lines elsewhere.
func (a *app) view() view {
	switch {
	case a.quiet:
		return &silent{out: a.err}
	case isTerminal(a.err):
		return newBars(a.err)
	default:
		return &lines{out: a.err, now: time.Now}
	}
}

// silent shows notes only.
type silent struct{ out io.Writer }

func (*silent) sampler(context.Context, client.Client, string, chan<- sample) {}
func (*silent) show(sample)                                                   {}
func (*silent) end()                                                          {}
func (s *silent) note(text string)                                            { fmt.Fprintln(s.out, clean(text)) }

// sample is what a job said of itself at one moment.
type sample struct {
	at      time.Time
	library *workflows.LibraryProgress // nil when the job is one video
	videos  []workflows.VideoProgress  // at work now
}

// querier is the part of the client that samples are taken with.
type querier interface {
	QueryWorkflow(ctx context.Context, id, runID, query string, args ...any) (converter.EncodedValue, error)
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

// take asks a job and the videos it works on.
func take(ctx context.Context, q querier, id string) (sample, bool) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return sample{}, false
	}
	// A video says its uri, a library its source.
	var both struct {
		workflows.LibraryProgress
		URI *string `json:"uri"`
	}
	if value.Get(&both) != nil {
		return sample{}, false
	}
	s := sample{at: time.Now()}
	if both.URI != nil {
		var v workflows.VideoProgress
		if value.Get(&v) != nil {
			return sample{}, false
		}
		s.videos = []workflows.VideoProgress{v}
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
				all[i] = v
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return no error
	return all
}
