package train

import (
	"bytes"
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/activities/train/history"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/summary"
	"github.com/cogniverse/cogflow/video"
)

// ReportInput is the subject of a training report.
type ReportInput struct {
	activities.JobInput
	Name     string            `json:"name"`
	Version  int               `json:"version"`
	Status   string            `json:"status"`
	RunID    string            `json:"run_id"` // first run of the chain
	Started  time.Time         `json:"started"`
	Ended    time.Time         `json:"ended"`
	Check    dataset.Check     `json:"check"`
	Estimate estimate.Estimate `json:"estimate"`
}

// WriteTrainReport writes the report of a training run to the store.
func (a *Activities) WriteTrainReport(ctx context.Context, in ReportInput) (activities.ReportResult, error) {
	run := activity.GetInfo(ctx).WorkflowExecution
	m, _, err := registry.ReadAdapter(ctx, a.Store, in.Tenant, in.Name, in.Version)
	if err != nil {
		return activities.ReportResult{}, err
	}
	page := summary.Run{
		Adapter: m, Tenant: in.Tenant, Workflow: run.ID, Run: in.RunID, Started: in.Started, Ended: in.Ended,
		Status: in.Status, Plan: in.Estimate, Check: in.Check, Version: a.Version,
	}
	if page.Events, err = history.Of(ctx, a.Store, in.Tenant, in.Job); err != nil {
		return activities.ReportResult{}, err
	}
	if page.Samples, err = a.samples(ctx, in.JobInput, m.Spec); err != nil {
		return activities.ReportResult{}, err
	}
	var html bytes.Buffer
	if err := a.Reports.Train(&html, page); err != nil {
		return activities.ReportResult{}, err
	}
	out := activities.ReportResult{Key: video.ReportKey(in.Tenant, run.ID, in.RunID)}
	_, err = a.Store.Put(ctx, out.Key, &html)
	return out, err
}

// sampledEach is the number of held-out rows in a report that gained most, and of those
// that lost most.
const sampledEach = 5

// samples picks the held-out rows that the models answered, and those that changed most.
func (a *Activities) samples(ctx context.Context, in activities.JobInput, s training.Spec) ([]summary.Sample, error) {
	out, err := a.output(ctx, in.Tenant, in.Job)
	if err != nil || out == nil || s.Evaluation == "" || out.Outcome.Comparison == nil {
		return nil, err // a cancelled job was not evaluated
	}
	prefix := training.OutputPrefix(in.Tenant, in.Job) + out.Token + "/" + training.EvalsFolder
	var sides [2]summary.Evaluated
	for i, of := range []string{training.OfBase, training.OfBest} {
		data, err := activities.ReadAll(ctx, a.Store, prefix+of+".jsonl")
		if err != nil {
			return nil, err
		}
		if sides[i].Rows, err = training.ReadRowValues(bytes.NewReader(data)); err != nil {
			return nil, err
		}
		if sides[i].Answers, err = a.answers(ctx, out, prefix, of); err != nil {
			return nil, err
		}
	}
	samples := summary.Samples(out.Outcome.Comparison.Metric, sides[0], sides[1], sampledEach)
	data, err := activities.ReadAll(ctx, a.Store, training.DatasetKey(in.Tenant, s.Evaluation))
	if err != nil {
		return nil, err
	}
	number := 0
	for line := range bytes.Lines(data) {
		for i := range samples {
			if samples[i].Row == number {
				describe(&samples[i], line)
			}
		}
		number++
	}
	return samples, nil
}

// answers reads what a model answered to held-out rows. Embedding models answer nothing,
// nor do jobs that an earlier cogflow trained.
func (a *Activities) answers(ctx context.Context, out *training.Output, prefix, of string) (map[int]*training.Answer, error) {
	name := training.AnswersName(of)
	if !slices.ContainsFunc(out.Files, func(f training.CheckpointFile) bool { return f.Name == training.EvalsFolder+name }) {
		return nil, nil
	}
	data, err := activities.ReadAll(ctx, a.Store, prefix+name)
	if err != nil {
		return nil, err
	}
	return training.ReadAnswers(bytes.NewReader(data))
}

// maxSampleText bounds what is shown of a row that could not be read, in bytes.
const maxSampleText = 2000

// describe adds what a row says. One that cannot be read is shown as it is, cut.
func describe(s *summary.Sample, line []byte) {
	r, err := rows.ReadRow(line)
	if err != nil {
		s.Text = string(bytes.TrimSpace(line[:min(len(line), maxSampleText)]))
		return
	}
	s.Parts = r.Parts
}

// SweepReportInput is the content of a sweep's report.
type SweepReportInput struct {
	RunID  string        `json:"run_id"`
	Report summary.Sweep `json:"report"`
}

// Owner is the tenant that the activity works for.
func (in SweepReportInput) Owner() tenant.ID { return in.Report.Tenant }

// WriteSweepReport writes the report of a sweep to the store.
func (a *Activities) WriteSweepReport(ctx context.Context, in SweepReportInput) (activities.ReportResult, error) {
	in.Report.Workflow, in.Report.Run, in.Report.Version = activity.GetInfo(ctx).WorkflowExecution.ID, in.RunID, a.Version
	var html bytes.Buffer
	if err := a.Reports.Sweep(&html, in.Report); err != nil {
		return activities.ReportResult{}, err
	}
	out := activities.ReportResult{Key: video.ReportKey(in.Report.Tenant, in.Report.Workflow, in.RunID)}
	_, err := a.Store.Put(ctx, out.Key, &html)
	return out, err
}
