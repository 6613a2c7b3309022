package schedule

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

func TestCalendarWords(t *testing.T) {
	t.Parallel()
	for cron, want := range map[string]string{
		"0 4 * * *": "daily at 04:00", "@hourly": "hourly at :00", "@weekly": "Sun at 00:00", "* * * * *": "every minute", "*/15 * * * *": "every 15 minutes",
		"30 2 * * 1-5": "Mon–Fri at 02:30", "0 8,20 * * *": "daily at 08:00, 20:00", "0 0 1 * *": "on day 1 of the month at 00:00",
		"0 9 1 jan-mar MON": "on day 1 of the month if it is Mon in Jan–Mar at 09:00", "*/20 8-17 * * *": "every 20 minutes from 08:00 to 17:59",
		"5,25 * * * 7": "Sun hourly at :05, :25", "0 */6 * * *": "daily at 00:00, 06:00, 12:00, 18:00", "0 */2 * * 5-7": "Sun, Fri, Sat hourly at :00 in the hours 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22",
		"7/20 * * * *": "hourly at :07, :27, :47", "0-29 * * * *": "hourly in the minutes 0–29",
	} {
		c, err := parseCron(cron)
		require.NoError(t, err, cron)
		assert.Equal(t, want, calendarWords(c), cron)
	}
	for cron, want := range map[string]string{
		"0 4 * *": "must have 5 fields", "60 4 * * *": `minute must be 0 to 59, not "60"`, "0 4 * * mo": "day of the week must be", "0 4-2 * * *": "ends before it starts",
		"*/0 * * * *": "the step", "@every 5m": "use --every", "TZ=UTC 0 4 * * *": "use --time-zone", "@noon": "must have 5 fields", "0 4 * * * *": "must have 5 fields",
	} {
		_, err := parseCron(cron)
		require.ErrorContains(t, err, want, cron)
	}
}

// TestCronIsReadAsTheServerReadsIt: the calendar of the command line is the server's.
func TestCronIsReadAsTheServerReadsIt(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, nil)
	for i, cron := range []string{
		"0 4 * * *", "*/15 1-4 1,15 jan-mar 7", "5/20 */3 * * mon-fri", "0 0 1 * 5-7", "@daily", "@monthly", "@yearly", "59 23 31 12 *", "1-10/3,50 * * * SUN",
	} {
		handle, err := b.Client.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
			ID: "cron-" + string(rune('a'+i)), Spec: client.ScheduleSpec{CronExpressions: []string{cron}},
			Action: &client.ScheduleWorkflowAction{Workflow: "IngestLibrary", TaskQueue: "cogflow"},
		})
		require.NoError(t, err, cron)
		d, err := b.Client.WorkflowService().DescribeSchedule(t.Context(), &workflowservice.DescribeScheduleRequest{Namespace: "default", ScheduleId: handle.GetID()})
		require.NoError(t, err)
		ours, err := parseCron(cron)
		require.NoError(t, err, cron)
		theirs := d.GetSchedule().GetSpec().GetStructuredCalendar()[0]
		for _, pair := range [][2][]*schedulepb.Range{
			{ours.GetSecond(), theirs.GetSecond()},
			{ours.GetMinute(), theirs.GetMinute()},
			{ours.GetHour(), theirs.GetHour()},
			{ours.GetDayOfMonth(), theirs.GetDayOfMonth()},
			{ours.GetMonth(), theirs.GetMonth()},
			{ours.GetDayOfWeek(), theirs.GetDayOfWeek()},
		} {
			assert.Equal(t, values(pair[1]), values(pair[0]), cron)
		}
	}
}

// TestClockDays: the runs that a calendar should have on days of clock changes.
func TestClockDays(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		cron, zone string
		days       []string
		want       []int
	}{
		{"30 2 * * *", "Europe/Berlin", []string{"2026-03-29", "2026-10-25"}, []int{1, 1}},
		{"5 * * * *", "Europe/Berlin", []string{"2026-03-29", "2026-10-25"}, []int{23, 25}},
		{"*/15 1-4 * * *", "Europe/Berlin", []string{"2026-03-29", "2026-10-25"}, []int{12, 20}},
		{"30 2 * * 1-5", "Europe/Berlin", []string{"2026-03-29", "2026-10-25"}, []int{0, 0}},
		{"30 1 * * *", "America/New_York", []string{"2026-03-08", "2026-11-01"}, []int{1, 1}},
		{"15 2 * * *", "Australia/Lord_Howe", []string{"2026-04-05", "2026-10-04"}, []int{1, 1}}, // half an hour
		{"30 2 * * *", "", nil, nil},
	} {
		calendar, err := parseCron(c.cron)
		require.NoError(t, err)
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		days := clockDays(zone, from)
		require.Len(t, days, len(c.days), c.zone)
		for i, d := range days {
			assert.Equal(t, c.days[i], d.start.Format(time.DateOnly))
			assert.Equal(t, c.want[i], d.expected(calendar), "%s %s", c.cron, c.zone)
		}
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	calendar, err := parseCron("59 1 * * *")
	require.NoError(t, err)
	spec := &schedulepb.ScheduleSpec{StructuredCalendar: []*schedulepb.StructuredCalendarSpec{calendar}, TimezoneName: zone.String()}
	day := clockDays(zone, from)[1]
	at := func(h, m int) time.Time { return time.Date(2026, 10, 24, h, m, 0, 0, time.UTC) }
	assert.Empty(t, day.problem(spec, []time.Time{at(23, 59)}))
	assert.Equal(t, "2 runs instead of 1 on 2026-10-25, when clocks in Europe/Berlin are moved from 03:00 to 02:00 (01:59 CEST, 02:59 CEST)",
		day.problem(spec, []time.Time{at(23, 59), at(24, 59)}))
	assert.Contains(t, day.problem(spec, []time.Time{at(24, 59)}), "1 run instead of 1", "at a wrong time")
}

