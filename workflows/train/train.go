// Package train holds the recipes of training: one run, a sweep of runs, and published
// adapters. It knows the activities of training, but no trainer.
package train

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// The stages of a training run: values of CogStage, and words in the Web UI. Evaluation is part of training: it needs
// the same GPU.
const (
	stageCheck = "check"
	stagePlan  = "plan"
	stageTrain = "train"
)

const statusTrained = "trained"

// SFT fine-tunes a language model on answers.
func SFT(ctx workflow.Context, in Input) (Result, error) {
	return runTraining(ctx, training.SFT, in)
}

// DPO fine-tunes a language model on pairs of a preferred and a rejected answer.
func DPO(ctx workflow.Context, in Input) (Result, error) {
	return runTraining(ctx, training.DPO, in)
}

// KTO fine-tunes a language model on answers that are rated good or bad.
func KTO(ctx workflow.Context, in Input) (Result, error) {
	return runTraining(ctx, training.KTO, in)
}

// Embedding fine-tunes a text encoder on triplets or pairs.
func Embedding(ctx workflow.Context, in Input) (Result, error) {
	return runTraining(ctx, training.Embedding, in)
}

// trainWork is the progress of a run.
type trainWork struct {
	Check    dataset.Check `json:"check"`
	Plan     train.Plan    `json:"plan"`
	Ignored  []string      `json:"ignored,omitempty"`
	Save     float64       `json:"checkpoint_seconds,omitempty"`
	Class    int           `json:"class"` // index into the plan's classes
	Tally    train.Tally   `json:"tally"`
	Report   train.Report  `json:"report"`
	Deadline time.Time     `json:"deadline,omitzero"` // of training; zero = none
}

// trainRun is the state of one training workflow.
type trainRun struct {
	job.Run
	trainWork
	in      Input
	a       *train.Activities
	stage   string
	limit   float64    // budget that the trainer was last started with
	unpaid  job.Unpaid // why it was stopped for lack of budget
	ended   bool       // there is nothing left to train
	warning string     // what is missing from the result, and why
}

func runTraining(ctx workflow.Context, method training.Method, in Input) (Result, error) {
	r := &trainRun{in: in, stage: stageCheck}
	r.Run = job.New(ctx, r.showDetails)
	r.DryRun = in.DryRun
	result, err := r.run(ctx, method)
	if err != nil && !workflow.IsContinueAsNewError(err) {
		err = workflows.Staged(r.stage, workflows.Ended(ctx, err))
	}
	return result, err
}

// run is the recipe.
func (r *trainRun) run(ctx workflow.Context, method training.Method) (Result, error) {
	if err := r.in.check(ctx, method); err != nil {
		return Result{}, workflows.Typed(err)
	}
	if err := r.listen(ctx); err != nil {
		return Result{}, err
	}
	state, err := job.HandedOn(ctx, r.in.received.Resume, func(s trainState) string { return s.Chain }, (*trainState).check)
	if err != nil {
		return Result{}, workflows.Typed(err)
	}
	if state != nil {
		r.restore(*state)
	} else if err := r.plan(ctx); err != nil {
		return Result{}, err
	}
	if r.in.DryRun {
		return r.dryRun(ctx)
	}
	done, err := workflows.Call(r.Metadata(ctx, "claim the job"), r.a.ClaimJob, r.job())
	if err != nil {
		return Result{}, err
	}
	status := job.StatusUnchanged
	if done == nil || done.Ended != training.EndedDone {
		status, err = r.train(ctx)
	}
	if workflow.IsContinueAsNewError(err) {
		return Result{}, err
	}
	var result Result
	if err == nil {
		result, err = r.publish(ctx, status)
	}
	if err != nil {
		return Result{}, r.abandon(ctx, err)
	}
	return result, workflows.Do(r.Metadata(ctx, "release the job"), r.a.ReleaseJob, r.job())
}

