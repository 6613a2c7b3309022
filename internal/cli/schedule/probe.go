package schedule

import (
	"context"
	"errors"
	"strings"
	"time"

	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
)

// probes is the prefix of the ids of schedules that only answer a question. List leaves them out.
const probes = "cogflow-clock-check-"

// checkClock refuses times that clock changes skip, repeat or add. Only the server knows what it
// makes of them, and only of a schedule that exists, so a paused one is made for the question.
func (a app) checkClock(ctx context.Context, c client.Client, s *schedulepb.Schedule) (err error) {
	spec := &schedulepb.ScheduleSpec{StructuredCalendar: s.GetSpec().GetStructuredCalendar(), TimezoneName: s.GetSpec().GetTimezoneName()}
	zone := zoneOf(spec)
	if len(spec.GetStructuredCalendar()) == 0 || zone == nil || len(clockDays(zone, time.Now())) == 0 {
		return nil
	}
	id := probes + newRequest()
	_, err = c.WorkflowService().CreateSchedule(ctx, &workflowservice.CreateScheduleRequest{
		Namespace: a.Where.Namespace, ScheduleId: id, Identity: identity, RequestId: newRequest(),
		Schedule: &schedulepb.Schedule{Spec: spec, Action: s.GetAction(), State: &schedulepb.ScheduleState{Paused: true, Notes: "asks for the times of cogflow schedule create; delete it"}},
	})
	if err != nil {
		return err
	}
	problems, err := a.clockProblems(ctx, c, id, spec, time.Now())
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), answerLimit) // after an interrupt, too
	defer stop()
	_, deleted := c.WorkflowService().DeleteSchedule(ctx, &workflowservice.DeleteScheduleRequest{Namespace: a.Where.Namespace, ScheduleId: id, Identity: identity})
	if err := errors.Join(err, deleted); err != nil || len(problems) == 0 {
		return err
	}
	return cli.Usage("--cron with --time-zone %s gives %s. Choose a time outside of the change, use --time-zone UTC, or add --accept-clock-changes",
		spec.GetTimezoneName(), strings.Join(problems, "; "))
}