func TestSecretsAreRefused(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"https://user:word@host/a.mp4": "https://host/a.mp4", "https://host/a.mp4?X-Amz-Signature=abc&x=1": "https://host/a.mp4", "https://host/a?x=1&token=abc": "https://host/a",
		"s3://bucket/a?sig=abc": "s3://bucket/a", "ghp_0123456789012345678901234567890123456789": "a GitHub token",
		strings.Repeat("x", maxInput): "the limit is",
	} {
		err := checkInput("id", ingest.LibraryInput{Source: source})
		require.Equal(t, fault.Input, fault.ClassOf(err), source)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "abc")
		require.NotContains(t, err.Error(), "word")
	}
	for _, source := range []string{"s3://bucket/videos", "https://host/a.mp4?v=1", "/srv/videos", "https://host/@user/a", "s3://bucket/monkey=1"} {
		require.NoError(t, checkInput("id", ingest.LibraryInput{Source: source}), source)
	}
}

// described is a schedule with runs of each outcome.
func described(t *testing.T, now time.Time) *workflowservice.DescribeScheduleResponse {
	t.Helper()
	at := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(d)) }
	run := func(id string) *commonpb.WorkflowExecution {
		return &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run-" + id[len(id)-len("02T00:30:00Z"):len(id)-len("T00:30:00Z")]}
	}
	calendar, err := parseCron("30 2 * * *")
	require.NoError(t, err)
	start, err := action("nightly", cli.Job{Kind: "IngestLibrary", Input: ingest.LibraryInput{Source: "s3://bucket/" + clitest.Malicious}})
	require.NoError(t, err)
	start.GetStartWorkflow().WorkflowId = workflowID("default", "nightly")
	return &workflowservice.DescribeScheduleResponse{
		Schedule: &schedulepb.Schedule{
			Spec:     &schedulepb.ScheduleSpec{StructuredCalendar: []*schedulepb.StructuredCalendarSpec{calendar}, TimezoneName: "Europe/Berlin", Jitter: durationpb.New(5 * time.Minute)},
			Action:   start,
			Policies: &schedulepb.SchedulePolicies{OverlapPolicy: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: durationpb.New(24 * time.Hour), PauseOnFailure: true},
			State:    &schedulepb.ScheduleState{Notes: "by " + clitest.Malicious, LimitedActions: true, RemainingActions: 7},
		},
		Info: &schedulepb.ScheduleInfo{
			ActionCount: 12, OverlapSkipped: 3, MissedCatchupWindow: 2, BufferDropped: 1, BufferSize: 4,
			RunningWorkflows: []*commonpb.WorkflowExecution{run("schedule/default/nightly-2026-06-02T00:30:00Z")},
			RecentActions: []*schedulepb.ScheduleActionResult{
				{ScheduleTime: at(-48 * time.Hour), ActualTime: at(-47 * time.Hour), StartWorkflowResult: run("schedule/default/nightly-2026-06-01T00:30:00Z"), StartWorkflowStatus: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED},
				{ScheduleTime: at(-24 * time.Hour), ActualTime: at(-24*time.Hour + 90*time.Second), StartWorkflowResult: run("schedule/default/nightly-2026-06-02T00:30:00Z"), StartWorkflowStatus: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING},
			},
			FutureActionTimes: []*timestamppb.Timestamp{at(13 * time.Hour), at(37 * time.Hour)},
			CreateTime:        at(-1000 * time.Hour),
		},
	}
}

func TestPrinted(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 6, 2, 11, 30, 0, 0, time.UTC)
	d := described(t, now)
	clitest.Golden(t, "show", clitest.Printed(func(a *cli.App) { app{App: a}.printReport(app{App: a}.report("nightly", d, now), now) }))
	clitest.Golden(t, "list", clitest.Printed(func(a *cli.App) {
		paused := described(t, now)
		paused.Schedule.State.Paused, paused.Info = true, &schedulepb.ScheduleInfo{}
		other := &workflowservice.DescribeScheduleResponse{Schedule: &schedulepb.Schedule{
			Spec: &schedulepb.ScheduleSpec{Interval: []*schedulepb.IntervalSpec{{Interval: durationpb.New(7 * 24 * time.Hour), Phase: durationpb.New(90 * time.Minute)}}},
			Action: &schedulepb.ScheduleAction{Action: &schedulepb.ScheduleAction_StartWorkflow{StartWorkflow: &workflowpb.NewWorkflowExecutionInfo{
				WorkflowType: &commonpb.WorkflowType{Name: "Backup"},
			}}},
		}, Info: &schedulepb.ScheduleInfo{}}
		f := app{App: a}
		f.printList([]report{f.report("nightly", d, now), f.report("other", other, now), f.report("paused", paused, now)}, now)
	}))
}
