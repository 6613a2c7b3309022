package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/workflows/signal"
)

// The stages of a training run, as people see them. Evaluation is a part of
// training: it needs the same GPU.
const (
	stageCheck = "check"
	stagePlan  = "plan"
	stageTrain = "train"
)

// The statuses of a result.
const (
	statusTrained   = "trained"
	statusUnchanged = "unchanged"
	statusStopped   = "stopped"
	statusDryRun    = "dry_run"
)

// TrainSFT fine-tunes a language model on answers.
func TrainSFT(ctx workflow.Context, in TrainInput) (TrainResult, error) {
	return runTraining(ctx, training.SFT, in)
}

// TrainDPO fine-tunes a language model on pairs of a preferred and a rejected answer.
func TrainDPO(ctx workflow.Context, in TrainInput) (TrainResult, error) {
	return runTraining(ctx, training.DPO, in)
}

// TrainEmbedding fine-tunes a text encoder on triplets or pairs.
func TrainEmbedding(ctx workflow.Context, in TrainInput) (TrainResult, error) {
	return runTraining(ctx, training.Embedding, in)
}

// trainState is what a run knows; continue-as-new hands it on.
type trainState struct {
	Check    dataset.Check `json:"check"`
	Plan     train.Plan    `json:"plan"`
	Ignored  []string      `json:"ignored,omitempty"`
	Save     float64       `json:"checkpoint_seconds,omitempty"`
	Class    int           `json:"class"` // index into the plan's classes
	Tally    train.Tally   `json:"tally"`
	Report   train.Report  `json:"report"`
	Budget   float64       `json:"budget"`
	Paused   bool          `json:"paused,omitempty"`
	Finish   bool          `json:"finish,omitempty"` // enough: keep the best so far
	Stops    int           `json:"stops,omitempty"`  // signals that asked for it
	Started  time.Time     `json:"started"`
	Deadline time.Time     `json:"deadline,omitzero"` // of training; zero = none
	Chain    string        `json:"chain"`
}

// trainContinuation is the input of a continued run.
type trainContinuation struct {
	TrainInput
	Resume *trainState `json:"resume,omitempty"`
}

// trainRun is the state of one training workflow.
type trainRun struct {
	caller
	signals signal.Log
	trainState
	in      TrainInput
	a       *train.Activities
	stage   string
	waiting string
	limit   float64 // budget that the trainer was last started with
	warning string  // what the result is not, and why
}

func runTraining(ctx workflow.Context, method training.Method, in TrainInput) (TrainResult, error) {
	r := &trainRun{in: in, stage: stageCheck}
	r.Started, r.Chain = workflow.Now(ctx), chain(ctx)
	result, err := r.run(ctx, method)
	if err != nil && !workflow.IsContinueAsNewError(err) {
		err = staged(r.stage, ended(ctx, err))
	}
	return result, err
}

// run is the recipe.
func (r *trainRun) run(ctx workflow.Context, method training.Method) (TrainResult, error) {
	if err := r.in.check(ctx, method); err != nil {
		return TrainResult{}, typed(err)
	}
	if err := r.listen(ctx); err != nil {
		return TrainResult{}, err
	}
	state, err := handedOn(ctx, r.in.received.resume, func(s trainState) string { return s.Chain })
	if err == nil && state != nil {
		err = state.check()
	}
	if err != nil {
		return TrainResult{}, typed(err)
	}
	if state != nil {
		budget := r.Budget // the input has it, where whoever checks inputs sees it
		r.trainState = *state
		r.Budget = budget
	} else if err := r.plan(ctx); err != nil {
		return TrainResult{}, err
	}
	if r.in.DryRun {
		return r.dryRun(ctx)
	}
	done, err := call(r.metadata(ctx, "claim the job"), r.a.ClaimJob, r.job())
	if err != nil {
		return TrainResult{}, err
	}
	status := statusUnchanged
	if done == nil || done.Ended != training.EndedDone {
		status, err = r.train(ctx)
	}
	if workflow.IsContinueAsNewError(err) {
		return TrainResult{}, err
	}
	var result TrainResult
	if err == nil {
		result, err = r.publish(ctx, status)
	}
	if err != nil {
		return TrainResult{}, r.abandon(ctx, err)
	}
	return result, do(r.metadata(ctx, "release the job"), r.a.ReleaseJob, r.job())
}

