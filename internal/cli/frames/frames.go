// Package frames is the part of the command line that shows batches of frames: their progress and
// their results. The gateway starts them.
package frames

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/frames"
)

type app struct{ *cli.App }

// Feature returns how batches of frames are shown.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{Kinds: map[string]cli.Kind{"DescribeFrames": {Progress: ask, Result: cli.Result(f.print)}}}
}

// progress is the progress of a batch at one moment.
type progress struct {
	frames.Progress
	answered int // frames of the activities in progress
}

// ask queries the progress of a run and adds the heartbeats of its activities.
func ask(ctx context.Context, q cli.Querier, id string) (cli.Progress, bool) {
	value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return nil, false
	}
	p := &progress{}
	if value.Get(&p.Progress) != nil {
		return nil, false
	}
	d, err := q.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return p, true
	}
	cold := cli.ColdStart(d.RawResponse.GetPendingActivities(), time.Now())
	if p.Waiting == "" && !p.Paused {
		p.Waiting = cold.What()
	}
	for _, pending := range d.RawResponse.GetPendingActivities() {
		var beat struct {
			Answered int `json:"answered"`
		}
		if converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &beat) == nil {
			p.answered += beat.Answered
		}
	}
	return p, true
}

func (p *progress) done() int { return min(p.Described+p.Failed+p.answered, p.Frames) }

// Change implements cli.Progress.
func (p *progress) Change() string { return p.Stage + fmt.Sprint(p.Paused) + p.Waiting }

// Line implements cli.Progress.
func (p *progress) Line() string {
	out := fmt.Sprintf("%s: %s", p.Stage, workflows.Count(p.done(), p.Frames))
	if p.Failed > 0 {
		out += fmt.Sprintf(", %d failed", p.Failed)
	}
	if p.Paused {
		out += ", paused"
	}
	if p.Waiting != "" {
		out += ", waiting for " + p.Waiting
	}
	return out
}

// Bars implements cli.Progress.
func (p *progress) Bars() []cli.Bar {
	return []cli.Bar{{Name: "frames", Done: p.done(), Total: p.Frames, Text: p.Line()}}
}

// Failures implements cli.Progress. The result names the frames.
func (p *progress) Failures() []string { return nil }

// Print implements cli.Progress.
func (p *progress) Print(a *cli.App) { a.Say("%s, %s", p.Line(), format.Dollars(p.CostUSD)) }

// JSON implements cli.Progress.
func (p *progress) JSON() any { return p.Progress }

// print prints the result of a batch.
func (a app) print(_ string, r frames.Result) {
	a.Say("%d of %s described with %s, %s", r.Described, format.Count(r.Frames, "frame", "frames"), format.Count(r.Calls, "call", "calls"), format.Dollars(r.CostUSD))
	for _, f := range r.Failures {
		a.Say("  %s: %s", f.Key, f.Reason)
	}
	if more := r.Failed - len(r.Failures); more > 0 {
		a.Say("  and %s more", format.Count(more, "frame", "frames"))
	}
	a.Say("Descriptions: %s", r.Descriptions)
}
