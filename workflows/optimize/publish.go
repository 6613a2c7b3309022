package optimize

import (
	"encoding/json"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// publish confirms on rows that the search did not see, makes a version, and promotes it if
// it is better and, where approval is required, a person approves.
func (r *optimizeRun) publish(ctx workflow.Context) (Result, error) {
	confirmed, err := r.confirm(ctx)
	if err != nil {
		return Result{}, err
	}
	status := statusOptimized
	if r.Enough {
		status = job.StatusStopped
	}
	if err := r.setStage(ctx, job.StagePublish); err != nil {
		return Result{}, err
	}
	published, err := workflows.Call(r.Copying(ctx, "publish "+workflows.Cell(r.Plan.Name)), r.a.PublishProgram, optimize.PublishInput{
		SearchStep: r.step(), Name: r.Plan.Name, Confirmed: confirmed, Calls: r.Asked.Calls,
		CostUSD: workflows.USD(r.Asked.CostMicroUSD), Stopped: r.Enough, Models: r.Plan.Models,
	})
	if err != nil {
		return Result{}, err
	}
	result := Result{
		Program: published.Name, Version: published.Version, Job: r.Plan.Job, Status: status, Verdict: confirmed.Verdict, Kept: !confirmed.Changed,
		DefaultScore: confirmed.Default, Score: confirmed.Score, Trials: len(r.Trials), Calls: r.Asked.Calls,
		Repeated: published.Repeated, CostUSD: workflows.USD(r.Asked.CostMicroUSD),
		Unusable: r.Asked.Unusable, Warnings: r.warnings(),
	}
	if result.Promoted, err = r.promote(ctx, published, confirmed.Verdict.Promote); err != nil {
		return Result{}, err
	}
	if err := r.setStage(ctx, job.StageReport); err != nil {
		return Result{}, err
	}
	written, err := workflows.Call(r.Media(ctx, "write the report"), r.a.WriteOptimizeReport, optimize.ReportInput{
		SearchStep: r.step(), Name: published.Name, Version: published.Version, Promoted: result.Promoted,
		RunID: r.ID, Started: r.Started, Ended: workflow.Now(ctx),
	})
	if err != nil {
		return Result{}, err
	}
	result.Report = written.Key
	return result, r.setStage(ctx, job.StageDone)
}

// promote makes a better program the active one.
func (r *optimizeRun) promote(ctx workflow.Context, p optimize.PublishedProgram, better bool) (bool, error) {
	if !better {
		return false, nil // never ship a regression
	}
	if r.in.Approve {
		r.Waiting = job.WaitApproval
		r.showDetails(ctx)
		if err := r.awaitApproval(ctx); err != nil || r.approval == nil || !*r.approval {
			return false, err
		}
	}
	var programs *registry.Programs
	_, err := workflows.Call(r.Metadata(ctx, "promote "+workflows.Cell(p.Name)), programs.ChangeProgram, registry.RoleInput{
		Tenant: tenant.ID(r.in.Tenant), Role: p.Name, Do: registry.DoActivate, Name: p.Name, Version: p.Version,
	})
	return err == nil, err
}

// awaitApproval waits until a person answers, or asks the run to stop, which promotes
// nothing.
func (r *optimizeRun) awaitApproval(ctx workflow.Context) error {
	defer func() { r.Waiting = "" }()
	stops := r.Stops
	err := workflow.Await(ctx, func() bool { return r.approval != nil || r.Stops > stops })
	if err == nil && r.approval == nil && workflow.GetVersion(ctx, changeStopsUnpaid, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		err = workflow.Await(ctx, func() bool { return r.approval != nil })
	}
	return err
}

// unchanged returns the stored result of the job.
func (r *optimizeRun) unchanged(ctx workflow.Context, done json.RawMessage) (Result, error) {
	var result Result
	if err := json.Unmarshal(done, &result); err != nil {
		return result, err
	}
	result.Status, result.Calls, result.Repeated, result.CostUSD = job.StatusUnchanged, 0, 0, 0
	if err := r.setStage(ctx, job.StageDone); err != nil {
		return result, err
	}
	return result, r.finish(ctx, nil)
}

// finish stores the result (nil = there is none) and releases the claim.
func (r *optimizeRun) finish(ctx workflow.Context, result *Result) error {
	in := optimize.FinishInput{JobInput: r.job()}
	if result != nil {
		var err error
		if in.Result, err = json.Marshal(result); err != nil {
			return err
		}
	}
	return workflows.Do(r.Metadata(ctx, "release the job"), r.a.FinishOptimize, in)
}
