package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/summary"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

const (
	defaultSweepConcurrency = 2
	// maxSweep keeps the history of a sweep within one run.
	maxSweep = 64
)

// sweepRun is the state of one TrainSweep run.
type sweepRun struct {
	workflows.Caller
	in      SweepInput
	started time.Time
	runs    []SweepRun
	inputs  []json.RawMessage
	bases   []string               // base models, each once
	rows    []train.StoreRowsInput // that the runs share
	done    int
	running []workflow.ChildWorkflowFuture // by index of runs; nil = not started
	paused  bool
	stopped bool // no further run is started
}

// Sweep trains once for each combination of overrides and returns the best.
func Sweep(ctx workflow.Context, in SweepInput) (SweepResult, error) {
	r := &sweepRun{in: in, started: workflow.Now(ctx)}
	result, err := r.run(ctx)
	if err != nil {
		err = workflows.Staged(stageTrain, workflows.Ended(ctx, err))
	}
	return result, err
}

func (r *sweepRun) run(ctx workflow.Context) (SweepResult, error) {
	if err := r.in.check(ctx); err != nil {
		return SweepResult{}, workflows.Typed(err)
	}
	if err := r.prepare(ctx); err != nil {
		return SweepResult{}, workflows.Typed(err)
	}
	r.Caller = workflows.NewCaller(r.in.Common)
	if err := workflows.SetAttributes(ctx, "TrainSweep", r.in.Common, ""); err != nil {
		return SweepResult{}, err
	}
	if err := r.listen(ctx); err != nil {
		return SweepResult{}, err
	}
	if err := r.storeRows(ctx); err != nil {
		return SweepResult{}, err
	}
	if err := workflows.SetStage(ctx, stageTrain, 0, 0); err != nil {
		return SweepResult{}, err
	}
	r.show(ctx)
	slots := workflow.NewSemaphore(ctx, int64(r.in.Concurrency))
	group := workflow.NewWaitGroup(ctx)
	for i := range r.runs {
		if err := slots.Acquire(ctx, 1); err != nil {
			break // cancelled: the children are cancelled too
		}
		if !r.mayStart(ctx) {
			r.leaveOut(i)
			break
		}
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			defer slots.Release(1)
			r.child(ctx, i)
		})
	}
	free, _ := workflow.NewDisconnectedContext(ctx)
	group.Wait(free)
	if ctx.Err() == nil {
		return r.report(ctx)
	}
	if workflow.GetVersion(free, "sweep-counts-failed-runs", workflow.DefaultVersion, 1) >= 1 {
		out := r.result()
		if err := workflows.SetStage(free, stageTrain, out.Failed, out.CostUSD); err != nil {
			return SweepResult{}, err
		}
	}
	return SweepResult{}, ctx.Err()
}

// child runs one combination. A failed one does not stop the others.
func (r *sweepRun) child(ctx workflow.Context, i int) {
	one := &r.runs[i]
	ctx = workflow.WithChildOptions(ctx, r.options(one))
	var result Result
	future := workflow.ExecuteChildWorkflow(ctx, workflowOf(r.in.Method), r.inputs[i])
	r.begun(ctx, i, future)
	err := future.Get(ctx, &result)
	r.running[i] = nil
	if _, taken := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err); taken {
		one.Failure = workflows.IDTaken(stageTrain, one.WorkflowID)
	} else if err != nil {
		one.Failure = workflows.FailureOf(stageTrain, err)
		r.paid(ctx, one, future)
	} else {
		result.Plan, result.Check = nil, nil
		one.Result = &result
	}
	r.done++
	r.show(ctx)
}

// options are those of the workflow of a run. The memo is its name in lists.
func (r *sweepRun) options(one *SweepRun) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID: one.WorkflowID, TaskQueue: workflows.QueueMain, WaitForCancellation: true,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
		StaticSummary:         "sweep: " + workflows.Cell(describe(one.Overrides)),
		Memo:                  map[string]any{workflows.MemoName: safetext.Line(describe(one.Overrides), maxShownName)},
		TypedSearchAttributes: workflows.Attributes(workflowOf(r.in.Method), r.in.Common, ""),
		Priority:              r.Priority,
	}
}

