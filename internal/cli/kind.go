package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// Feature is the part that one package adds to the command line.
type Feature struct {
	Commands []*cobra.Command
	Kinds    map[string]Kind // by workflow type
}

// Kind defines how jobs of one workflow type are shown.
type Kind struct {
	Progress func(ctx context.Context, q Querier, id string) (Progress, bool) // queries the progress of a job; false = no answer
	Result   func(id string, raw json.RawMessage) error                       // prints the result of a job; nil = as JSON
}

// Querier is the part of the Temporal client that queries a job.
type Querier interface {
	QueryWorkflow(ctx context.Context, id, runID, query string, args ...any) (converter.EncodedValue, error)
	DescribeWorkflow(ctx context.Context, id, runID string) (*client.WorkflowExecutionDescription, error)
}

// Progress is the progress of a job at one moment.
type Progress interface {
	Change() string // a different text is a change that is shown at once
	Line() string   // the whole progress in one line
	Bars() []Bar
	Failures() []string // one line each, in the order in which they happened
	Print(a *App)       // for `status`
	JSON() any          // for `status --json`
}

// Measured is a Progress with rates. After is called before the other methods, with the
// previous progress; nil = there is no previous progress.
type Measured interface{ After(last Progress) }

// Parent is the Progress of a job with child workflows. Children returns their ids; nil =
// unknown.
type Parent interface{ Children() []string }

// Bar is one line of the progress on a terminal.
type Bar struct {
	Key         string // unique among the bars of a job; empty = the job itself, which is first
	Name        string
	Done, Total int
	Text        string
}

// Register adds the kinds of a feature and returns its commands.
func (a *App) Register(f Feature) []*cobra.Command {
	if a.Kinds == nil {
		a.Kinds = map[string]Kind{}
	}
	maps.Copy(a.Kinds, f.Kinds)
	return f.Commands
}

// Result makes a function that prints results of type T.
func Result[T any](show func(id string, r T)) func(id string, raw json.RawMessage) error {
	return func(id string, raw json.RawMessage) error {
		var r T
		if err := json.Unmarshal(raw, &r); err != nil {
			return fmt.Errorf("read the result of %s: %w", id, err)
		}
		show(id, r)
		return nil
	}
}

// PrintResult prints the result of a workflow as text.
func (a *App) PrintResult(kind, id string, raw json.RawMessage) error {
	if k := a.Kinds[kind]; k.Result != nil {
		return k.Result(id, raw)
	}
	return WriteJSON(a.Out, raw)
}

const (
	pollEvery   = 500 * time.Millisecond
	pollTimeout = 3 * time.Second
)

// Progress queries the progress of a job.
func (a *App) Progress(ctx context.Context, q Querier, kind, id string) (Progress, bool) {
	k := a.Kinds[kind]
	if k.Progress == nil || ctx.Err() != nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	return k.Progress(ctx, q, id)
}

// poll queries a job until ctx ends. A failed query is ignored: the worker may be missing,
// which WatchQueues reports.
func (a *App) poll(ctx context.Context, q Querier, kind, id string, to chan<- Progress) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if p, ok := a.Progress(ctx, q, kind, id); ok {
			select {
			case to <- p:
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
