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

// VideoDone tells a library how one of its videos ended.
type VideoDone struct {
	WorkflowID string         `json:"workflow_id"`
	Result     VideoResult    `json:"result"`
	Failure    *video.Failure `json:"failure,omitempty"`
}

// tellLibrary reports to the library that started this run, whichever run of
// its chain that is by now. It also works when this run was cancelled.
func (r *videoRun) tellLibrary(ctx workflow.Context, result VideoResult, err error) error {
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	if r.library == nil || parent == nil {
		return nil
	}
	done := VideoDone{WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Result: result}
	if err != nil {
		done.Failure = workflows.FailureOf(stageIngest, err) // the library sees the same, however it hears of it
		done.Failure.URI, done.Failure.Stage = r.in.URI, r.progress.Stage
	}
	free, _ := workflow.NewDisconnectedContext(ctx)
	tellErr := workflow.SignalExternalWorkflow(free, parent.ID, "", workflows.SignalVideoDone, done).Get(free, nil)
	if temporal.IsCanceledError(tellErr) {
		return tellErr
	}
	return nil // a library that has ended needs no news
}

// check bounds how a video ended. What is believed here is handed on at
// continue-as-new and written to the report.
func (d *VideoDone) check() error {
	r := d.Result
	switch {
	case !bounds.Counts(r.Frames, r.Documents, r.Removed, r.Duplicates, r.DecodeErrors, r.Refused, r.DescribeCalls, r.RepeatedCalls),
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
	_, err := video.ParseID(r.Video)
	return err
}