// plan checks the data and finds out what the job is and needs, before any GPU is taken.
func (r *trainRun) plan(ctx workflow.Context) error {
	kind := workflow.GetInfo(ctx).WorkflowType.Name
	if err := describeRun(ctx, kind, r.in.Common, ""); err != nil {
		return err
	}
	config, lora, extras, err := r.in.resolve()
	if err != nil {
		return typed(err)
	}
	r.Ignored, r.Save = extras.Ignored, extras.CheckpointSeconds
	if err := r.tell(ctx, stageCheck); err != nil {
		return err
	}
	r.Check, err = call(r.media(ctx, "check the dataset"), r.a.PrepareDataset, train.PrepareInput{
		Tenant: r.tenant(), Method: r.in.method, Train: r.in.Dataset, Eval: r.in.EvalDataset, Seed: *r.in.Seed,
		MaxSeqLength: config.MaxSeqLength, Loss: config.Loss, ValidationShare: extras.ValidationSplit,
		AllowDropped: extras.AllowDropped, MinRows: extras.MinRows,
	})
	if err != nil {
		return err
	}
	if err := r.tell(ctx, stagePlan); err != nil {
		return err
	}
	r.Plan, err = call(r.metadata(ctx, "estimate memory, time and cost"), r.a.PlanTraining, train.PlanInput{
		Tenant: r.tenant(), Method: r.in.method, BaseModel: r.in.BaseModel, Config: config, LoRA: lora, Extras: extras,
		Seed: *r.in.Seed, Train: *r.Check.TrainFile, Eval: r.Check.EvalFile,
		Lengths: r.Check.Train.Tokens, Rows: r.Check.Train.Kept, GPU: r.in.GPU, BudgetUSD: r.Budget,
	})
	return err
}

// runTraining gets the job done on one class after another, through pauses, limits
// and lost workers. It returns the status of the result.
func (r *trainRun) train(ctx workflow.Context) (string, error) {
	r.setDeadline(ctx)
	for {
		if err := r.mayRun(ctx); err != nil {
			return "", err
		}
		if r.Finish && r.Report.Checkpoint == 0 {
			if !r.asAsked(ctx) {
				return "", typed(fault.New(fault.Input, "stop training", r.in.Name, "no checkpoint was written yet, so nothing can be kept"))
			}
			return r.unevaluated("it stopped before a checkpoint was reported"), nil
		}
		finishing, stops := r.Finish, r.Stops
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
			r.signals.Ignored = run.Ignored
		}
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case run.Ended == training.EndedDone && finishing:
			return statusStopped, nil
		case run.Ended == training.EndedDone:
			return statusTrained, nil // although a stop may have come in the last moment
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
			r.waiting = string(fault.Budget)
		}
	}
}

// unevaluated ends a run that was asked to stop, and whose best adapter cannot be
// evaluated. It is published all the same.
func (r *trainRun) unevaluated(why string) string {
	r.warning = why
	return statusStopped
}

// whyNot says why the best adapter so far was not evaluated.
func (r *trainRun) whyNot(err error) string {
	if late(err) {
		return "no worker of queue " + ClassQueue(StemTrain, r.class().Class) + " took it within " + r.in.gpuWait.String()
	}
	return reason(err)
}

// asAsked gates what was added after the first build: a run that was asked to pause
// or to end does so whatever becomes of its trainer and its worker. Every use of it
// is where the first build ended the run with an error.
func (r *trainRun) asAsked(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, "train-ends-as-asked", workflow.DefaultVersion, 1) >= 1
}

// mayRun waits until nothing keeps the run from having a GPU.
func (r *trainRun) mayRun(ctx workflow.Context) error {
	if r.mustContinue(ctx) {
		return r.continueAsNew(ctx)
	}
	if r.Paused {
		r.waiting = "a person to resume it"
	}
	if err := r.tell(ctx, stageTrain); err != nil {
		return err
	}
	err := workflow.Await(ctx, func() bool {
		return r.Finish || !r.Paused && (r.waiting != string(fault.Budget) || r.Budget != r.limit)
	})
	if err != nil {
		return err
	}
	r.waiting, r.limit = "a worker of queue "+ClassQueue(StemTrain, r.class().Class), r.Budget
	return r.tell(ctx, stageTrain)
}

