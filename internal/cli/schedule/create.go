package schedule

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
)

// minCatchUp is the shortest window that the server keeps.
const minCatchUp = 10 * time.Second

// options are the flags of `schedule create`.
type options struct {
	times
	work
	overlap, catchUp string
	pauseOnFailure   bool
	paused           bool
	note             string
	runs             int
	replace, trigger bool
}

func (a app) createCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "create ID [flags] -- COMMAND…",
		Short: "Create a schedule, or replace one",
		Long: `Create makes a schedule that starts the job of COMMAND: ingest, train, optimize and other commands
that start work, with their flags, after --. The command is checked as for a direct start, local
datasets are uploaded now, and a wrong input is refused now. --type starts any workflow type by a JSON input.

Overlap says what happens if a run is due while another runs: skip it (the default), buffer one or
all for later, cancel or terminate the other, or allow both. Runs that an outage prevented are made
up for when the server is back, if they are not older than --catch-up.

A cron time in a zone with daylight saving can be skipped or repeated when clocks are moved. The
server is asked about the changes of the next year. A schedule with such a day is refused, unless --accept-clock-changes is set. --every counts hours, not clock times.

An existing id is refused, and what differs is named. --replace changes the schedule; it keeps its counts, its
pause and its note, and never runs times that are past.`,
		Example: `  cogflow schedule create nightly --cron "0 4 * * *" --time-zone Europe/Berlin -- ingest s3://bucket/videos --recursive
  cogflow schedule create weekly-router --every 7d --pause-on-failure -- optimize --program router.json --trainset s3://bucket/queries.jsonl
  cogflow schedule create hourly --every 1h --offset 10m --overlap buffer-one --type IngestLibrary --input-file ingest.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() == 0 {
				return cli.Usage("ID is required before --")
			}
			o.command = args[1:]
			return a.create(cmd.Context(), args[0], o, cmd.Flags().Changed)
		},
	}
	o.times.flags(cmd)
	o.work.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.overlap, "overlap", "skip", "if another run of the schedule is open: skip, buffer-one, buffer-all, cancel-other, terminate-other or allow-all (default skip)")
	f.StringVar(&o.catchUp, "catch-up", "24h", "after an outage, make up for runs that are at most this late, at least 10s (default 24h)")
	f.BoolVar(&o.pauseOnFailure, "pause-on-failure", false, "pause the schedule when a run fails or times out")
	f.BoolVar(&o.paused, "paused", false, "create it paused")
	f.StringVar(&o.note, "note", "", "text that list and show print")
	f.IntVar(&o.runs, "runs", 0, "end after this many runs; 0 = no limit")
	f.BoolVar(&o.replace, "replace", false, "replace a schedule that exists")
	f.BoolVar(&o.trigger, "trigger", false, "also start a run now")
	cli.OfferWords(cmd, "overlap", policyWords()[1:]...)
	return cmd
}

// schedule converts the options to the server's form.
func (a app) schedule(ctx context.Context, id string, o options) (*schedulepb.Schedule, cli.Job, error) {
	if err := cli.CheckOneOf("overlap", o.overlap, policyWords()[1:]); err != nil {
		return nil, cli.Job{}, err
	}
	catchUp, err := span("catch-up", o.catchUp, minCatchUp)
	if err != nil {
		return nil, cli.Job{}, err
	}
	if o.runs < 0 {
		return nil, cli.Job{}, cli.Usage("--runs must not be negative")
	}
	spec, err := o.spec(time.Now())
	if err != nil {
		return nil, cli.Job{}, err
	}
	j, err := a.job(ctx, id, o.work)
	if err != nil {
		return nil, j, err
	}
	start, err := action(id, j)
	return &schedulepb.Schedule{
		Spec: spec, Action: start,
		Policies: &schedulepb.SchedulePolicies{OverlapPolicy: policyOf(o.overlap), CatchupWindow: catchUp, PauseOnFailure: o.pauseOnFailure},
		State:    &schedulepb.ScheduleState{Notes: o.note, Paused: o.paused, LimitedActions: o.runs > 0, RemainingActions: int64(o.runs)},
	}, j, err
}

// policyOf converts a value of --overlap.
func policyOf(word string) enumspb.ScheduleOverlapPolicy {
	for i, w := range policyWords() {
		if i > 0 && w == word {
			return enumspb.ScheduleOverlapPolicy(i)
		}
	}
	return enumspb.SCHEDULE_OVERLAP_POLICY_UNSPECIFIED
}

func (a app) create(ctx context.Context, id string, o options, changed func(flag string) bool) error {
	if err := checkID(id); err != nil {
		return err
	}
	s, j, err := a.schedule(ctx, id, o)
	if err != nil {
		return err
	}
	c, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	if !o.acceptsClockChanges {
		if err := a.checkClock(ctx, c, s); err != nil {
			return err
		}
	}
	found, err := attributes(j)
	if err != nil {
		return err
	}
	_, err = c.WorkflowService().CreateSchedule(ctx, &workflowservice.CreateScheduleRequest{
		Namespace: a.Where.Namespace, ScheduleId: id, Schedule: s, SearchAttributes: found, Identity: identity, RequestId: newRequest(),
	})
	done := "create"
	if _, exists := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); exists {
		done, err = a.replaceIfAsked(ctx, c, id, s, j, o, changed)
	}
	if err != nil {
		return err
	}
	return a.created(ctx, c, id, done, o.trigger)
}

// newRequest identifies a request, so that the server applies a repeated one once.
func newRequest() string { return uuid.NewString() }

// replaceIfAsked replaces a schedule that exists, if the user asked for it.
func (a app) replaceIfAsked(ctx context.Context, c client.Client, id string, s *schedulepb.Schedule, j cli.Job, o options, changed func(string) bool) (done string, err error) {
	d, err := a.describe(ctx, c, id)
	if err != nil {
		return "", err
	}
	old := d.GetSchedule()
	if owner := tenantOf(old); owner != j.Common.Tenant {
		return "", fault.New(fault.Input, "create schedule", id, "the id is used by a schedule of tenant "+owner+"; choose another id")
	}
	differ := differences(old, s)
	state := old.GetState()
	if changed("paused") && o.paused != state.GetPaused() || changed("note") && o.note != state.GetNotes() || changed("runs") {
		differ = append(differ, "its pause, its note or its number of runs")
	}
	switch {
	case len(differ) == 0:
		return "unchanged", nil
	case !o.replace:
		return "", fault.New(fault.Input, "create schedule", id, "it exists and differs in "+strings.Join(differ, "; ")+". Use --replace to change it, or another id")
	}
	if !changed("paused") {
		s.State.Paused = state.GetPaused()
	}
	if !changed("note") {
		s.State.Notes = state.GetNotes()
	}
	if !changed("runs") {
		s.State.LimitedActions, s.State.RemainingActions = state.GetLimitedActions(), state.GetRemainingActions()
	}
	found, err := attributes(j)
	if err != nil {
		return "", err
	}
	// The token makes the server refuse the change if the schedule was changed meanwhile.
	_, err = c.WorkflowService().UpdateSchedule(ctx, &workflowservice.UpdateScheduleRequest{
		Namespace: a.Where.Namespace, ScheduleId: id, Schedule: s, ConflictToken: d.GetConflictToken(),
		SearchAttributes: found, Identity: identity, RequestId: newRequest(),
	})
	return "replace", missing(id, err)
}
