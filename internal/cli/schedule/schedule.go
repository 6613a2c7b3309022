// Package schedule is the part of the command line that starts jobs at set times. It keeps no
// state: everything is in Temporal's Schedules, so schedules that the temporal command or the
// Web UI made are shown and controlled alike. The job of a schedule is planned by the command
// that starts it directly; this package knows no pipeline.
package schedule

import (
	"context"
	"errors"
	"regexp"

	"github.com/spf13/cobra"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
)

type app struct {
	*cli.App
	tree func(*cli.App) *cobra.Command // all commands, to plan the job of a schedule
}

// Feature returns the commands of the package. tree makes all commands of cogflow.
func Feature(a *cli.App, tree func(*cli.App) *cobra.Command) cli.Feature {
	f := app{a, tree}
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Start jobs at set times",
		Long: `A schedule starts a job again and again: every few hours, or at times of a calendar. It runs on
the Temporal server, also while no worker and no cogflow command runs. List and show name the runs
that were skipped or missed, and why.

Schedules that the temporal command or the Web UI made are shown and controlled alike.`,
	}
	cmd.AddCommand(
		f.createCommand(), f.listCommand(), f.showCommand(), f.pauseCommand(), f.resumeCommand(),
		f.triggerCommand(), f.backfillCommand(), f.deleteCommand(),
	)
	return cli.Feature{Commands: []*cobra.Command{cmd}}
}

// idPattern excludes "/", which separates the parts of the ids of runs and of their children.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,199}$`)

func checkID(id string) error {
	if !idPattern.MatchString(id) {
		return cli.Usage("the id of a schedule must be letters, digits, '.', '_', ':' and '-', at most 200 bytes, not %q", id)
	}
	return nil
}

// describe reads a schedule.
func (a app) describe(ctx context.Context, c client.Client, id string) (*workflowservice.DescribeScheduleResponse, error) {
	d, err := c.WorkflowService().DescribeSchedule(ctx, &workflowservice.DescribeScheduleRequest{Namespace: a.Where.Namespace, ScheduleId: id})
	return d, missing(id, err)
}

// patch changes the state of a schedule.
func (a app) patch(ctx context.Context, c client.Client, id string, p *schedulepb.SchedulePatch) error {
	_, err := c.WorkflowService().PatchSchedule(ctx, &workflowservice.PatchScheduleRequest{
		Namespace: a.Where.Namespace, ScheduleId: id, Patch: p, Identity: identity, RequestId: newRequest(),
	})
	return missing(id, err)
}

// identity names cogflow in the history of a schedule.
const identity = "cogflow"

// missing explains that a schedule does not exist. The server names a workflow of its own.
func missing(id string, err error) error {
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return &fault.Error{Class: fault.Input, Op: "find schedule", Subject: id, Reason: "no schedule has this id; `cogflow schedule list` shows all"}
	}
	return err
}
