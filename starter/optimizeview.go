package main

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/workflows"
)

// optimizeSample is one optimization at one moment.
type optimizeSample struct {
	id string
	workflows.OptimizeProgress
}

// takeOptimize completes what a run says of itself by what its activity has told
// the server since.
func takeOptimize(ctx context.Context, q querier, id string, p workflows.OptimizeProgress) *optimizeSample {
	s := &optimizeSample{id, p}
	d, err := q.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return s
	}
	for _, a := range d.RawResponse.GetPendingActivities() {
		var beat optimize.Asked
		// Other activities report other things, or nothing.
		if converter.GetDefaultDataConverter().FromPayloads(a.GetHeartbeatDetails(), &beat) == nil {
			s.Answers += beat.Answers
			s.Calls += beat.Calls
			s.CostUSD += float64(beat.CostMicroUSD) / 1e6
		}
	}
	return s
}

// planned is how many trials there will be, about: the default's is one more.
func (o *optimizeSample) planned() int {
	if o.Planned == 0 {
		return 0
	}
	return max(o.Planned+1, len(o.Trials))
}

// title names what is optimized, once the run knows.
func (o *optimizeSample) title() string {
	if o.Name == "" {
		return "optimization"
	}
	return o.Name
}

// best is the score of the best candidate so far.
func (o *optimizeSample) best() (best float64) {
	var s search.Standing
	for _, t := range o.Trials {
		best = s.Add(t.Kind, t.Choice, t.Rows, t.Score)
	}
	return best
}

// text describes an optimization in one line, without its name.
func (o *optimizeSample) text() string {
	waiting := o.Waiting
	switch waiting {
	case "approval":
		waiting = "cogflow approve " + o.id
	case "budget":
		waiting = "budget, cogflow tune " + o.id + " --budget USD"
	}
	text := stageText(o.Stage, o.Paused, waiting)
	if n := o.planned(); n > 0 {
		text += fmt.Sprintf(" %d/%d trials", len(o.Trials), n)
	}
	if len(o.Trials) > 0 {
		text += fmt.Sprintf(", best %s, default %s", percentText(o.best()), percentText(o.Default))
	}
	if o.Answers > 0 {
		text += fmt.Sprintf(", %s, %s", count(o.Answers, "answer", "answers"), count(o.Calls, "call", "calls"))
	}
	if o.CostUSD > 0 {
		text += ", " + dollars(o.CostUSD)
	}
	return text
}

// state is what counts as a change: another stage, a trial, a pause, a wait.
func (o *optimizeSample) state() string {
	return fmt.Sprint("|", o.Stage, len(o.Trials), o.Paused, o.Waiting)
}

func optimizeText(s sample) string {
	if s.optimize == nil {
		return ""
	}
	return s.optimize.title() + ": " + s.optimize.text()
}

// showOptimize draws the bar of an optimization.
func (b *bars) showOptimize(s sample) {
	o := s.optimize
	if o == nil {
		return
	}
	if b.library == nil {
		b.library = b.add(o.title(), 0)
	}
	b.library.set(len(o.Trials), o.planned(), o.text())
}

// shownTrials is how many of the last trials `status` lists.
const shownTrials = 10

func (a *app) printOptimizing(s sample) {
	o := s.optimize
	if o == nil {
		return
	}
	a.say("%s, %s: %s", o.title(), o.Mode, o.text())
	last := o.Trials[max(0, len(o.Trials)-shownTrials):]
	if len(last) == 0 {
		return
	}
	rows := make([][]string, len(last))
	for i, t := range last {
		rows[i] = []string{fmt.Sprint(t.Number), string(t.Kind), fmt.Sprint(t.Rows), percentText(t.Score), t.Choice}
	}
	a.say("")
	a.table([]column{{name: "trial", right: true}, {name: "kind"}, {name: "rows", right: true}, {name: "score", right: true}, {name: "choice", flex: true}}, rows)
}
