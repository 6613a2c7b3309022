package schedule_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/workflows"
)

// shown is the part of `schedule show --json` and `list --json` that the tests read.
type shown struct {
	ID       string          `json:"schedule_id"`
	State    string          `json:"state"`
	Note     string          `json:"note"`
	Cogflow  bool            `json:"cogflow"`
	Kind     string          `json:"kind"`
	Tenant   string          `json:"tenant"`
	Input    json.RawMessage `json:"input"`
	Times    []string        `json:"times"`
	Overlap  string          `json:"overlap"`
	Next     []time.Time     `json:"next"`
	Running  []one           `json:"running"`
	Recent   []one           `json:"recent"`
	Warnings []string        `json:"warnings"`
	Counts   struct {
		Started  int `json:"started"`
		Skipped  int `json:"skipped_overlap"`
		Missed   int `json:"missed_catch_up"`
		Buffered int `json:"buffered"`
	} `json:"counts"`
	Lost []struct {
		Runs   int    `json:"runs"`
		Reason string `json:"reason"`
		Text   string `json:"text"`
		Now    bool   `json:"now"`
	} `json:"lost"`
}

type one struct {
	WorkflowID string    `json:"workflow_id"`
	RunID      string    `json:"run_id"`
	Due        time.Time `json:"due"`
	Status     string    `json:"status"`
	UI         string    `json:"ui"`
}

// bench is a server with fakes of the workflows.
type bench struct {
	*clitest.Bench
	t *testing.T
}

func newBench(t *testing.T) bench {
	t.Helper()
	b := clitest.New(t, root.Run)
	b.Serve()
	return bench{b, t}
}

// source is a source that the fake of IngestLibrary knows: "wait" never ends, "fail" fails.
func (b bench) source(name string) string { return filepath.Join(b.Dir, name) }

func (b bench) ok(args ...string) string {
	b.t.Helper()
	code, out, errors := b.Run(args...)
	require.Equal(b.t, cli.ExitDone, code, "%v: %s%s", args, out, errors)
	return out
}

func (b bench) refused(args ...string) string {
	b.t.Helper()
	code, out, errors := b.Run(args...)
	require.NotEqual(b.t, cli.ExitDone, code, "%v: %s", args, out)
	return errors
}

func (b bench) create(id string, args ...string) {
	b.t.Helper()
	b.ok(append([]string{"schedule", "create", id}, args...)...)
}

func (b bench) show(id string) shown {
	b.t.Helper()
	return clitest.Decode[shown](b.t, b.ok("schedule", "show", id, "--json"))
}

// until shows a schedule until it is as required. A run can be late on a busy machine.
func (b bench) until(id string, required func(s shown) bool) (s shown) {
	b.t.Helper()
	b.Until(func(out string) bool {
		s = shown{}
		return json.Unmarshal([]byte(out), &s) == nil && required(s)
	}, "schedule", "show", id, "--json")
	return s
}

// never is an option that has no run during a test: intervals are counted from 1970, so the next one is in 2069.
func never() string { return "--every=876000h" }

// TestSchedule makes, changes and deletes a schedule.
func TestSchedule(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	assert.Contains(t, b.ok("schedule", "list"), "No schedules.")
	create := []string{
		"schedule", "create", "nightly", "--cron", "0 4 * * *", "--time-zone", "Europe/Berlin", "--overlap", "buffer-one", "--catch-up", "2h", "--jitter", "5m",
		"--pause-on-failure", "--note", "spring", "--", "ingest", "s3://bucket/videos", "--tenant", "org:team", "--priority", "2", "--recursive",
	}
	assert.Contains(t, b.ok(create...), "Created nightly: daily at 04:00 Europe/Berlin. Next run: ")
	assert.Contains(t, b.ok(create...), "Unchanged")
	s := b.show("nightly")
	assert.Equal(t, "active", s.State)
	assert.Equal(t, "org:team", s.Tenant)
	assert.JSONEq(t, `{"tenant": "org:team", "priority": 2, "source": "s3://bucket/videos", "recursive": true}`, string(s.Input))
	testStartIsAsDirect(t, b)

	answer := clitest.Decode[struct {
		Outcome string
		Run     one
	}](t, b.ok("schedule", "trigger", "nightly", "--json"))
	assert.Equal(t, "started", answer.Outcome)
	assert.True(t, strings.HasPrefix(answer.Run.WorkflowID, "schedule/org:team/nightly-2"), answer.Run.WorkflowID)
	begun := b.Begun(answer.Run.WorkflowID, "")
	assert.EqualValues(t, 2, begun.GetPriority().GetPriorityKey())
	assert.Equal(t, "org:team", begun.GetPriority().GetFairnessKey())
	s = b.until("nightly", func(s shown) bool { return len(s.Recent) == 1 && s.Recent[0].Status == "completed" })
	assert.Equal(t, 1, s.Counts.Started)
	assert.Equal(t, "http://127.0.0.1:8233/namespaces/default/workflows/schedule%2Forg:team%2Fnightly-"+strings.TrimPrefix(s.Recent[0].WorkflowID, "schedule/org:team/nightly-")+"/"+s.Recent[0].RunID, s.Recent[0].UI)

	b.ok("schedule", "pause", "nightly", "--note", "index is full")
	s = b.show("nightly")
	assert.Equal(t, []string{"paused", "index is full"}, []string{s.State, s.Note})
	assert.Contains(t, b.ok("schedule", "resume", "nightly"), "Next run: ")
	assert.Equal(t, "active", b.show("nightly").State)
	b.ok("schedule", "delete", "nightly")
	for _, verb := range []string{"show", "pause", "resume", "trigger", "delete"} {
		assert.Contains(t, b.refused("schedule", verb, "nightly"), `no schedule has this id`, verb)
	}
}

