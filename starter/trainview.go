package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities/train"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/workflows"
)

// trainSample is one training run at one moment.
type trainSample struct {
	id string
	workflows.TrainProgress
}

// takeTrain completes what a run says of itself by what its trainer has told
// the server since.
func takeTrain(ctx context.Context, q querier, id string, p workflows.TrainProgress) trainSample {
	s := trainSample{id, p}
	d, err := q.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return s
	}
	for _, a := range d.RawResponse.GetPendingActivities() {
		var beat struct {
			Tally  train.Tally   `json:"tally"`
			Report *train.Report `json:"report"`
		}
		// Other activities report other things, or nothing.
		if converter.GetDefaultDataConverter().FromPayloads(a.GetHeartbeatDetails(), &beat) != nil || beat.Report == nil {
			continue
		}
		s.CostUSD = max(s.CostUSD, float64(beat.Tally.CostMicroUSD)/1e6)
		if beat.Report.Step >= s.Step || a.GetAttempt() > 1 {
			s.Report = *beat.Report
		}
		if a.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED && strings.HasPrefix(s.Waiting, "a worker") {
			s.Waiting = ""
		}
	}
	return s
}

// takeSweep asks the runs of a sweep that are at work.
func takeSweep(ctx context.Context, q querier, sweep workflows.SweepResult) []trainSample {
	var open []string
	for _, run := range sweep.Runs {
		if run.Result == nil && run.Failure == nil && len(open) < maxShown {
			open = append(open, run.WorkflowID)
		}
	}
	found := make([]*trainSample, len(open))
	var group errgroup.Group
	for i, id := range open {
		group.Go(func() error {
			var p workflows.TrainProgress
			// A run that has not begun does not answer.
			if value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress); err == nil && value.Get(&p) == nil {
				s := takeTrain(ctx, q, id, p)
				found[i] = &s
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return no error
	var out []trainSample
	for _, s := range found {
		if s != nil {
			out = append(out, *s)
		}
	}
	return out
}

// progressOfTraining is what `status --json` prints of a sample.
func progressOfTraining(s sample) (json.RawMessage, error) {
	if s.sweep != nil {
		return json.Marshal(s.sweep)
	}
	return json.Marshal(s.trains[0].TrainProgress)
}

// title names a run within a sweep by the number that its id ends with.
func (t trainSample) title() string {
	if i := strings.LastIndexByte(t.id, '/'); i >= 0 {
		return t.Name + " " + t.id[i+1:]
	}
	return t.Name
}

// text describes a training run in one line, without its name.
func (t trainSample) text() string {
	stage := t.Stage
	switch {
	case t.Stage != "train" || t.Phase == "train":
	case t.Phase != "":
		stage += ": " + t.Phase
	case t.Waiting == "" && !t.Paused: // Python loads its libraries before it says a word
		stage += ": start"
	}
	text := stageText(stage, t.Paused, t.Waiting)
	if t.Total > 0 {
		text += fmt.Sprintf(" %d/%d steps", t.Step, t.Total)
		if t.Loss != nil {
			text += ", loss " + metricText(*t.Loss)
		}
		if t.TokensPerSecond > 0 {
			text += ", " + speedText(t.TokensPerSecond) + " tokens/s"
		}
		if t.ETASeconds > 0 {
			text += ", ETA " + span(time.Duration(t.ETASeconds*float64(time.Second)).Round(time.Second))
		}
	}
	if t.CostUSD > 0 {
		text += ", " + dollars(t.CostUSD)
	}
	if t.GPU != "" && t.Stage == "train" {
		text += " on " + t.GPU
	}
	if t.Trouble != "" {
		text += "; " + t.Trouble
	}
	return text
}

// state is what counts as a change: another stage, a checkpoint, a pause, trouble.
func (t trainSample) state() string {
	return fmt.Sprint("|", t.id, t.Stage, t.Phase, t.Paused, t.Waiting, t.Checkpoint, t.Trouble, t.GPU)
}

func sweepDone(r *workflows.SweepResult) (done int) {
	for _, run := range r.Runs {
		if run.Result != nil || run.Failure != nil {
			done++
		}
	}
	return done
}

func sweepText(r *workflows.SweepResult) string {
	text := fmt.Sprintf("%d/%d runs", sweepDone(r), len(r.Runs))
	switch {
	case r.Status == "stopped":
		text += ", stopped"
	case r.Paused:
		text += ", paused"
	}
	if r.Failed > 0 {
		text += fmt.Sprintf(", %d failed", r.Failed)
	}
	if r.CostUSD > 0 {
		text += ", " + dollars(r.CostUSD)
	}
	return text
}

// showTraining draws the bars of training runs.
func (b *bars) showTraining(s sample) {
	if p := s.sweep; p != nil {
		if b.library == nil {
			b.library = b.add("sweep", 0)
		}
		b.library.set(sweepDone(p), len(p.Runs), sweepText(p))
	}
	old := b.trains
	b.trains = make(map[string]*bar, len(s.trains))
	for _, t := range s.trains {
		line := old[t.id]
		if line == nil {
			line = b.add(t.title(), 1)
		}
		delete(old, t.id)
		b.trains[t.id] = line
		line.set(t.Step, t.Total, t.text())
	}
	for _, line := range old {
		line.Abort(true)
	}
}

// trainingText is the line about training runs.
func trainingText(s sample) string {
	var parts []string
	if s.sweep != nil {
		parts = append(parts, sweepText(s.sweep))
	}
	for i, t := range s.trains {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("and %d more", len(s.trains)-i))
			break
		}
		parts = append(parts, t.title()+": "+t.text())
	}
	return strings.Join(parts, "; ")
}

// printTraining prints a sample of training runs for `status`.
func (a *app) printTraining(s sample) {
	if s.sweep != nil {
		a.say("%s", sweepText(s.sweep))
	}
	for _, t := range s.trains {
		a.say("%s, %s of %s: %s", t.title(), t.Method, t.Base, t.text())
		switch {
		case t.Checkpoint > 0 && t.BestStep > 0:
			a.say("The checkpoint of step %d is stored; the best so far is step %d.", t.Checkpoint, t.BestStep)
		case t.Checkpoint > 0: // it goes on from there, and has not said more yet
			a.say("The checkpoint of step %d is stored.", t.Checkpoint)
		}
		if t.Device != "" {
			a.say("It runs on %s, peak memory %s.", t.Device, bytesText(t.MemoryBytes))
		}
	}
}
