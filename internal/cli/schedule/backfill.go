package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cogniverse/cogflow/internal/cli"
)

// maxBackfill bounds the runs of one backfill. The server's buffer of waiting runs drops more, and
// its list of times ends there.
const maxBackfill = 1000

// backfilled is the JSON output of `schedule backfill`.
type backfilled struct {
	ID      string      `json:"schedule_id"`
	Times   []time.Time `json:"times"` // one run for each
	Overlap string      `json:"overlap"`
	DryRun  bool        `json:"dry_run,omitempty"`
	UI      string      `json:"ui"`
}

func (a app) backfillCommand() *cobra.Command {
	var from, to, overlap string
	var dry bool
	cmd := &cobra.Command{
		Use:   "backfill ID --from TIME --to TIME",
		Short: "Run the times of a past period",
		Long: `Backfill starts a run for each time of the schedule from --from to --to, both included, as if the
period passed now: after a pause, an outage longer than --catch-up, or for the time before the schedule existed.
The runs follow each other (overlap buffer-all) unless --overlap is set, because with skip
only the first would run. Times without an offset are in the time zone of the schedule.`,
		Example:           "  cogflow schedule backfill nightly --from 2026-11-01 --to 2026-11-08 --dry-run",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeIDs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.CheckOneOf("overlap", overlap, policyWords()[1:]); err != nil {
				return err
			}
			c, err := a.Connect(cmd.Context())
			if err != nil {
				return err
			}
			out, err := a.backfill(cmd.Context(), c, args[0], from, to, overlap, dry)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(out)
			}
			a.printBackfill(out)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "first time: 2026-11-01, \"2026-11-01 03:00\" or RFC 3339")
	f.StringVar(&to, "to", "", "last time; not after now")
	f.StringVar(&overlap, "overlap", "buffer-all", "if another run of the schedule is open: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all (default buffer-all)")
	f.BoolVar(&dry, "dry-run", false, "list the times, start nothing")
	cli.OfferWords(cmd, "overlap", policyWords()[1:]...)
	return cmd
}

func (a app) backfill(ctx context.Context, c client.Client, id, from, to, overlap string, dry bool) (out backfilled, err error) {
	d, err := a.describe(ctx, c, id)
	if err != nil {
		return out, err
	}
	zone := zoneOf(d.GetSchedule().GetSpec())
	if zone == nil {
		zone = time.UTC
	}
	first, err := moment("from", from, zone)
	if err != nil {
		return out, err
	}
	last, err := moment("to", to, zone)
	switch {
	case err != nil:
		return out, err
	case first == nil || last == nil:
		return out, cli.Usage("--from and --to are required")
	case last.AsTime().Before(first.AsTime()):
		return out, cli.Usage("--to must not be before --from")
	case last.AsTime().After(time.Now()) && !dry:
		return out, cli.Usage("--to must not be after now: the schedule itself runs the times to come")
	}
	out = backfilled{ID: id, Overlap: overlap, DryRun: dry, UI: a.Where.ScheduleLink(id)}
	if out.Times, err = a.matching(ctx, c, id, first, last); err != nil || dry {
		return out, err
	}
	switch n := len(out.Times); {
	case n == 0:
		return out, nil
	case n >= maxBackfill:
		return out, cli.Usage("the period has %d runs or more; choose a shorter period", maxBackfill)
	}
	return out, a.patch(ctx, c, id, &schedulepb.SchedulePatch{BackfillRequest: []*schedulepb.BackfillRequest{
		{StartTime: first, EndTime: last, OverlapPolicy: policyOf(overlap)},
	}})
}

// matching asks the server for the times of a schedule in a period, both ends included. The
// server leaves out the first moment, so the question begins just before it.
func (a app) matching(ctx context.Context, c client.Client, id string, first, last *timestamppb.Timestamp) ([]time.Time, error) {
	r, err := c.WorkflowService().ListScheduleMatchingTimes(ctx, &workflowservice.ListScheduleMatchingTimesRequest{
		Namespace: a.Where.Namespace, ScheduleId: id, StartTime: timestamppb.New(first.AsTime().Add(-time.Millisecond)), EndTime: last,
	})
	if err != nil {
		return nil, missing(id, err)
	}
	all := []time.Time{}
	for _, t := range r.GetStartTime() {
		all = append(all, t.AsTime())
	}
	return all, nil
}

// printedTimes bounds the times of a backfill that are printed one by one.
const printedTimes = 20

func (a app) printBackfill(out backfilled) {
	verb := "Starts"
	if out.DryRun {
		verb = "Would start"
	}
	if len(out.Times) == 0 {
		a.Say("The schedule has no time in this period: nothing to run.")
		return
	}
	a.Say("%s %s of %s (overlap %s):", verb, runs(int64(len(out.Times))), out.ID, out.Overlap)
	for i, t := range out.Times {
		if i == printedTimes {
			a.Say("  and %d more", len(out.Times)-i)
			break
		}
		a.Say("  %s", t.Format(time.RFC3339))
	}
	if !out.DryRun {
		a.Say("%s", fmt.Sprintf("cogflow schedule show %s shows them.", out.ID))
	}
}
