package train

import (
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// given is what the settings name of the adapter's shape.
func (in *Input) given() training.LoRASettings {
	var settings training.Settings
	if s := in.settings(); s != nil {
		settings = *s
	}
	if in.LoRA == nil {
		return settings.Given(training.LoRASettings{})
	}
	return settings.Given(*in.LoRA)
}

// resolve fills in the defaults of the method.
func (in *Input) resolve() (training.Config, *training.LoRA, training.Extras, error) {
	var settings training.Settings
	if s := in.settings(); s != nil {
		settings = *s
	}
	var lora training.LoRASettings
	if in.LoRA != nil {
		lora = *in.LoRA
	}
	return training.Resolve(in.method, settings, lora)
}

// dryRun returns the plan. Only the dataset was stored.
func (r *trainRun) dryRun(ctx workflow.Context) (Result, error) {
	plan, check := r.Plan, r.Check
	return Result{
		Job: r.Plan.Job, Method: r.in.method, Status: job.StatusDryRun, Plan: &plan, Unchanged: r.ended, Check: &check, Ignored: r.Ignored,
	}, r.setStage(ctx, job.StageDone)
}

// publish makes the outcome a version of the adapter, activates it if requested and better
// than its base, and writes the report.
func (r *trainRun) publish(ctx workflow.Context, status string) (Result, error) {
	if err := r.setStage(ctx, job.StagePublish); err != nil {
		return Result{}, err
	}
	in := r.publishInput()
	in.IfThere = status == job.StatusStopped
	published, err := workflows.Call(r.Copying(ctx, "publish "+workflows.Cell(r.in.Name)), r.a.PublishAdapter, in)
	if err != nil {
		return Result{}, err
	}
	if published.CostMicroUSD != nil {
		r.Tally.CostMicroUSD = *published.CostMicroUSD
	}
	if published.Version == 0 {
		return r.nothing(ctx, status)
	}
	o := published.Outcome
	if r.warning != "" && o.Comparison == nil {
		r.warning = "the best adapter so far was not evaluated: " + r.warning
	} else {
		r.warning = ""
	}
	result := Result{
		Job: r.Plan.Job, Method: r.in.method, Adapter: published.Name, Version: published.Version, Role: r.in.Role,
		Status: status, Better: o.Better(), Metrics: o.Metrics, BaseMetrics: o.BaseMetrics, Comparison: o.Comparison,
		GPU: o.GPU, Device: o.Device, Steps: o.Steps, Redone: o.Redone, Tokens: o.Tokens, TooLong: o.Data.TooLong(r.in.method), Seconds: o.Seconds,
		CostUSD: workflows.USD(r.Tally.CostMicroUSD), Ignored: r.Ignored, Active: published.Active, Warning: r.warning,
		TensorBoard: published.TensorBoard, Modules: r.Plan.Spec.LoRA.Modules(),
		Continues: r.Plan.Spec.Start.String(),
	}
	if r.in.Activate && o.Better() && !published.Active {
		changed, err := activate(ctx, r.Caller, registry.RoleInput{
			Tenant: r.tenant(), Role: r.in.Role, Do: registry.DoActivate, Name: published.Name, Version: published.Version,
		}, r.in.BaseModel)
		if err != nil {
			return Result{}, err
		}
		result.Active = changed.Active != nil
	}
	if err := r.setStage(ctx, job.StageReport); err != nil {
		return Result{}, err
	}
	written, err := workflows.Call(r.Media(ctx, "write the report"), r.a.WriteTrainReport, train.ReportInput{
		JobInput: r.job(), Name: published.Name, Version: published.Version, Status: status, RunID: r.ID,
		Started: r.Started, Ended: workflow.Now(ctx), Check: r.Check, Estimate: r.Plan.Estimate,
	})
	if err != nil {
		return Result{}, err
	}
	result.Report = written.Key
	return result, r.setStage(ctx, job.StageDone)
}

// nothing is the result of a run that was stopped before anything could be published.
func (r *trainRun) nothing(ctx workflow.Context, status string) (Result, error) {
	return Result{
		Job: r.Plan.Job, Method: r.in.method, Role: r.in.Role, Status: status,
		Warning: "it was stopped before the first checkpoint, so there is nothing to publish", GPU: r.class().Class,
		Redone: r.Tally.Redone, Seconds: r.Tally.Seconds, CostUSD: workflows.USD(r.Tally.CostMicroUSD), Ignored: r.Ignored,
	}, r.setStage(ctx, job.StageDone)
}

func (r *trainRun) publishInput() train.PublishInput {
	return train.PublishInput{
		JobInput: r.job(), Name: r.in.Name, Role: r.in.Role, Spec: r.Plan.Spec, Base: r.Plan.Base,
		Tally: r.Tally, GPU: r.class().Class, Check: r.Check, Ledger: r.ID,
	}
}