// plan checks the data and determines the job and its needs before any GPU is taken.
func (r *trainRun) plan(ctx workflow.Context) error {
	kind := workflow.GetInfo(ctx).WorkflowType.Name
	if err := workflows.SetAttributes(ctx, kind, r.in.Common, ""); err != nil {
		return err
	}
	config, lora, extras, err := r.in.resolve()
	if err != nil {
		return workflows.Typed(err)
	}
	r.Ignored, r.Save = extras.Ignored, extras.CheckpointSeconds
	if err := r.setStage(ctx, stageCheck); err != nil {
		return err
	}
	r.Check, err = workflows.Call(r.Media(ctx, "check the dataset"), r.a.PrepareDataset, train.PrepareInput{
		Tenant: r.tenant(), Method: r.in.method, Train: r.in.Dataset, Eval: r.in.EvalDataset, Seed: *r.in.Seed,
		MaxSeqLength: config.MaxSeqLength, Loss: config.Loss, ValidationShare: extras.ValidationSplit,
		AllowDropped: extras.AllowDropped, MinRows: extras.MinRows,
		Desirable: config.DesirableWeight, Undesirable: config.UndesirableWeight,
	})
	if err != nil {
		return err
	}
	if err := r.setStage(ctx, stagePlan); err != nil {
		return err
	}
	planned, err := workflows.Call(r.Measuring(ctx, "count tokens, estimate memory, time and cost"), r.a.PlanTraining, train.PlanInput{
		Tenant: r.tenant(), Method: r.in.method, BaseModel: r.in.BaseModel, Config: config, LoRA: lora, Extras: extras,
		Seed: *r.in.Seed, Train: *r.Check.TrainFile, Eval: r.Check.EvalFile,
		Lengths: r.Check.Train.Tokens, Rows: r.Check.Train.Kept, GPU: r.in.GPU, BudgetUSD: r.Budget,
		ContinueFrom: r.in.Continue, Given: r.in.given(),
		Place: &placement.Facts{
			Kind: placement.Train, Tenant: string(r.tenant()), Rows: int64(r.Check.Train.Kept), BudgetUSD: r.Budget,
			TimeoutMin: r.in.timeout.Minutes(), Named: r.in.named,
		},
	})
	r.Plan, r.ended, r.Check.Unmeasured = planned.Plan, planned.Unchanged, planned.Unmeasured
	if err != nil {
		return err
	}
	if r.Plan.Spec.Start.String() != r.in.Continue { // a build that does not know the field ignores it
		return workflows.Typed(fault.New(fault.Input, "plan training", r.in.Name,
			"the worker that planned it is of a build without continue_from; upgrade the workers of the pool cogflow"))
	}
	if planned.Measured != nil {
		r.Check.Measure(*planned.Measured, config)
	}
	err = r.Check.Find(planned.Findings, extras.AllowDropped)
	r.Check.TrainLines, r.Check.EvalLines = nil, nil // the problems name them
	return workflows.Typed(err)
}

// train runs the job on one class after another, through pauses, limits and lost workers.
// It returns the status of the result.
func (r *trainRun) train(ctx workflow.Context) (string, error) {
	r.setDeadline(ctx)
	for {
		if err := r.mayRun(ctx); err != nil {
			return "", err
		}
		if r.Enough && r.Report.Checkpoint == 0 {
			if !r.asAsked(ctx) {
				return "", workflows.Typed(fault.New(fault.Input, "stop training", r.in.Name, "no checkpoint was written yet, so nothing can be kept"))
			}
			return r.unevaluated("it stopped before a checkpoint was reported"), nil
		}
		finishing, stops, news, attempts := r.Enough, r.Stops, r.News, r.Tally.Attempts
		run, err := r.once(ctx)
		if err != nil {
			if ctx.Err() == nil && r.nextClass(err) {
				continue
			}
			if ctx.Err() == nil && finishing && r.asAsked(ctx) {
				return r.unevaluated(r.whyNot(err)), nil
			}
			return "", err
		}
		r.Tally, r.Report = run.Tally, run.Report
		if run.Ignored != "" {
			r.Signals.Ignored = run.Ignored
		}
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case run.Ended == training.EndedDone && finishing:
			return job.StatusStopped, nil
		case run.Ended == training.EndedDone:
			return statusTrained, nil // even if a stop arrived in the last moment
		case run.Ended == training.EndedOutOfMemory:
			if err := r.biggerClass(); err != nil {
				if finishing && r.asAsked(ctx) {
					return r.unevaluated(r.whyNot(err)), nil
				}
				return "", err
			}
		case run.Ended == training.EndedStopped && finishing && r.Stops > stops:
			return r.unevaluated("it was asked to stop again"), nil
		case run.Ended == training.EndedBudget && finishing:
			return r.unevaluated("the budget is spent"), nil
		case run.Ended == training.EndedBudget:
			r.Waiting = job.WaitBudget
			times := 0
			if r.unpaid.By != nil && run.Tally.Attempts == attempts { // no trainer was started
				times = r.unpaid.Times + 1
			}
			r.unpaid = job.Unpaid{By: run.Blocked, News: news, Times: times}
		}
	}
}

