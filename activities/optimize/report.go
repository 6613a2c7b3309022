package optimize

import (
	"bytes"
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/video"
)

// ReportInput names the version and the run that a report describes.
type ReportInput struct {
	SearchStep
	Name     string    `json:"name"`
	Version  int       `json:"version"`
	Promoted bool      `json:"promoted"`
	RunID    string    `json:"run_id"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
}

// reportedRows is the number of rows in a report.
const reportedRows = 24

// WriteOptimizeReport writes the report of an optimization to the store.
func (a *Activities) WriteOptimizeReport(ctx context.Context, in ReportInput) (activities.ReportResult, error) {
	o, err := a.optimization(ctx, in.Tenant, in.Job)
	if err != nil {
		return activities.ReportResult{}, err
	}
	d, err := registry.ReadProgram(ctx, a.Store, in.Tenant, in.Name, in.Version)
	if err != nil {
		return activities.ReportResult{}, err
	}
	run := activity.GetInfo(ctx).WorkflowExecution
	page := prompt.Report{
		Release: d.Release, Tenant: in.Tenant, Run: in.RunID, Version: a.Version, Started: in.Started, Ended: in.Ended,
		Promoted: in.Promoted, Before: o.job.Program,
	}
	if page.After, err = prompt.Read(d.Program); err != nil {
		return activities.ReportResult{}, err
	}
	if err := activities.ReadJSON(ctx, a.Store, a.stored(in.Spender, unsandboxedName), &page.Unsandboxed); err != nil && !activities.Absent(err) {
		return activities.ReportResult{}, err
	}
	if page.Unscored, page.UnscoredWhy, err = a.commandFailures(ctx, in.Spender); err != nil {
		return activities.ReportResult{}, err
	}
	if page.Unusable, err = a.groups(ctx, in.Spender); err != nil {
		return activities.ReportResult{}, err
	}
	var trials []search.Trial
	if err := activities.ReadJSON(ctx, a.Store, a.stored(in.Spender, "trials.json"), &trials); err != nil {
		return activities.ReportResult{}, err
	}
	var best search.BestSoFar
	for _, t := range trials {
		l := trialLine(t)
		page.Trials = append(page.Trials, prompt.ReportTrial{
			Number: l.Number, Kind: string(l.Kind), Choice: l.Choice, Rows: l.Rows, Score: l.Score,
			Best: best.Add(l.Kind, l.Choice, l.Rows, l.Score),
		})
	}
	if page.Candidates, err = a.reportCandidates(ctx, o, in.Spender); err != nil {
		return activities.ReportResult{}, err
	}
	if page.Rows, err = a.reportRows(ctx, o, in.Spender); err != nil {
		return activities.ReportResult{}, err
	}
	var html bytes.Buffer
	if err := a.Report(&html, page); err != nil {
		return activities.ReportResult{}, err
	}
	out := activities.ReportResult{Key: video.ReportKey(in.Tenant, run.ID, in.RunID)}
	_, err = a.Store.Put(ctx, out.Key, &html)
	return out, err
}

func (a *Activities) reportRows(ctx context.Context, o *optimization, s Spender) ([]prompt.ReportRow, error) {
	var c confirmation
	if err := activities.ReadJSON(ctx, a.Store, a.stored(s, "confirmation.json"), &c); err != nil {
		if activities.Absent(err) {
			return nil, nil
		}
		return nil, err
	}
	return c.reported(o.Confirm)
}

// reported picks the most informative rows: those that changed, then those that are still
// wrong.
func (c confirmation) reported(examples []*prompt.Object) ([]prompt.ReportRow, error) {
	if c.Rows == nil && len(c.Before) == len(examples) { // earlier builds confirmed on all rows, and did not store which
		for i := range examples {
			c.Rows = append(c.Rows, i)
		}
	}
	if len(c.Before) != len(c.Rows) || len(c.After) != len(c.Rows) {
		return nil, errors.New("the confirmation is of other rows")
	}
	var changed, wrong []prompt.ReportRow
	for i, at := range c.Rows {
		row := prompt.ReportRow{Example: examples[at], Before: c.OutsA[i], After: c.OutsB[i], BeforeScore: c.Before[i], AfterScore: c.After[i]}
		switch {
		case row.BeforeScore != row.AfterScore:
			changed = append(changed, row)
		case row.AfterScore < 1:
			wrong = append(wrong, row)
		}
	}
	rows := append(changed, wrong...)
	return rows[:min(len(rows), reportedRows)], nil
}
