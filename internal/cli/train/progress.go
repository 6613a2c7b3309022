package train

import (
	"context"
	"fmt"
	"strings"
	"time"

	trainflow "github.com/cogniverse/cogflow/workflows/train"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/cli/pace"
	"github.com/cogniverse/cogflow/workflows"
)

// sample is the progress of one training run at one moment.
type sample struct {
	id string
	trainflow.Progress

	at    time.Time
	cold  cli.Cold
	phase time.Duration // time since the start of the trainer's phase; 0 = unknown
	eta   *pace.ETA     // for all steps; nil = only the trainer's own estimate is known
}

// progress is the progress of a training run or a sweep at one moment.
type progress struct {
	sweep  *trainflow.SweepResult // nil = the job is one run
	trains []sample               // active now
}

const maxRuns = 8 // maximum number of runs on a terminal

// runProgress queries one training run.
func runProgress(ctx context.Context, q cli.Querier, id string) (cli.Progress, bool) {
	value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return nil, false
	}
	var p trainflow.Progress
	if value.Get(&p) != nil {
		return nil, false
	}
	return &progress{trains: []sample{takeTrain(ctx, q, id, p)}}, true
}

// sweepProgress queries a sweep and its active runs.
func sweepProgress(ctx context.Context, q cli.Querier, id string) (cli.Progress, bool) {
	value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
	if err != nil {
		return nil, false
	}
	p := &progress{sweep: new(trainflow.SweepResult)}
	if value.Get(p.sweep) != nil {
		return nil, false
	}
	p.trains = takeSweep(ctx, q, *p.sweep)
	return p, true
}

// takeTrain adds the heartbeat of the trainer to the progress of a run.
func takeTrain(ctx context.Context, q cli.Querier, id string, p trainflow.Progress) sample {
	s := sample{id: id, Progress: p, at: time.Now()}
	d, err := q.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return s
	}
	pending := d.RawResponse.GetPendingActivities()
	s.cold = cli.ColdStart(pending, s.at)
	if s.Waiting == "" && !s.Paused {
		s.Waiting = s.cold.What()
	}
	for _, a := range pending {
		var beat struct {
			Tally        train.Tally   `json:"tally"`
			Report       *train.Report `json:"report"`
			PhaseSeconds float64       `json:"phase_seconds"`
		}
		// The details of other activities have other fields or none.
		if converter.GetDefaultDataConverter().FromPayloads(a.GetHeartbeatDetails(), &beat) != nil || beat.Report == nil {
			continue
		}
		s.CostUSD = max(s.CostUSD, float64(beat.Tally.CostMicroUSD)/1e6)
		if beat.Report.Step >= s.Step || a.GetAttempt() > 1 {
			s.Report = *beat.Report
		}
		if a.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED && (s.Waiting == "" || strings.HasPrefix(s.Waiting, "a worker")) {
			s.Waiting = ""
			s.phase = time.Duration(beat.PhaseSeconds * float64(time.Second))
		}
	}
	return s
}

// takeSweep queries the active runs of a sweep.
func takeSweep(ctx context.Context, q cli.Querier, sweep trainflow.SweepResult) []sample {
	var open []string
	for _, run := range sweep.Runs {
		if run.Result == nil && run.Failure == nil && len(open) < maxRuns {
			open = append(open, run.WorkflowID)
		}
	}
	found := make([]*sample, len(open))
	var group errgroup.Group
	for i, id := range open {
		group.Go(func() error {
			var p trainflow.Progress
			// A run that has not started does not answer.
			if value, err := q.QueryWorkflow(ctx, id, "", workflows.QueryProgress); err == nil && value.Get(&p) == nil {
				s := takeTrain(ctx, q, id, p)
				found[i] = &s
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above return no error
	var out []sample
	for _, s := range found {
		if s != nil {
			out = append(out, *s)
		}
	}
	return out
}

// title is the name of a run; within a sweep it has the number at the end of the id.
func (t sample) title() string {
	if i := strings.LastIndexByte(t.id, '/'); i >= 0 {
		return t.Name + " " + t.id[i+1:]
	}
	return t.Name
}

// state identifies a stage, a checkpoint, a pause or a warning of the run.
func (t sample) state() string {
	return fmt.Sprint("|", t.id, t.Stage, t.Phase, t.Paused, t.Waiting, t.Checkpoint, t.Trouble, t.GPU)
}

func sweepDone(r *trainflow.SweepResult) (done int) {
	for _, run := range r.Runs {
		if run.Result != nil || run.Failure != nil {
			done++
		}
	}
	return done
}

func sweepText(r *trainflow.SweepResult) string {
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
		text += ", " + format.Dollars(r.CostUSD)
	}
	return text
}

// Change identifies the states of the runs and the number of finished runs.
func (p *progress) Change() string {
	change := ""
	if p.sweep != nil {
		change = fmt.Sprint(sweepDone(p.sweep), p.sweep.Paused, p.sweep.Status)
	}
	for _, t := range p.trains {
		change += t.state()
	}
	return change
}

// Line shows the first runs only.
func (p *progress) Line() string {
	var parts []string
	if p.sweep != nil {
		parts = append(parts, sweepText(p.sweep))
	}
	for i, t := range p.trains {
		if i == 3 {
			parts = append(parts, fmt.Sprintf("and %d more", len(p.trains)-i))
			break
		}
		parts = append(parts, t.title()+": "+t.text())
	}
	return strings.Join(parts, "; ")
}

// Bars returns one bar for the sweep and one for each active run.
func (p *progress) Bars() []cli.Bar {
	var all []cli.Bar
	if p.sweep != nil {
		all = append(all, cli.Bar{Name: "sweep", Done: sweepDone(p.sweep), Total: len(p.sweep.Runs), Text: sweepText(p.sweep)})
	}
	for _, t := range p.trains {
		all = append(all, cli.Bar{Key: t.id, Name: t.title(), Done: t.Step, Total: t.Total, Text: t.text()})
	}
	return all
}

func (p *progress) Failures() []string { return nil }

// JSON is the query result of the job.
func (p *progress) JSON() any {
	if p.sweep != nil {
		return p.sweep
	}
	return p.trains[0].Progress
}

// Print prints the counts of a sweep, and the progress of each run.
func (p *progress) Print(a *cli.App) {
	if p.sweep != nil {
		a.Say("%s", sweepText(p.sweep))
	}
	for _, t := range p.trains {
		a.Say("%s, %s of %s: %s", t.title(), t.Method, t.Base, t.text())
		switch {
		case t.Checkpoint > 0 && t.BestStep > 0:
			a.Say("The checkpoint of step %d is stored; the best so far is step %d.", t.Checkpoint, t.BestStep)
		case t.Checkpoint > 0: // the attempt continues from the checkpoint and has not reported a best step yet
			a.Say("The checkpoint of step %d is stored.", t.Checkpoint)
		}
		if t.Device != "" {
			a.Say("It runs on %s, peak memory %s.", t.Device, format.Bytes(t.MemoryBytes))
		}
	}
}