// unevaluated ends a run that was asked to stop and whose best adapter cannot be evaluated.
// It is published all the same.
func (r *trainRun) unevaluated(why string) string {
	r.warning = why
	return job.StatusStopped
}

// whyNot explains why the best adapter so far was not evaluated.
func (r *trainRun) whyNot(err error) string {
	if late(err) {
		return "no worker of queue " + workflows.ClassQueue(workflows.StemTrain, r.class().Class) + " took it within " + r.in.gpuWait.String()
	}
	return workflows.Reason(err)
}

// asAsked gates what was added after the first build: a run that was asked to pause or stop
// does so even if its trainer or worker fails. In all places where it is used, the first
// build ended the run with an error.
func (r *trainRun) asAsked(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "train-ends-as-asked", workflow.DefaultVersion, 1) >= 1
}

// mayRun waits until the run may use a GPU.
func (r *trainRun) mayRun(ctx workflow.Context) error {
	if job.MustContinue(ctx) {
		return job.ContinueAsNew(ctx, r.continuation)
	}
	if r.Paused {
		r.Waiting = job.WaitPerson
	}
	if err := r.setStage(ctx, stageTrain); err != nil {
		return err
	}
	if r.Waiting == job.WaitBudget && r.unpaid.By != nil {
		if err := r.AwaitBudget(ctx, r.unpaid, func() bool { return r.Enough || r.Budget != r.limit }); err != nil {
			return err
		}
	}
	err := workflow.Await(ctx, func() bool {
		return r.Enough || !r.Paused && (r.Waiting != job.WaitBudget || r.Budget != r.limit)
	})
	if err != nil {
		return err
	}
	r.Waiting, r.limit = "a worker of queue "+workflows.ClassQueue(workflows.StemTrain, r.class().Class), r.Budget
	return r.setStage(ctx, stageTrain)
}

