package optimize

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/workflows"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

// progress is the progress of an optimization at one moment.
type progress struct {
	id string
	optimizeflow.Progress
	cold cli.Cold
}

// ask queries the progress of a run and adds the heartbeat of its activity.
func ask(ctx context.Context, q cli.Querier, id string) (cli.Progress, bool) {
	value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return nil, false
	}
	p := &progress{id: id}
	if value.Get(&p.Progress) != nil {
		return nil, false
	}
	d, err := q.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return p, true
	}
	p.cold = cli.ColdStart(d.RawResponse.GetPendingActivities(), time.Now())
	if p.Waiting == "" && !p.Paused {
		p.Waiting = p.cold.What()
	}
	for _, pending := range d.RawResponse.GetPendingActivities() {
		var beat optimize.Asked
		// The details of other activities have other fields or none.
		if converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &beat) == nil {
			p.Answers += beat.Answers
			p.Calls += beat.Calls
			if beat.SpentMicroUSD != nil { // workers of earlier builds do not say it
				p.CostUSD = max(p.CostUSD, float64(*beat.SpentMicroUSD)/1e6)
			} else {
				p.CostUSD += float64(beat.CostMicroUSD) / 1e6
			}
		}
	}
	return p, true
}

// After prevents counts from decreasing: the heartbeat of an activity that ends is missing
// until the workflow counts its work.
func (o *progress) After(last cli.Progress) {
	if before, ok := last.(*progress); ok && before.id == o.id {
		o.Answers, o.Calls, o.CostUSD = max(o.Answers, before.Answers), max(o.Calls, before.Calls), max(o.CostUSD, before.CostUSD)
	}
}

// planned is the approximate number of trials, including the trial of the default program.
func (o *progress) planned() int {
	if o.Planned == 0 {
		return 0
	}
	return max(o.Planned+1, len(o.Trials))
}

// title is the name of the program, or "optimization" while the name is unknown.
func (o *progress) title() string {
	if o.Name == "" {
		return "optimization"
	}
	return o.Name
}

// best is the score of the best candidate so far.
func (o *progress) best() (best float64) {
	var s search.BestSoFar
	for _, t := range o.Trials {
		best = s.Add(t.Kind, t.Choice, t.Rows, t.Score)
	}
	return best
}

// text describes an optimization in one line, without its name.
func (o *progress) text() string {
	waiting := o.Waiting
	switch {
	case o.BlockedBy != "":
		waiting = o.BlockedBy
	case waiting == "approval":
		waiting = "cogflow approve " + o.id
	case waiting == "budget":
		waiting = "budget, cogflow tune " + o.id + " --budget USD"
	}
	text := format.Stage(o.Stage, o.Paused, o.cold.Waits(waiting))
	if n := o.planned(); n > 0 {
		text += fmt.Sprintf(" %d/%d trials", len(o.Trials), n)
	}
	if len(o.Trials) > 0 {
		text += fmt.Sprintf(", best %s, default %s", format.Percent(o.best()), format.Percent(o.Default))
	}
	if o.Answers > 0 {
		text += fmt.Sprintf(", %s, %s", format.Count(o.Answers, "answer", "answers"), format.Count(o.Calls, "call", "calls"))
	}
	if o.CostUSD > 0 {
		text += ", " + format.Dollars(o.CostUSD)
	}
	return text
}

// Change identifies a stage, a trial, a pause or a wait.
func (o *progress) Change() string {
	return fmt.Sprint("|", o.Stage, len(o.Trials), o.Paused, o.Waiting)
}

func (o *progress) Line() string { return o.title() + ": " + o.text() }

func (o *progress) Bars() []cli.Bar {
	return []cli.Bar{{Name: o.title(), Done: len(o.Trials), Total: o.planned(), Text: o.text()}}
}

func (o *progress) Failures() []string { return nil }

func (o *progress) JSON() any { return o.Progress }

// shownTrials is the maximum number of trials that `status` lists, the latest ones.
const shownTrials = 10

// Print prints the progress and the last trials.
func (o *progress) Print(a *cli.App) {
	a.Say("%s, %s: %s", o.title(), o.Mode, o.text())
	a.PrintUnusable(o.Warnings, o.Unusable)
	last := o.Trials[max(0, len(o.Trials)-shownTrials):]
	if len(last) == 0 {
		return
	}
	rows := make([][]string, len(last))
	for i, t := range last {
		rows[i] = []string{fmt.Sprint(t.Number), string(t.Kind), fmt.Sprint(t.Rows), format.Percent(t.Score), t.Choice}
	}
	a.Say("")
	a.Table([]cli.Column{{Name: "trial", Right: true}, {Name: "kind"}, {Name: "rows", Right: true}, {Name: "score", Right: true}, {Name: "choice", Flex: true}}, rows)
}