// paid asks the ledger for the cost of a run that ended without a result.
func (r *sweepRun) paid(ctx workflow.Context, one *SweepRun, future workflow.ChildWorkflowFuture) {
	free, _ := workflow.NewDisconnectedContext(ctx)
	var run workflow.Execution
	if future.GetChildWorkflowExecution().Get(free, &run) != nil ||
		workflow.GetVersion(free, "sweep-counts-failed-runs", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	spend, known, err := job.FinalCost(free, r.Caller, ingest.SpendInput{Tenant: tenant.ID(r.in.Tenant), Job: run.RunID})
	if known {
		one.CostUSD = workflows.USD(spend.CostMicroUSD)
	} else if err != nil {
		one.Failure.Reason += "; and its cost is not known: " + workflows.Reason(err)
	}
}

func workflowOf(m training.Method) string {
	return map[training.Method]string{training.SFT: "TrainSFT", training.DPO: "TrainDPO", training.KTO: "TrainKTO", training.Embedding: "TrainEmbedding"}[m]
}

// result sums up the runs so far.
func (r *sweepRun) result() SweepResult {
	out := SweepResult{Runs: r.runs, Best: -1, Paused: r.paused && !r.stopped}
	if r.stopped {
		out.Status = job.StatusStopped
	}
	for i, run := range r.runs {
		switch {
		case run.Failure != nil:
			out.Failed++
			out.CostUSD += run.CostUSD
		case run.Result != nil:
			out.CostUSD += run.Result.CostUSD
			if run.Result.Version == 0 {
				continue // stopped before there was an adapter
			}
			if out.Best < 0 || training.MetricsBetter(r.in.Method, run.Result.Metrics, r.runs[out.Best].Result.Metrics) {
				out.Best = i
			}
		}
	}
	return out
}

func (r *sweepRun) show(ctx workflow.Context) {
	rows := make([][]string, len(r.runs))
	for i, run := range r.runs {
		status := "…"
		switch {
		case run.Failure != nil:
			status = "failed: " + run.Failure.Reason
		case run.Result != nil && run.Result.Version == 0:
			status = run.Result.Status + ": " + run.Result.Warning
		case run.Result != nil:
			status = fmt.Sprintf("%s@%d", run.Result.Adapter, run.Result.Version)
			for _, name := range workflow.DeterministicKeys(run.Result.Metrics) {
				status += fmt.Sprintf(", %s %.4f", name, run.Result.Metrics[name])
			}
		}
		rows[i] = []string{describe(run.Overrides), status}
	}
	status := ""
	switch {
	case r.stopped:
		status = " · stopping with the best so far"
	case r.paused:
		status = " · paused (signal `resume` continues)"
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("**sweep of %s** · %s%s\n\n", r.in.Method, workflows.Count(r.done, len(r.runs)), status)+
		workflows.Table([]string{"run", "result"}, rows))
}

func (r *sweepRun) report(ctx workflow.Context) (SweepResult, error) {
	out := r.result()
	page := summary.Sweep{
		Tenant: tenant.ID(r.in.Tenant), Method: r.in.Method, Started: r.started, Ended: workflow.Now(ctx), Best: out.Best, Models: r.bases,
	}
	for _, run := range r.runs {
		for _, name := range workflow.DeterministicKeys(run.Overrides) {
			if !slices.Contains(page.Varied, name) {
				page.Varied = append(page.Varied, name)
			}
		}
	}
	for _, run := range r.runs {
		line := summary.SweepLine{Workflow: run.WorkflowID}
		for _, name := range page.Varied {
			line.Values = append(line.Values, string(run.Overrides[name]))
		}
		if t := run.Result; t != nil {
			line.Adapter, line.Version, line.Metrics, line.Better = t.Adapter, t.Version, t.Metrics, t.Better
			line.CostUSD, line.Seconds = t.CostUSD, t.Seconds
		} else {
			line.Failure, line.CostUSD = run.Failure.Reason, run.CostUSD
		}
		page.Runs = append(page.Runs, line)
	}
	var a *train.Activities
	written, err := workflows.Call(r.Media(ctx, "write the report"), a.WriteSweepReport, train.SweepReportInput{RunID: job.Chain(ctx), Report: page})
	if err != nil {
		return out, err
	}
	out.Report = written.Key
	return out, workflows.SetStage(ctx, job.StageDone, out.Failed, out.CostUSD)
}

// maxShownValue truncates a varied value, such as rows, where it is shown; maxShownName all of them.
const (
	maxShownValue = 100 // characters
	maxShownName  = 255
)

// describe is one line for people: "learning_rate=1e-4, seed=7".
func describe(overrides map[string]json.RawMessage) string {
	var parts []string
	for _, name := range workflow.DeterministicKeys(overrides) {
		short := name[strings.LastIndexByte(name, '.')+1:]
		parts = append(parts, short+"="+safetext.Line(string(overrides[name]), maxShownValue))
	}
	return strings.Join(parts, ", ")
}