// once runs the trainer on the current class until it ends, or until a person or a limit
// interrupts it. An interrupted trainer writes a checkpoint first. A second stop ends the
// evaluation that the first one started.
func (r *trainRun) once(ctx workflow.Context) (train.Run, error) {
	class := r.class()
	wait := r.in.gpuWait
	if r.following() < 0 && !r.Enough { // the best so far can be published without a GPU
		wait = 0
	}
	summary := "train " + workflows.Cell(r.in.Name) + " on " + class.Class
	if r.Enough {
		summary = "evaluate the best of " + workflows.Cell(r.in.Name) + " on " + class.Class
	}
	running, cancel := workflow.WithCancel(r.Train(ctx, class.Class, summary, wait))
	future := workflow.ExecuteActivity(running, r.a.RunTraining, train.RunInput{
		Tenant: r.tenant(), Job: r.Plan.Job, Spec: r.Plan.Spec, Train: *r.Check.TrainFile, Eval: r.Check.EvalFile,
		MayDrop: r.Check.MayDrop, Class: class.Class, MicroBatch: class.MicroBatch, Accumulation: class.Accumulation, SaveSeconds: r.Save,
		Finish: r.Enough, Ledger: r.ID, LimitMicroUSD: workflows.MicroUSD(r.limit), Before: r.Tally,
	})
	finishing, stops := r.Enough, r.Stops
	interrupted := func() bool {
		lowered := r.Budget > 0 && (r.limit == 0 || r.Budget < r.limit)
		return lowered || !finishing && (r.Paused || r.Enough)
	}
	impatient := func() bool { return finishing && r.Stops > stops }
	err := workflow.Await(ctx, func() bool { return future.IsReady() || interrupted() || impatient() })
	if err == nil && !future.IsReady() && !interrupted() && !r.asAsked(ctx) {
		err = workflow.Await(ctx, func() bool { return future.IsReady() || interrupted() })
	}
	stopping := err == nil && !future.IsReady()
	if stopping {
		cancel()
	}
	var out train.Run
	if err = future.Get(ctx, &out); err != nil {
		// Signals that the activity sent before its end arrive first, so they are handled
		// first.
		free, _ := workflow.NewDisconnectedContext(ctx)
		if err := job.Yield(free); err != nil {
			return out, err
		}
	}
	switch {
	case temporal.IsCanceledError(err) && ctx.Err() == nil:
		// It was not running: it had not started, or waited for a retry.
		return r.interrupted(nil), nil
	case err != nil && (stopping || ctx.Err() != nil) && !temporal.IsCanceledError(err) && r.asAsked(ctx):
		// The server does not retry a cancelled activity. It was meant to end, and it has.
		return r.interrupted(err), nil
	}
	return out, err
}

// interrupted is the outcome of an attempt that ended without a result: what its last
// heartbeat or signal reported.
func (r *trainRun) interrupted(err error) train.Run {
	out := train.Run{Ended: training.EndedStopped, Tally: r.Tally, Report: r.Report}
	timeout, ok := errors.AsType[*temporal.TimeoutError](err)
	if !ok || !timeout.HasLastHeartbeatDetails() {
		return out
	}
	var last train.Pulse
	if timeout.LastHeartbeatDetails(&last) == nil && newer(last.Tally, out.Tally) {
		out.Tally, out.Report = last.Tally, last.Report
	}
	return out
}

// newer reports whether a tally includes another one of the same run.
func newer(a, b train.Tally) bool {
	return a.Attempts >= b.Attempts && a.Seconds >= b.Seconds
}

// setDeadline starts the timer of timeout. When it fires, the best so far is kept.
func (r *trainRun) setDeadline(ctx workflow.Context) {
	if r.in.timeout == 0 {
		return
	}
	if r.Deadline.IsZero() {
		r.Deadline = workflow.Now(ctx).Add(r.in.timeout)
	}
	workflow.GoNamed(ctx, "deadline", func(ctx workflow.Context) {
		if workflow.Sleep(ctx, max(0, r.Deadline.Sub(workflow.Now(ctx)))) == nil {
			r.Enough = true
		}
	})
}

// abandon ends a run that failed or was cancelled: it publishes the best so far (of a
// cancelled run) and releases the claim. It uses a disconnected context, because the run's
// own may be cancelled.
func (r *trainRun) abandon(ctx workflow.Context, cause error) error {
	free, _ := workflow.NewDisconnectedContext(ctx)
	var err error
	// An attempt that died may have stored a checkpoint without reporting it.
	if temporal.IsCanceledError(cause) && (r.Report.Checkpoint > 0 || r.Tally.Attempts > 0 && r.asAsked(free)) {
		in := r.publishInput()
		in.IfThere = true
		_, err = workflows.Call(r.Copying(free, "keep the best so far"), r.a.PublishAdapter, in)
	}
	err = errors.Join(err, workflows.Do(r.Metadata(free, "release the job"), r.a.ReleaseJob, r.job()))
	if err != nil {
		return temporal.NewNonRetryableApplicationError(
			workflows.Reason(cause)+"; and cleaning up failed: "+err.Error(), workflows.ClassOf(cause), cause)
	}
	return cause
}

func (r *trainRun) tenant() tenant.ID { return tenant.ID(r.in.Tenant) }

func (r *trainRun) job() activities.JobInput {
	return activities.JobInput{Tenant: r.tenant(), Job: r.Plan.Job}
}