// testStartIsAsDirect: a scheduled start has the attributes, the memo and the priority of a
// direct one.
func testStartIsAsDirect(t *testing.T, b bench) {
	t.Helper()
	d, err := b.Client.ScheduleClient().GetHandle(t.Context(), "nightly").Describe(t.Context())
	require.NoError(t, err)
	a, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	require.True(t, ok)
	assert.Equal(t, "schedule/org:team/nightly", a.ID)
	assert.Equal(t, workflows.QueueMain, a.TaskQueue)
	assert.Equal(t, 5*time.Minute, d.Schedule.Spec.Jitter)
	assert.Equal(t, 2*time.Hour, d.Schedule.Policy.CatchupWindow)
	assert.True(t, d.Schedule.Policy.PauseOnFailure)
	for name, want := range map[string]string{workflows.AttrTenant: "org:team", workflows.AttrKind: "IngestLibrary", workflows.AttrProfile: "local_preview"} {
		own, _ := d.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(name))
		run, _ := a.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(name))
		assert.Equal(t, []string{want, want}, []string{own, run}, name)
	}
	for name, p := range a.Memo {
		assert.Equal(t, workflows.MemoName, name)
		assert.NotNil(t, p)
	}
}

// TestEveryProgramsSchedulesAreListed: schedules that other programs made are listed with
// cogflow's, and schedules of other workflow types are marked.
func TestEveryProgramsSchedulesAreListed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.create("ours", never(), "--", "ingest", "s3://bucket/videos", "--tenant", "acme")
	for id, kind := range map[string]string{"theirs": "IngestLibrary", "other": "Backup"} {
		_, err := b.Client.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
			ID: id, Spec: client.ScheduleSpec{CronExpressions: []string{"30 2 * * 1-5"}, TimeZoneName: "Europe/Berlin"},
			Action: &client.ScheduleWorkflowAction{ID: id, Workflow: kind, TaskQueue: workflows.QueueMain, Args: []any{map[string]any{"source": "s3://bucket", "tenant": "acme"}}},
		})
		require.NoError(t, err)
	}
	var all struct{ Schedules []shown }
	b.Until(func(out string) bool {
		all.Schedules = nil
		return json.Unmarshal([]byte(out), &all) == nil && len(all.Schedules) == 3
	}, "schedule", "list", "--tenant", "acme", "--json")
	assert.Equal(t, "other", all.Schedules[0].ID)
	assert.False(t, all.Schedules[0].Cogflow)
	assert.True(t, all.Schedules[1].Cogflow)
	assert.Equal(t, []string{"Mon–Fri at 02:30 Europe/Berlin"}, all.Schedules[2].Times)
	assert.Equal(t, "skip", all.Schedules[2].Overlap)
	text := b.ok("schedule", "list")
	assert.Regexp(t, `other +active +Backup \(not of cogflow\) +acme`, text)
	assert.Regexp(t, `ours +active +IngestLibrary +acme +every 36500d +in [0-9]+ days`, text)
	b.ok("schedule", "trigger", "theirs")
	b.until("theirs", func(s shown) bool { return len(s.Recent) == 1 && s.Recent[0].Status == "completed" })
	b.UntilPrints([]string{"__complete", "schedule", "show", ""}, "theirs")
	assert.Equal(t, []string{"other", "ours"}, []string{all.Schedules[0].ID, all.Schedules[1].ID})
}

// TestEdit: an existing schedule is changed only with --replace, and what differs is named.
func TestEdit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.create("edit", never(), "--note", "mine", "--", "ingest", "s3://bucket/a", "--tenant", "acme")
	b.ok("schedule", "trigger", "edit")
	b.ok("schedule", "pause", "edit", "--note", "mine")
	changed := []string{"--every=24h", "--overlap", "allow-all", "--", "ingest", "s3://bucket/b", "--tenant", "acme"}
	text := b.refused(append([]string{"schedule", "create", "edit"}, changed...)...)
	assert.Contains(t, text, `input.source: "s3://bucket/a" → "s3://bucket/b"; overlap: skip → allow-all; times: every 36500d → every 24h. Use --replace`)
	assert.Equal(t, []string{"every 36500d"}, b.show("edit").Times)
	b.create("edit", append([]string{"--replace"}, changed...)...)
	s := b.show("edit")
	assert.Equal(t, []string{"every 24h", "allow-all", "paused", "mine"}, []string{s.Times[0], s.Overlap, s.State, s.Note})
	assert.Equal(t, 1, s.Counts.Started, "the counts continue")
	assert.Contains(t, b.refused("schedule", "create", "edit", "--replace", "--every=24h", "--", "ingest", "s3://bucket/b"), "tenant acme; choose another id")
}
