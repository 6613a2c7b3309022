package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

// The tests of this file are named after complaints of users of schedulers, by their numbers in
// the list of complaints that cogflow makes impossible.

// due lists the times that the server gives a schedule in a period.
func (b bench) due(id, from, to string) []time.Time {
	b.t.Helper()
	return clitest.Decode[struct{ Times []time.Time }](b.t, b.ok("schedule", "backfill", id, "--from", from, "--to", to, "--dry-run", "--json")).Times
}

// Clocks in Berlin went forward at 02:00 of March 29, 2026 and back at 03:00 of October 25.
const (
	spring, afterSpring = "2026-03-29", "2026-03-30"
	autumn              = "2026-10-25"
)

// TestComplaint41DaylightSaving: a clock time gave zero, one or two runs a day. Such a schedule is
// refused with the days, or accepted with a warning. The server is asked, because its answers
// are not those of a calendar on every such day.
func TestComplaint41DaylightSaving(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	berlin := func(id, cron string, more ...string) []string {
		return append(append([]string{"schedule", "create", id, "--cron", cron, "--time-zone", "Europe/Berlin"}, more...), "--", "ingest", "s3://bucket/a")
	}
	text := b.refused(berlin("odd", "30 2 * * *")...)
	assert.Regexp(t, `0 runs instead of 1 on 20[0-9]{2}-03-[0-9]{2}, when clocks in Europe/Berlin are moved from 02:00 to 03:00`, text)
	assert.Contains(t, text, "--time-zone UTC, or add --accept-clock-changes")
	assert.Contains(t, b.refused("schedule", "show", "odd"), "no schedule has this id")

	b.ok(berlin("odd", "30 2 * * *", "--accept-clock-changes")...)
	assert.Empty(t, b.due("odd", spring, afterSpring))
	assert.NotEmpty(t, b.show("odd").Warnings)
	assert.Contains(t, b.ok("schedule", "show", "odd"), "Warning      0 runs instead of 1 on ")

	// What is accepted has one run on both days; what is not, is refused for the server's reason.
	for _, cron := range []string{"0 4 * * *", "59 1 * * *", "0 3 * * *", "0 1 * * *", "30 2 * * 1-5", "5 * * * *"} {
		code, _, text := b.Run(berlin("fixed", cron, "--replace")...)
		b.ok(berlin("fixed", cron, "--replace", "--accept-clock-changes")...)
		for _, day := range [][3]string{{spring, "2026-03-29 23:59", "03"}, {autumn, "2026-10-25 23:59", "10"}} {
			usual := 1
			switch cron {
			case "5 * * * *": // goes on at its pace: the day has 23 or 25 hours
				usual = map[string]int{spring: 23, autumn: 25}[day[0]]
			case "30 2 * * 1-5": // clocks change on a Sunday
				usual = 0
			}
			if n := len(b.due("fixed", day[0], day[1])); n == usual {
				assert.NotRegexp(t, `on 20[0-9]{2}-`+day[2], text, "%s", cron)
			} else {
				assert.Equal(t, cli.ExitUsage, code, cron)
				assert.Regexp(t, fmt.Sprintf(`%d runs? instead of %d on 20[0-9]{2}-%s`, n, usual, day[2]), text)
			}
		}
		assert.Equal(t, code == cli.ExitDone, len(b.show("fixed").Warnings) == 0, cron)
	}
	assert.Equal(t, cli.ExitDone, exitOf(b.Run(berlin("fine", "0 4 * * *")...)))
	assert.NotContains(t, b.UntilPrints([]string{"schedule", "list"}, "fine"), "cogflow-clock-check", "the question leaves nothing behind")
}

func exitOf(code int, _, _ string) int { return code }

