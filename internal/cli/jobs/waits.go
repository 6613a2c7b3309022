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
	maxAsked = 64              // maximum number of children that one status queries
	askedAt  = 16              // maximum number of concurrent queries
	askedFor = 3 * time.Second // time limit of all queries together
)

// waits counts the active videos of a library, or the active runs of a sweep, that wait, by
// reason. Each child is queried. The children do not send their waits to the job, because
// that would add events to their histories.
type waits struct {
	Active   int            `json:"active"`            // active children
	Answered int            `json:"answered"`          // children that answered; at most 64 are queried
	For      map[string]int `json:"for"`               // number of waiting children by reason: "budget", "room in the index", …
	Budgets  map[string]int `json:"budgets,omitempty"` // of those that wait for a shared budget, by what it is and what to do
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
			var v ingest.VideoProgress // the progress of a training run has the same field
			value, err := q.QueryWorkflow(ctx, child, "", workflows.QueryProgress)
			if err != nil || value.Get(&v) != nil {
				return nil // not started or already ended, so it does not wait
			}
			mu.Lock()
			defer mu.Unlock()
			out.Answered++
			if what, _, _ := strings.Cut(v.Waiting, ":"); what != "" { // details follow the colon
				out.For[what]++
			}
			if v.BlockedBy != "" {
				if out.Budgets == nil {
					out.Budgets = map[string]int{}
				}
				out.Budgets[v.BlockedBy]++
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return no error
	return out
}

// String is empty if no child waits.
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
		text += fmt.Sprintf(" (%d active, %d answered)", w.Active, w.Answered)
	}
	own := w.For["budget"] // limits of jobs
	sentences := []string{text}
	for _, by := range slices.Sorted(maps.Keys(w.Budgets)) {
		sentences = append(sentences, fmt.Sprintf("%d for %s", w.Budgets[by], safetext.Clean(by)))
		own -= w.Budgets[by]
	}
	text = strings.Join(sentences, ". ")
	if own > 0 {
		text += ". Raise the limit with cogflow tune ID --budget USD"
	}
	return text + "."
}
