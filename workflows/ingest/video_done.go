package ingest

import (
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/bounds"
)

// VideoDone reports to a library how one of its videos ended.
type VideoDone struct {
	WorkflowID string         `json:"workflow_id"`
	Result     VideoResult    `json:"result"`
	Failure    *video.Failure `json:"failure,omitempty"`
}

// reportToLibrary reports to the library that started this run, whichever run of
// its chain is current. It also works when this run was cancelled.
func (r *videoRun) reportToLibrary(ctx workflow.Context, result VideoResult, err error) error {
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	if r.library == nil || parent == nil {
		return nil
	}
	done := VideoDone{WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Result: result}
	if err != nil {
		done.Failure = workflows.FailureOf(stageIngest, err) // the library sees the same failure by signal and by result
		done.Failure.URI, done.Failure.Stage = r.in.URI, r.progress.Stage
	}
	free, _ := workflow.NewDisconnectedContext(ctx)
	reportErr := workflow.SignalExternalWorkflow(free, parent.ID, "", workflows.SignalVideoDone, done).Get(free, nil)
	if temporal.IsCanceledError(reportErr) {
		return reportErr
	}
	return nil // a library that has ended needs no report
}

// check limits the values of a report. The library hands them on at continue-as-new and
// writes them to its report.
func (d *VideoDone) check() error {
	r := d.Result
	switch {
	case !bounds.Counts(r.Frames, r.Documents, r.Passages, r.Blank, r.Removed, r.Duplicates, r.DecodeErrors, r.Refused, r.DescribeCalls, r.RepeatedCalls),
		!bounds.Amounts(r.CostUSD):
		return errors.New("a count is out of range")
	case d.Failure != nil:
		f := video.Failure{
			URI: d.Failure.URI, Stage: safetext.Line(d.Failure.Stage, safetext.MaxReason),
			Class: safetext.Line(d.Failure.Class, safetext.MaxReason), Reason: safetext.Line(d.Failure.Reason, safetext.MaxReason),
		}
		d.Failure = &f
		return nil
	case r.Status != video.StatusIndexed && r.Status != video.StatusUnchanged:
		return errors.New("the status must be indexed or unchanged")
	}
	var err error
	if d.Result.Unusable, err = checkUnusable(r.Unusable); err != nil {
		return err
	}
	_, err = video.ParseID(r.Video)
	return err
}