// TestComplaint42NoDuplicates: after a clock change, runs were started twice. Each time has one
// run, whose id holds the time.
func TestComplaint42NoDuplicates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.create("daily", "--cron", "0 4 * * *", "--time-zone", "Europe/Berlin", "--", "ingest", "s3://bucket/a")
	b.ok("schedule", "backfill", "daily", "--from", "2026-10-23", "--to", "2026-10-28")
	s := b.until("daily", func(s shown) bool { return len(s.Recent) >= 5 && s.Counts.Buffered == 0 })
	var got []string
	for _, r := range s.Recent[:5] {
		got = append(got, r.Due.UTC().Format(time.RFC3339))
	}
	assert.Equal(t, []string{
		"2026-10-23T02:00:00Z", "2026-10-24T02:00:00Z", "2026-10-25T03:00:00Z", "2026-10-26T03:00:00Z", "2026-10-27T03:00:00Z",
	}, got)
	assert.Equal(t, 5, s.Counts.Started)
	b.create("interval", "--every=24h", "--", "ingest", "s3://bucket/a")
	times := b.due("interval", "2026-10-20", "2026-10-30")
	for i := range times[1:] {
		assert.Equal(t, 24*time.Hour, times[i+1].Sub(times[i]))
	}
}

// TestComplaint43EditRunsNothingPast: a changed cron time that is past today ran again at once.
func TestComplaint43EditRunsNothingPast(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	now := time.Now().UTC()
	cron := func(at time.Time) string { return fmt.Sprintf("--cron=%d %d * * *", at.Minute(), at.Hour()) }
	b.create("edited", cron(now.Add(12*time.Hour)), "--", "ingest", "s3://bucket/a")
	b.create("edited", cron(now.Add(-10*time.Minute)), "--replace", "--", "ingest", "s3://bucket/a")
	b.ok("schedule", "trigger", "edited") // the server handles it after the change
	s := b.show("edited")
	assert.Equal(t, 1, s.Counts.Started, "only the triggered run")
	require.NotEmpty(t, s.Next)
	assert.Greater(t, s.Next[0].Sub(now), 23*time.Hour, "the next run is tomorrow")
}

// TestComplaint44TriggerKeepsOverlap: a trigger ignored the overlap policy. It holds, and the
// command says what the server decided.
func TestComplaint44TriggerKeepsOverlap(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	create := []string{never(), "--trigger", "--", "ingest", b.source("wait")}
	b.create("once", create...)
	open := b.until("once", func(s shown) bool { return len(s.Running) == 1 }).Running[0].WorkflowID
	code, _, text := b.Run("schedule", "trigger", "once")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, text, "nothing was started, because "+open+" is open and the overlap policy is skip")
	assert.Contains(t, b.refused(append([]string{"schedule", "create", "once"}, create...)...), "nothing was started", "the trigger of create, too")
	s := b.show("once")
	assert.Len(t, s.Recent, 1)
	assert.Equal(t, 2, s.Counts.Skipped)
	assert.Contains(t, b.ok("schedule", "trigger", "once", "--overlap", "buffer-one"), "The run waits until "+open+" has ended (overlap buffer-one).")
	b.ok("cancel", open)
	b.until("once", func(s shown) bool { return len(s.Recent) == 2 && s.Recent[1].Status == "running" })
}

// TestComplaint45SkippedRunsAreNamed: a stuck run with overlap skip dropped hours of runs without
// a word. List and show count them and name the open run.
func TestComplaint45SkippedRunsAreNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.create("stuck", "--every=1s", "--", "ingest", b.source("wait"))
	s := b.until("stuck", func(s shown) bool { return s.Counts.Skipped >= 3 })
	require.Len(t, s.Lost, 1)
	assert.Equal(t, "overlap", s.Lost[0].Reason)
	assert.True(t, s.Lost[0].Now)
	require.Len(t, s.Running, 1)
	want := `[0-9]+ runs skipped because another run was open \(overlap skip\); open now: ` + s.Running[0].WorkflowID + ` since 20`
	assert.Regexp(t, `Did not run  `+want, b.ok("schedule", "show", "stuck"))
	list := b.UntilPrints([]string{"schedule", "list"}, "stuck")
	assert.Regexp(t, `stuck .* [0-9]+ skipped \(another run was open\)`, list)
	assert.Regexp(t, `stuck: `+want, list)
}
