// Package frames is the recipe that describes a batch of pictures. The pictures and their
// descriptions are objects; the history has references and counts.
package frames

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/frames"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// The stages of a batch: values of CogStage, and words in the Web UI.
const (
	stagePlan     = "plan"
	stageDescribe = "describe"
)

const kind = "DescribeFrames"

// Describe describes the frames of a batch: plan → describe by parts → publish.
func Describe(ctx workflow.Context, in Input) (Result, error) {
	r := &run{in: in}
	r.Run = job.New(ctx, r.showDetails)
	r.progress = Progress{Stage: stagePlan}
	out, err := r.run(ctx)
	if err != nil {
		err = workflows.Staged(r.progress.Stage, err)
	}
	return out, err
}

// run is the state of one run.
type run struct {
	job.Run
	in       Input
	a        *frames.Activities
	plan     frames.Plan
	progress Progress
	calls    int
	micro    int64 // settled cost
	next     int   // the first part that is not started yet
	inFlight int
	failure  error
}

func (r *run) run(ctx workflow.Context) (Result, error) {
	if err := r.in.check(ctx); err != nil {
		return Result{}, workflows.Typed(err)
	}
	r.progress.Batch, r.progress.Model, r.progress.Tenant = r.in.Batch, r.in.Model, r.in.Tenant
	err := job.Listen(ctx, &r.Run, r.in.Common, job.Handlers[Progress]{
		About: "How many frames of this batch are described", Progress: r.answer, Pays: true,
	})
	if err != nil {
		return Result{}, err
	}
	if err := workflows.SetAttributes(ctx, kind, r.in.Common, ""); err != nil {
		return Result{}, err
	}
	r.plan, err = workflows.Call(r.Metadata(ctx, "pin the batch and the model"), r.a.PlanBatch,
		frames.PlanInput{Tenant: r.tenant(), Batch: r.batch(), Model: r.in.Model, Prompt: r.in.Prompt})
	if err != nil {
		return Result{}, workflows.Ended(ctx, err)
	}
	r.progress.Frames, r.progress.Failed = r.plan.Frames+r.plan.Refused, r.plan.Refused
	r.setStage(ctx, stageDescribe)
	if err := r.describe(ctx); err != nil {
		return Result{}, r.account(ctx, workflows.Ended(ctx, err))
	}
	return r.finish(ctx)
}

// describe starts a part as soon as fewer than a few are in progress. A part that fails ends the
// others first.
func (r *run) describe(ctx workflow.Context) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	for {
		err := workflow.Await(ctx, func() bool { return r.failure != nil || r.canStart() || r.inFlight == 0 && r.next == r.plan.Chunks })
		if err != nil {
			r.fail(err)
		}
		if r.failure != nil || !r.canStart() {
			break
		}
		part := r.next
		r.next++
		r.inFlight++
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer func() { r.inFlight-- }()
			if err := r.part(ctx, part); err != nil {
				r.fail(err)
			}
		})
	}
	if r.failure == nil {
		return nil
	}
	cancel()
	free, _ := workflow.NewDisconnectedContext(ctx)
	if err := workflow.Await(free, func() bool { return r.inFlight == 0 }); err != nil {
		return err
	}
	return r.failure
}

func (r *run) canStart() bool {
	return !r.Paused && r.next < r.plan.Chunks && r.inFlight < workflows.ChunksInFlight
}

func (r *run) fail(err error) {
	if r.failure == nil {
		r.failure = err
	}
}

