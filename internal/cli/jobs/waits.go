package jobs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

const (
	maxAsked = 64              // children of a job that one status asks
	askedAt  = 16              // at a time
	askedFor = 3 * time.Second // all of them
)

// waits says how many of the videos that a library has at work, or of the runs of a sweep,
// stand still, and for what. Each of them is asked: the job itself is not told, which would
// cost each of them events of its history.
type waits struct {
	Active   int            `json:"active"`   // at work
	Answered int            `json:"answered"` // of them, that said how they stand; at most 64 are asked
	For      map[string]int `json:"for"`      // "budget", "room in the index", …: how many wait for it
}

func askWaits(ctx context.Context, q cli.Querier, active []string) waits {
	ctx, cancel := context.WithTimeout(ctx, askedFor)
	defer cancel()
	out := waits{Active: len(active), For: map[string]int{}}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(askedAt)
	for _, child := range active[:min(len(active), maxAsked)] {
		group.Go(func() error {
			var v ingest.VideoProgress // a training run says what it waits for by the same name
			value, err := q.QueryWorkflow(ctx, child, "", workflows.QueryProgress)
			if err != nil || value.Get(&v) != nil {
				return nil // it has not begun, or has ended: then it does not wait
			}
			mu.Lock()
			defer mu.Unlock()
			out.Answered++
			if what, _, _ := strings.Cut(v.Waiting, ":"); what != "" { // behind it stands the reason
				out.For[what]++
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return no error
	return out
}

// String is empty where none waits.
func (w waits) String() string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(w.For)) {
		parts = append(parts, fmt.Sprintf("%d for %s", w.For[what], safetext.Clean(what)))
	}
	if len(parts) == 0 {
		return ""
	}
	text := "Waiting: " + strings.Join(parts, ", ")
	if w.Answered < w.Active {
		text += fmt.Sprintf(" (of %d at work, %d answered)", w.Active, w.Answered)
	}
	if w.For["budget"] > 0 {
		text += ". Raise the limit with cogflow tune ID --budget USD"
	}
	return text + "."
}
