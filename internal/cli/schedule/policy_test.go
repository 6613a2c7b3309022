package schedule_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

// TestOverlap: each overlap policy does what its name says, when a second run is due while the
// first is open.
func TestOverlap(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for policy, want := range map[string]struct{ outcome, first string }{
		"buffer-one": {"buffered", "running"}, "buffer-all": {"buffered", "running"},
		"cancel-other": {"", "cancelled"}, "terminate-other": {"", "terminated"}, "allow-all": {"started", "running"},
	} {
		b.create(policy, never(), "--overlap", policy, "--", "ingest", b.source("wait"))
		b.ok("schedule", "trigger", policy)
		first := b.until(policy, func(s shown) bool { return len(s.Running) == 1 }).Running[0]
		second := time.Now().Truncate(time.Second)
		require.Eventually(t, func() bool { return time.Now().Truncate(time.Second).After(second) }, time.Minute, 10*time.Millisecond) // ids have whole seconds
		out := clitest.Decode[struct{ Outcome string }](t, b.ok("schedule", "trigger", policy, "--json"))
		if want.outcome != "" {
			assert.Equal(t, want.outcome, out.Outcome, policy)
		}
		b.until(policy, func(s shown) bool {
			return s.Recent[0].WorkflowID == first.WorkflowID && s.Recent[0].Status == want.first && (want.outcome == "buffered") == (len(s.Recent) == 1)
		})
		if want.outcome == "buffered" {
			b.ok("cancel", first.WorkflowID)
			b.until(policy, func(s shown) bool {
				return len(s.Recent) == 2 && s.Recent[1].Status == "running" && s.Counts.Buffered == 0
			})
		}
	}
}

// TestPauseOnFailure: a run that fails pauses the schedule, and the note says why.
func TestPauseOnFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.create("fails", never(), "--pause-on-failure", "--trigger", "--", "ingest", b.source("fail"))
	s := b.until("fails", func(s shown) bool { return s.State == "paused" })
	assert.Contains(t, s.Note, "paused due to workflow failure")
	assert.Contains(t, b.ok("schedule", "list"), "paused due to workflow failure")
	b.ok("schedule", "resume", "fails")
	assert.Equal(t, "active", b.show("fails").State)
}

// TestBackfill: every time of a past period runs once, both ends included.
func TestBackfill(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.create("hourly", "--every=1h", "--", "ingest", "s3://bucket/a")
	b.ok("schedule", "pause", "hourly") // no run of its own at the full hour; a backfill runs nevertheless
	period := []string{"schedule", "backfill", "hourly", "--from", "2026-11-01 01:00", "--to", "2026-11-01 05:00"}
	assert.Contains(t, b.ok(append(period, "--dry-run")...), "Would start 5 runs of hourly (overlap buffer-all):\n  2026-11-01T01:00:00Z\n")
	assert.Empty(t, b.show("hourly").Recent)
	b.ok(period...)
	s := b.until("hourly", func(s shown) bool { return len(s.Recent) >= 5 && s.Counts.Buffered == 0 })
	for i, r := range s.Recent[:5] {
		assert.Equal(t, time.Date(2026, 11, 1, 1+i, 0, 0, 0, time.UTC), r.Due)
		assert.Equal(t, "schedule/default/hourly-"+r.Due.Format(time.RFC3339), r.WorkflowID)
	}
	assert.Contains(t, b.refused("schedule", "backfill", "hourly", "--from", "2026-11-01", "--to", "2999-01-01"), "--to must not be after now")
	assert.Contains(t, b.refused("schedule", "backfill", "hourly", "--from", "2020-01-01", "--to", "2026-01-01"), "the period has 1000 runs or more")
	assert.Contains(t, b.refused("schedule", "backfill", "hourly", "--from", "2026-11-01"), "--from and --to are required")
}

// TestOutage: runs that an outage of the server prevented are made up for, once each. Those that
// are older than the catch-up are counted, and list names the reason.
func TestOutage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for id, catchUp := range map[string]string{"long": "1h", "short": "10s"} {
		b.create(id, "--every=1s", "--overlap", "allow-all", "--catch-up", catchUp, "--", "ingest", "s3://bucket/a")
		b.until(id, func(s shown) bool { return s.Counts.Started > 0 })
	}
	down := time.Now()
	b.Outage(func() bool { return time.Since(down) > 13*time.Second })
	up := time.Now()
	b.until("long", func(s shown) bool { return len(s.Recent) > 0 && s.Recent[len(s.Recent)-1].Due.After(up) })
	b.UntilPrints([]string{"schedule", "pause", "long"}, "long") // a server that was just started may answer too late
	s := b.until("long", func(s shown) bool { return s.State == "paused" })
	assert.Zero(t, s.Counts.Missed)
	for at := down.Truncate(time.Second).Add(time.Second); at.Before(up); at = at.Add(time.Second) {
		id := "schedule/default/long-" + at.UTC().Format(time.RFC3339)
		require.Eventually(t, func() bool { // a server that was just started may answer too late
			_, err := b.Client.DescribeWorkflow(t.Context(), id, "")
			return err == nil
		}, time.Minute, 50*time.Millisecond, "each second of the outage has its run: %s", id)
	}

	s = b.until("short", func(s shown) bool { return s.Counts.Missed > 0 })
	require.Len(t, s.Lost, 1)
	assert.Equal(t, "catch_up", s.Lost[0].Reason)
	assert.Contains(t, b.ok("schedule", "show", "short"), "missed because the server was down for longer than the catch-up of 10s")
	assert.Regexp(t, `short .* missed \(outage longer than catch-up\)`, b.ok("schedule", "list"))
}
