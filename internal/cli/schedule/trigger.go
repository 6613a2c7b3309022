package schedule

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
)

// Bounds of the wait for the server's decision about a triggered run.
const (
	answerEvery = 100 * time.Millisecond
	answerLimit = 15 * time.Second
)

// answer is what the server decided about a triggered run.
type answer struct {
	ID      string `json:"schedule_id"`
	Outcome string `json:"outcome"` // started, skipped, buffered, dropped, or unknown: the server did not decide in time
	Run     *run   `json:"run,omitempty"`
	Open    []run  `json:"open,omitempty"` // runs because of which it did not start
	overlap string
}

func (a app) triggerCommand() *cobra.Command {
	var overlap string
	cmd := &cobra.Command{
		Use:   "trigger ID",
		Short: "Start a run of a schedule now",
		Long: `Trigger starts a run now, also if the schedule is paused. The overlap policy of the schedule holds,
unless --overlap is set. Trigger waits for the server's decision: with overlap skip and an open run,
nothing starts, and the exit code is 1.`,
		Example:           "  cogflow schedule trigger nightly\n  cogflow schedule trigger nightly --overlap buffer-one",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeIDs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if overlap != "" {
				if err := cli.CheckOneOf("overlap", overlap, policyWords()[1:]); err != nil {
					return err
				}
			}
			c, err := a.Connect(cmd.Context())
			if err != nil {
				return err
			}
			t, err := a.trigger(cmd.Context(), c, args[0], overlap)
			if err != nil {
				return err
			}
			if a.JSON {
				return errors.Join(a.PrintJSON(t), t.failure(args[0]))
			}
			if err := t.failure(args[0]); err != nil {
				return err
			}
			a.Say("%s", t.text())
			if t.Run != nil && !a.Quiet {
				a.Note("Web UI: %s", t.Run.UI)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&overlap, "overlap", "", "in place of the policy of the schedule: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all")
	cli.OfferWords(cmd, "overlap", policyWords()[1:]...)
	return cmd
}

// trigger starts a run and waits until the server has decided about it.
func (a app) trigger(ctx context.Context, c client.Client, id, overlap string) (answer, error) {
	before, err := a.describe(ctx, c, id)
	if err != nil {
		return answer{}, err
	}
	err = a.patch(ctx, c, id, &schedulepb.SchedulePatch{TriggerImmediately: &schedulepb.TriggerImmediatelyRequest{OverlapPolicy: policyOf(overlap)}})
	if err != nil {
		return answer{}, err
	}
	if overlap == "" {
		overlap = overlapOf(before.GetSchedule())
	}
	limit := time.NewTimer(answerLimit)
	defer limit.Stop()
	ticker := time.NewTicker(answerEvery)
	defer ticker.Stop()
	for {
		d, err := a.describe(ctx, c, id)
		if err != nil {
			return answer{}, err
		}
		if t, decided := a.decided(id, before, d); decided {
			t.overlap = overlap
			return t, nil
		}
		select {
		case <-ctx.Done():
			return answer{}, ctx.Err()
		case <-limit.C:
			return answer{ID: id, Outcome: "unknown", overlap: overlap}, nil
		case <-ticker.C:
		}
	}
}

// decided compares a schedule with itself before the trigger. A scheduled run may be due at the
// same moment; then the answer is about either of them.
func (a app) decided(id string, before, d *workflowservice.DescribeScheduleResponse) (answer, bool) {
	old, now := a.report(id, before, time.Now()), a.report(id, d, time.Now())
	t := answer{ID: id}
	switch {
	case now.Counts.Started > old.Counts.Started && len(now.Recent) > 0:
		t.Outcome, t.Run = "started", &now.Recent[len(now.Recent)-1]
	case now.Counts.Skipped > old.Counts.Skipped:
		t.Outcome, t.Open = "skipped", now.Running
	case now.Counts.Dropped > old.Counts.Dropped:
		t.Outcome, t.Open = "dropped", now.Running
	case now.Counts.Buffered > old.Counts.Buffered:
		t.Outcome, t.Open = "buffered", now.Running
	}
	return t, t.Outcome != ""
}

func (t answer) text() string {
	switch t.Outcome {
	case "started":
		return "Started " + t.Run.WorkflowID
	case "buffered":
		return "The run waits until " + t.other() + " has ended (overlap " + t.overlap + ")."
	}
	return "The server has not decided yet: cogflow schedule show " + t.ID + " shows the run."
}

func (t answer) other() string {
	if len(t.Open) == 0 {
		return "another run"
	}
	return t.Open[0].WorkflowID
}

// failure is the error of a trigger that started nothing and never will.
func (t answer) failure(id string) error {
	switch t.Outcome {
	case "skipped":
		return fault.New(fault.Input, "trigger schedule", id, "nothing was started, because "+t.other()+
			" is open and the overlap policy is "+t.overlap+": wait for it, end it with cogflow cancel, or use --overlap buffer-one")
	case "dropped":
		return fault.New(fault.Input, "trigger schedule", id, "nothing was started, because the buffer of waiting runs is full: wait for "+t.other())
	}
	return nil
}