// once runs the trainer on the class at hand until it ends, or a person or a limit
// wants something else. An interrupted trainer writes a checkpoint first. A second
// stop ends the evaluation that the first one has begun.
func (r *trainRun) once(ctx workflow.Context) (train.Run, error) {
	class := r.class()
	wait := r.in.gpuWait
	if r.following() < 0 && !r.Finish { // the best so far can be published without a GPU
		wait = 0
	}
	summary := "train " + cell(r.in.Name) + " on " + class.Class
	if r.Finish {
		summary = "evaluate the best of " + cell(r.in.Name) + " on " + class.Class
	}
	running, cancel := workflow.WithCancel(r.caller.train(ctx, class.Class, summary, wait))
	future := workflow.ExecuteActivity(running, r.a.RunTraining, train.RunInput{
		Tenant: r.tenant(), Job: r.Plan.Job, Spec: r.Plan.Spec, Train: *r.Check.TrainFile, Eval: r.Check.EvalFile,
		Class: class.Class, MicroBatch: class.MicroBatch, Accumulation: class.Accumulation, SaveSeconds: r.Save,
		Finish: r.Finish, Ledger: r.Chain, LimitMicroUSD: micro(r.limit), Before: r.Tally,
	})
	finishing, stops := r.Finish, r.Stops
	interrupted := func() bool {
		lowered := r.Budget > 0 && (r.limit == 0 || r.Budget < r.limit)
		return lowered || !finishing && (r.Paused || r.Finish)
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
		// What the activity has signalled before its end came before it: it is handled first.
		free, _ := workflow.NewDisconnectedContext(ctx)
		if err := yield(free); err != nil {
			return out, err
		}
	}
	switch {
	case temporal.IsCanceledError(err) && ctx.Err() == nil:
		// It was not running: it had not begun, or waited to be tried again.
		return r.interrupted(nil), nil
	case err != nil && (stopping || ctx.Err() != nil) && !temporal.IsCanceledError(err) && r.asAsked(ctx):
		// The server does not retry what it has cancelled. It was to end, and it has.
		return r.interrupted(err), nil
	}
	return out, err
}

// interrupted is the outcome of an attempt that ended without saying so: what its
// last heartbeat or signal has told.
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

// setDeadline starts the clock of timeout. When it ends, the best so far is kept.
func (r *trainRun) setDeadline(ctx workflow.Context) {
	if r.in.timeout == 0 {
		return
	}
	if r.Deadline.IsZero() {
		r.Deadline = workflow.Now(ctx).Add(r.in.timeout)
	}
	workflow.GoNamed(ctx, "deadline", func(ctx workflow.Context) {
		if workflow.Sleep(ctx, max(0, r.Deadline.Sub(workflow.Now(ctx)))) == nil {
			r.Finish = true
		}
	})
}

// abandon ends a run that failed or was cancelled: the best so far is published
// (of a cancelled one), and the claim is given back. It runs outside the
// cancelled context, or it would never happen.
func (r *trainRun) abandon(ctx workflow.Context, cause error) error {
	free, _ := workflow.NewDisconnectedContext(ctx)
	var err error
	// An attempt that died may have stored a checkpoint without telling.
	if temporal.IsCanceledError(cause) && (r.Report.Checkpoint > 0 || r.Tally.Attempts > 0 && r.asAsked(free)) {
		in := r.publishInput()
		in.IfThere = true
		_, err = call(r.copying(free, "keep the best so far"), r.a.PublishAdapter, in)
	}
	err = errors.Join(err, do(r.metadata(free, "release the job"), r.a.ReleaseJob, r.job()))
	if err != nil {
		return temporal.NewNonRetryableApplicationError(
			reason(cause)+"; and cleaning up failed: "+err.Error(), classOf(cause), cause)
	}
	return cause
}

// mustContinue: pauses and raised limits have made the history long.
func (r *trainRun) mustContinue(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > maxEvents
}

func (r *trainRun) continueAsNew(ctx workflow.Context) error {
	if err := settleDown(ctx); err != nil {
		return err
	}
	in := trainContinuation{TrainInput: r.in}
	in.BudgetUSD = r.Budget
	in.Dataset, in.EvalDataset = activities.Dataset{URI: activities.UploadScheme + r.Check.TrainFile.SHA256}, nil
	state := r.trainState
	in.Resume = &state
	return workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, in)
}

func (r *trainRun) tenant() tenant.ID { return tenant.ID(r.in.Tenant) }

func (r *trainRun) job() activities.JobInput {
	return activities.JobInput{Tenant: r.tenant(), Job: r.Plan.Job}
}