// part describes one part within the budget, and waits while the budget is used up.
func (r *run) part(ctx workflow.Context, part int) error {
	from, until := part*frames.ChunkFrames+1, min((part+1)*frames.ChunkFrames, r.plan.Frames)
	summary := fmt.Sprintf("describe frames %d–%d of %d with %s", from, until, r.plan.Frames, workflows.Cell(r.in.Model))
	for times := 0; ; times++ {
		limit, news := workflows.MicroUSD(r.Budget), r.News
		out, err := workflows.CallOnClass(ctx, r.Caller, workflows.StemDescribe, r.plan.GPU, r.plan.GPUWait, summary, r.a.DescribeBatch, frames.ChunkInput{
			Tenant: r.tenant(), Batch: r.batch(), Stage: r.plan.Stage, Chunk: part, Job: r.ID, LimitMicroUSD: limit,
		})
		if err == nil {
			r.described(ctx, out)
			return nil
		}
		if workflows.ClassOf(err) != string(fault.Budget) {
			return err
		}
		if err := r.awaitBudget(ctx, job.Unpaid{By: workflows.BlockedBy(err), News: news, Times: times}, limit); err != nil {
			return err
		}
	}
}

// awaitBudget waits for more budget. The search attribute says so also if the limit is that of the
// run: callers who wait for the batch are told.
func (r *run) awaitBudget(ctx workflow.Context, why job.Unpaid, limit int64) error {
	if why.By != nil {
		return r.AwaitBudget(ctx, why, func() bool { return workflows.MicroUSD(r.Budget) != limit })
	}
	if err := r.ShowStage(ctx, job.StageBudget, r.progress.Failed, workflows.USD(r.micro)); err != nil {
		return err
	}
	if err := r.AwaitBudget(ctx, why, func() bool { return workflows.MicroUSD(r.Budget) != limit }); err != nil {
		return err
	}
	return r.ShowStage(ctx, stageDescribe, r.progress.Failed, workflows.USD(r.micro))
}

func (r *run) described(ctx workflow.Context, out frames.ChunkResult) {
	r.progress.Described += out.Frames - out.Failed
	r.progress.Failed += out.Failed
	r.calls += out.Calls
	r.pay(max(r.micro, out.SpentMicroUSD))
	r.showDetails(ctx)
}

func (r *run) pay(micro int64) {
	r.micro, r.progress.CostUSD = micro, workflows.USD(micro)
}

// finish puts the descriptions together.
func (r *run) finish(ctx workflow.Context) (Result, error) {
	r.setStage(ctx, job.StagePublish)
	done, err := workflows.Call(r.Metadata(ctx, "put the descriptions together"), r.a.FinishBatch,
		frames.FinishInput{Tenant: r.tenant(), Batch: r.batch(), Stage: r.plan.Stage, Chunks: r.plan.Chunks, Job: r.ID})
	if err != nil {
		return Result{}, r.account(ctx, workflows.Ended(ctx, err))
	}
	r.progress.Described, r.progress.Failed = done.Described, done.Failed
	r.pay(done.Spend.CostMicroUSD)
	r.setStage(ctx, job.StageDone)
	return Result{
		Batch: r.in.Batch, Descriptions: done.Descriptions, Frames: r.progress.Frames, Described: done.Described,
		Failed: done.Failed, Failures: done.Failures, Calls: r.calls, CostUSD: r.progress.CostUSD,
	}, r.failure
}

// account takes the cost of a run that failed or was cancelled from the ledger.
func (r *run) account(ctx workflow.Context, cause error) error {
	spend, known, err := job.FinalCost(ctx, r.Caller, ingest.SpendInput{
		Tenant: r.tenant(), Job: r.ID, Workflow: workflow.GetInfo(ctx).WorkflowExecution.ID,
	})
	if err != nil {
		return temporal.NewNonRetryableApplicationError(
			workflows.Reason(cause)+"; and summing up its cost failed: "+workflows.Reason(err), workflows.ClassOf(cause), cause)
	}
	if !known {
		return cause
	}
	r.pay(spend.CostMicroUSD)
	r.showDetails(ctx)
	if err := workflows.SetStage(ctx, r.progress.Stage, max(1, r.progress.Failed), r.progress.CostUSD); err != nil {
		return err
	}
	return cause
}

func (r *run) tenant() tenant.ID { return tenant.ID(r.in.Tenant) }

func (r *run) batch() video.Fingerprint { return video.Fingerprint(r.in.Batch) }
