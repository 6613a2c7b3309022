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

// Feature is what one package adds to the command line.
type Feature struct {
	Commands []*cobra.Command
	Kinds    map[string]Kind // by workflow type
}

// Kind is how jobs of one workflow type are shown.
type Kind struct {
	Progress func(ctx context.Context, q Querier, id string) (Progress, bool) // asks a job how far it is; false = it does not answer
	Result   func(id string, raw json.RawMessage) error                       // prints what a job returned; nil = as JSON
}

// Querier is the part of the client that a job is asked with.
type Querier interface {
	QueryWorkflow(ctx context.Context, id, runID, query string, args ...any) (converter.EncodedValue, error)
	DescribeWorkflow(ctx context.Context, id, runID string) (*client.WorkflowExecutionDescription, error)
}

// Progress is what a job said of itself at one moment.
type Progress interface {
	Change() string // another text is a change that people are told at once
	Line() string   // all of it in one line
	Bars() []Bar
	Failures() []string // one line each, in the order in which they happened
	Print(a *App)       // for `status`
	JSON() any          // for `status --json`
}

// Measured is a Progress with rates. After is called before the other methods, with
// what the job said the time before; nil = this is the first time.
type Measured interface{ After(last Progress) }

// Parent is the Progress of a job that may have others work for it; nil = it does not know.
type Parent interface{ Children() []string }

// Bar is one line of the progress on a terminal.
type Bar struct {
	Key         string // names it among the bars of a job; empty = the job itself, which comes first
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

// Result makes what prints results of type T.
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

// PrintResult prints the result of a workflow for people.
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

// Progress asks a job how far it is.
func (a *App) Progress(ctx context.Context, q Querier, kind, id string) (Progress, bool) {
	k := a.Kinds[kind]
	if k.Progress == nil || ctx.Err() != nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	return k.Progress(ctx, q, id)
}

// poll asks a job until ctx ends. A query that fails is no event: the worker may be
// away, which WatchQueues tells.
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
