package workflows

import (
	"encoding/json"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/tenant"
)

// publish confirms on rows that no search saw, makes a version, and promotes it
// if it is better and, where approval is required, a person approves.
func (r *optimizeRun) publish(ctx workflow.Context) (OptimizeResult, error) {
	confirmed, err := r.confirm(ctx)
	if err != nil {
		return OptimizeResult{}, err
	}
	status := statusOptimized
	if r.Enough {
		status = statusStopped
	}
	if err := r.enter(ctx, stagePublish); err != nil {
		return OptimizeResult{}, err
	}
	published, err := call(r.copying(ctx, "publish "+cell(r.Plan.Name)), r.a.PublishProgram, optimize.PublishInput{
		SearchStep: r.step(), Name: r.Plan.Name, Confirmed: confirmed, Calls: r.Asked.Calls,
		CostUSD: usd(r.Asked.CostMicroUSD), Stopped: r.Enough, Models: r.Plan.Models,
	})
	if err != nil {
		return OptimizeResult{}, err
	}
	result := OptimizeResult{
		Program: published.Name, Version: published.Version, Job: r.Plan.Job, Status: status, Verdict: confirmed.Verdict, Kept: !confirmed.Changed,
		DefaultScore: confirmed.Default, Score: confirmed.Score, Trials: len(r.Trials), Calls: r.Asked.Calls,
		Repeated: published.Repeated, CostUSD: usd(r.Asked.CostMicroUSD),
	}
	if result.Promoted, err = r.promote(ctx, published, confirmed.Verdict.Promote); err != nil {
		return OptimizeResult{}, err
	}
	if err := r.enter(ctx, stageReport); err != nil {
		return OptimizeResult{}, err
	}
	written, err := call(r.media(ctx, "write the report"), r.a.WriteOptimizeReport, optimize.ReportInput{
		SearchStep: r.step(), Name: published.Name, Version: published.Version, Promoted: result.Promoted,
		RunID: r.Chain, Started: r.Started, Ended: workflow.Now(ctx),
	})
	if err != nil {
		return OptimizeResult{}, err
	}
	result.Report = written.Key
	return result, r.enter(ctx, stageDone)
}

// promote makes a better program the active one.
func (r *optimizeRun) promote(ctx workflow.Context, p optimize.PublishedProgram, better bool) (bool, error) {
	if !better {
		return false, nil // never ship a regression
	}
	if r.in.Approve {
		r.waiting = waitApproval
		r.show(ctx)
		if err := r.awaitApproval(ctx); err != nil || r.approval == nil || !*r.approval {
			return false, err
		}
	}
	var programs *registry.Programs
	_, err := call(r.metadata(ctx, "promote "+cell(p.Name)), programs.ChangeProgram, registry.RoleInput{
		Tenant: tenant.ID(r.in.Tenant), Role: p.Name, Do: registry.DoActivate, Name: p.Name, Version: p.Version,
	})
	return err == nil, err
}

// awaitApproval waits until a person answers, or asks the run to stop: nothing is
// promoted then.
func (r *optimizeRun) awaitApproval(ctx workflow.Context) error {
	defer func() { r.waiting = "" }()
	stops := r.stops
	err := workflow.Await(ctx, func() bool { return r.approval != nil || r.stops > stops })
	if err == nil && r.approval == nil && workflow.GetVersion(ctx, changeStopsUnpaid, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		err = workflow.Await(ctx, func() bool { return r.approval != nil })
	}
	return err
}

// unchanged answers with the result of the job as it was found.
func (r *optimizeRun) unchanged(ctx workflow.Context, done json.RawMessage) (OptimizeResult, error) {
	var result OptimizeResult
	if err := json.Unmarshal(done, &result); err != nil {
		return result, err
	}
	result.Status, result.Calls, result.Repeated, result.CostUSD = statusUnchanged, 0, 0, 0
	if err := r.enter(ctx, stageDone); err != nil {
		return result, err
	}
	return result, r.finish(ctx, nil)
}

// finish keeps the result (nil = there is none to keep) and gives the claim back.
func (r *optimizeRun) finish(ctx workflow.Context, result *OptimizeResult) error {
	in := optimize.FinishInput{JobInput: r.job()}
	if result != nil {
		var err error
		if in.Result, err = json.Marshal(result); err != nil {
			return err
		}
	}
	return do(r.metadata(ctx, "release the job"), r.a.FinishOptimize, in)
}
