package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
)

// CheckHealth asks one worker of each queue about itself. A pool that takes
// nothing within a few seconds is reported as absent.
func CheckHealth(ctx workflow.Context, in CheckHealthInput) (CheckHealthResult, error) {
	if err := in.received.Problem(ctx); err != nil {
		return CheckHealthResult{}, Typed(err)
	}
	if err := in.check(); err != nil {
		return CheckHealthResult{}, Typed(err)
	}
	var out CheckHealthResult
	var a *activities.Health
	c := NewCaller(in.Common)
	queues := in.Queues
	if len(queues) == 0 {
		queues = []string{
			QueueMain, QueueMedia, ClassQueue(StemDescribe, "cpu"), ClassQueue(StemEmbed, "cpu"), QueueIndex, QueueLM,
		}
	}
	futures := make([]workflow.Future, len(queues))
	for i, queue := range queues {
		ctx := c.with(ctx, queue, "ask pool "+queue, metadataTimeout)
		options := workflow.GetActivityOptions(ctx)
		options.ScheduleToStartTimeout = healthWait
		futures[i] = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), a.Health, activities.HealthInput{Ask: in.Ask})
	}
	for i, queue := range queues {
		var one activities.HealthResult
		start := workflow.Now(ctx)
		if err := futures[i].Get(ctx, &one); err != nil {
			out.Checks = append(out.Checks, activities.HealthCheck{
				Part: "pool " + queue, Status: "fail", Detail: "no worker answers: " + Reason(err) + "; start one with `make up`",
			})
			continue
		}
		out.Checks = append(out.Checks, activities.HealthCheck{
			Part: "pool " + queue, Status: "ok", Detail: "answers in " + workflow.Now(ctx).Sub(start).Round(time.Millisecond).String(),
		})
		for _, check := range one.Checks { // one process may serve several pools
			if !slices.Contains(out.Checks, check) {
				out.Checks = append(out.Checks, check)
			}
		}
	}
	return out, nil
}

// CheckHealthInput starts CheckHealth.
type CheckHealthInput struct {
	Common
	Queues []string `json:"queues,omitempty"` // task queues to ask; empty = those of a host without GPUs

	Ask bool `json:"ask,omitempty"` // ask each chat model one small question, which is paid, and report the parameters that it accepts

	received Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *CheckHealthInput) UnmarshalJSON(data []byte) error {
	type plain CheckHealthInput
	in.received = Receive(data, (*plain)(in))
	return nil
}

func (in *CheckHealthInput) check() error {
	for _, queue := range in.Queues {
		if !slices.Contains(ActivityQueues(), queue) {
			return fault.New(fault.Input, "read input", "queues", "must be task queues of cogflow, such as media or describe-l40s, not "+queue)
		}
	}
	return in.CheckCommon()
}

// CheckHealthResult is what CheckHealth returns: one row for each part that was checked.
type CheckHealthResult struct {
	Checks []activities.HealthCheck `json:"checks"` // one entry per part
}
