package explain

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video/waits"
)

const (
	scheduled = enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
	started   = enumspb.PENDING_ACTIVITY_STATE_STARTED
)

// now is a moment of the tests, ago before it.
func now() time.Time                  { return time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) }
func ago(d time.Duration) time.Time   { return now().Add(-d) }
func until(d time.Duration) time.Time { return now().Add(d) }

// healthy is a run that nothing holds up.
func healthy(id string) facts {
	return facts{
		now: now(), id: id, found: true, kind: "IngestVideo", ofCogflow: true, queue: "cogflow", status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		started: ago(time.Hour), workflows: fleet.Queue{Pool: cli.Pool{Queue: "cogflow", Workers: 1}}, state: &state{Stage: "describe"},
	}
}

// calling is a step that a worker runs, with a heartbeat of a moment ago.
func calling(change func(*step)) step {
	s := step{
		activity: "DescribeChunk", queue: "describe-l40s", state: started, attempt: 1, since: ago(time.Minute), beat: ago(time.Second), beatTimeout: 10 * time.Second,
		worker: "7@host@", served: served(1, 1, 1),
	}
	change(&s)
	return s
}

// pending is a step that waits for a worker.
func pending(q fleet.Queue, change func(*step)) step {
	return calling(func(s *step) {
		s.state, s.since, s.beat, s.served = scheduled, ago(12*time.Minute), time.Time{}, q
		change(s)
	})
}

func served(workers, used, free int) fleet.Queue {
	return fleet.Queue{Pool: cli.Pool{Workers: workers}, Slots: &workerlist.Slots{Used: used, Free: free}}
}

func none(*step) {}

func says(code waits.Code) func(*step) {
	return func(s *step) {
		s.says.Waits = []waits.Reason{{Code: code, On: "vlm", Text: "it says so", Since: ago(time.Minute), Calls: 3}}
	}
}

func pace(p activities.ModelPace) func(*step) {
	p.Model = "vlm"
	return func(s *step) { s.says.Model = &p }
}

func failed(class, text string) func(*step) {
	return func(s *step) {
		s.failure, s.attempt, s.next = &failure{class: class, text: text}, 4, until(30*time.Second)
	}
}

// TestSteps: what a pending activity says about why its job waits.
func TestSteps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		step  step
		cause string
		text  string
	}{
		"runs":                {calling(none), Running, "The job runs"},
		"just scheduled":      {pending(served(1, 0, 2), func(s *step) { s.since = ago(time.Second) }), Running, ""},
		"no worker":           {pending(served(0, 0, 0), none), NoWorker, "pool describe, GPU class l40s"},
		"no worker, was lost": {pending(served(0, 0, 0), func(s *step) { s.failure = &failure{lost: true} }), NoWorker, "Its worker 7@host@ was lost"},
		"slots":               {pending(served(1, 2, 0), func(s *step) { s.holders = []holder{{id: "a", steps: 2}} }), SlotsFull, "All 2 slots of the task queue describe-l40s (pool describe, GPU class l40s) are in use by a (2)."},
		"ill GPUs": {pending(served(1, 0, 0), func(s *step) {
			s.queue, s.served.Hosts = "train-h100", []string{"a"}
		}), GPUAside, "All GPUs of the workers of the task queue train-h100 (pool train, GPU class h100) are ill"},
		"own slots":         {pending(served(1, 2, 0), func(s *step) { s.holders = []holder{{id: "v", steps: 2, own: true}} }), OwnSlots, ""},
		"queued":            {pending(served(1, 0, 2), func(s *step) { s.served.Backlog = 7 }), Queued, "with 7 tasks"},
		"slots unknown":     {pending(fleet.Queue{Pool: cli.Pool{Workers: 1}}, none), Queued, ""},
		"all drain":         {pending(fleet.Queue{Draining: 2}, none), Draining, "All workers of"},
		"its worker drains": {calling(func(s *step) { s.workerDrains = true }), Draining, "7@host@ drains"},
		"its host is taken": {calling(func(s *step) { s.workerLeaves = "aws: terminate" }), Draining, "because its host will be taken away (aws: terminate)"},
		"paused":            {pending(served(0, 0, 0), func(s *step) { s.paused = &pause{by: "eve", reason: "broken GPU", since: ago(time.Hour)} }), ActivityPaused, "by eve (broken GPU)"},
		"silent":            {calling(func(s *step) { s.beat, s.workerGone = ago(8*time.Second), true }), WorkerLost, "The server does not list the worker any more"},
		"clocks differ":     {calling(func(s *step) { s.beat = ago(time.Hour) }), Running, ""},
		"never a heartbeat": {calling(func(s *step) { s.beat, s.since = time.Time{}, ago(9*time.Second) }), WorkerLost, ""},
		"lost, again soon":  {pending(served(1, 0, 1), func(s *step) { failed("", "activity Heartbeat timeout")(s); s.failure.lost = true }), WorkerLost, "its heartbeats ended"},
		"claimed":           {pending(served(1, 0, 1), failed("capacity", "claim video: claimed by workflow other/0; waiting until it ends")), Claimed, "does the same work: other/0."},
		"another build":     {pending(served(1, 0, 1), failed("preempted", activities.Elsewhere("extract", "a.mp4", "ffmpeg 7").Error())), OtherBuild, "ffmpeg 7"},
		"stopped":           {pending(served(1, 0, 1), failed("preempted", activities.ErrStopping.Error())), Draining, "was stopped"},
		"disk":              {pending(served(1, 0, 1), failed("capacity", "disk full; make room")), Capacity, "disk full"},
		"overload":          {pending(served(1, 0, 1), failed("overload", "503")), RateLimit, "503"},
		"fails":             {pending(served(1, 0, 1), failed("transport", "reset")), Failing, "(attempt 3 failed, the next begins in 30s): reset"},
		"failed, due now":   {pending(served(1, 0, 1), func(s *step) { failed("transport", "reset")(s); s.next, s.since = time.Time{}, ago(time.Second) }), Failing, "reset"},
		"GPU":               {calling(says(waits.GPU)), GPULease, "7@host@"},
		"down":              {calling(says(waits.Endpoint)), EndpointDown, "the model vlm does not answer"},
		"model server":      {calling(says(waits.Server)), ModelServer, "runs on demand and is not ready"},
		"rate":              {calling(says(waits.Rate)), RateLimit, "3 calls wait"},
		"again":             {calling(says(waits.Again)), CallFailed, ""},
		"reserved":          {calling(says(waits.Reserved)), Reserved, ""},
		"same":              {calling(says(waits.Same)), SameCall, ""},
		"store":             {calling(says(waits.Store)), StoreFailing, ""},
		"ledger":            {calling(says(waits.Book)), LedgerFailing, ""},
		"of a newer build":  {calling(says("moonlight")), Waiting, "it says so"},
		"of an older build": {calling(func(s *step) { s.waiting = "the endpoint is overloaded" }), Waiting, "overloaded"},
		"slow":              {calling(pace(activities.ModelPace{Limit: 8, Flying: 8, Open: 60, Calls: 4, Seconds: 100})), SlowEndpoint, "an answer takes 25s, with at most 8 calls at a time"},
		"slow at first":     {calling(pace(activities.ModelPace{Limit: 8, Flying: 8, Open: 60, Oldest: 40})), SlowEndpoint, ""},
		"few at a time":     {calling(pace(activities.ModelPace{Limit: 1, Flying: 1, Open: 60, Calls: 4, Seconds: 4})), LowConcurrency, "59 calls wait for their turn"},
		"quick":             {calling(pace(activities.ModelPace{Limit: 16, Flying: 16, Open: 60, Calls: 4, Seconds: 4})), Running, ""},
		"all answered":      {calling(pace(activities.ModelPace{Limit: 1, Calls: 4, Seconds: 400})), Running, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy("v")
			f.steps = []step{c.step}
			all := decide(f)
			require.Equal(t, c.cause, all[0].Code, all)
			require.Contains(t, all[0].Text, c.text)
			for _, one := range all {
				complete(t, one)
			}
		})
	}
}

// complete checks that a cause says all that a person needs.
func complete(t *testing.T, c Cause) {
	t.Helper()
	require.NotEmpty(t, c.Text)
	require.NotEmpty(t, c.Ends)
	require.NotEmpty(t, c.Do)
	require.NotEmpty(t, c.Workflow)
	require.GreaterOrEqual(t, rank(c.Code), 0, "a code without a rank")
}

// TestRuns: what concerns a run as a whole.
func TestRuns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*facts)
		cause  string
		text   string
	}{
		"no worker at all":   {func(f *facts) { f.workflows.Workers = 0 }, NoWorkflowWorker, "No worker serves the task queue cogflow"},
		"they all drain":     {func(f *facts) { f.workflows.Workers, f.workflows.Draining = 0, 1 }, NoWorkflowWorker, "draining"},
		"wrong queue":        {func(f *facts) { f.workflows.Workers, f.queue, f.untouched, f.task = 0, "cogfolw", true, &task{} }, WrongQueue, ""},
		"activity queue":     {func(f *facts) { f.queue, f.untouched, f.task = "media", true, &task{attempt: 3} }, WrongQueue, "do not know"},
		"wrong type":         {func(f *facts) { f.ofCogflow, f.kind, f.untouched, f.task = false, "Ingest", true, &task{attempt: 1} }, UnknownType, "Ingest"},
		"another code":       {func(f *facts) { f.task = &task{attempt: 9, mismatch: true, failure: "no command for event 12"} }, WorkflowTaskFailing, "does not fit the history"},
		"panic":              {func(f *facts) { f.task = &task{attempt: 9, failure: "nil map"} }, WorkflowTaskFailing, "attempt 9: nil map"},
		"late answers":       {func(f *facts) { f.task = &task{attempt: 9} }, WorkflowTaskFailing, "in time"},
		"one late answer":    {func(f *facts) { f.task = &task{attempt: 2} }, Running, ""},
		"later":              {func(f *facts) { f.startsAt = until(time.Hour) }, StartsLater, "2026-03-04T13:00:00Z"},
		"paused on server":   {func(f *facts) { f.paused = &pause{by: "eve"} }, ServerPaused, "by eve"},
		"cancelled":          {func(f *facts) { f.cancelAsked = true }, Cancelling, ""},
		"paused":             {func(f *facts) { f.state.Paused = true }, Paused, ""},
		"paused training":    {func(f *facts) { f.state.Paused, f.state.Waiting = true, "a person to resume it" }, Paused, ""},
		"approval":           {func(f *facts) { f.state.Waiting = "approval" }, Approval, ""},
		"budget":             {func(f *facts) { f.state.Waiting, f.limit, f.state.CostUSD = "budget", 5, 4.99 }, Budget, "$4.99 is paid, the job began with a limit of $5.00"},
		"shared budget":      {func(f *facts) { shared(f, false) }, Budget, "The budget of tenant acme ($50.00 a month) has less left than the next step may cost, $0.20."},
		"shared, no price":   {func(f *facts) { shared(f, true) }, UnknownPrice, "under the hard budget of tenant acme"},
		"shared, training":   {func(f *facts) { shared(f, false); f.budget = nil }, Budget, "The job waits for the budget of tenant acme"},
		"training, no price": {func(f *facts) { shared(f, true); f.budget = nil }, UnknownPrice, "set the price of the model"},
		"price": {func(f *facts) {
			f.state.Waiting, f.refused = "budget", "call model: its price is unknown under a hard limit"
		}, UnknownPrice, ""},
		"index":              {func(f *facts) { f.state.Waiting = "room in the index: disk is 90 % full" }, IndexFull, "disk is 90 % full"},
		"index or store":     {func(f *facts) { f.state.Waiting = "room in the index or the store: full" }, IndexFull, ""},
		"something":          {func(f *facts) { f.state.Waiting = "godot" }, Waiting, "godot"},
		"a GPU, by its step": {func(f *facts) { f.state.Waiting = "a worker of queue train-l4" }, Running, ""},
		"no answer":          {func(f *facts) { f.state = nil }, Running, ""},
		"time left":          {func(f *facts) { f.doing = doing{"ingest 3/9 videos", 3, 9} }, Running, "ingest 3/9 videos. At the rate since its start, about 2h0m0s are left."},
		"completed":          {func(f *facts) { f.status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED }, Completed, ""},
		"failed": {func(f *facts) {
			f.status, f.failure = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, &cli.Failure{Class: "input", Message: "line 3"}
		}, Failed, "input error: line 3"},
		"ended as cancelled":  {func(f *facts) { f.status = enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED }, Cancelled, ""},
		"ended as terminated": {func(f *facts) { f.status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED }, Terminated, ""},
		"timed out":           {func(f *facts) { f.status = enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT }, TimedOut, ""},
		"paused and without a worker": {func(f *facts) {
			f.state.Paused = true
			f.steps = []step{pending(served(0, 0, 0), none)}
		}, Paused, ""},
		"of two steps the worse": {func(f *facts) {
			f.steps = []step{calling(says(waits.Rate)), pending(served(0, 0, 0), none), pending(served(0, 0, 0), none)}
		}, NoWorker, "The same holds for 1 more step of the job."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy("v")
			f.closed = ago(time.Minute)
			c.change(&f)
			all := decide(f)
			require.Equal(t, c.cause, all[0].Code, all)
			require.Contains(t, all[0].Text, c.text)
			for _, one := range all {
				complete(t, one)
			}
		})
	}
}

// shared makes a run wait for a budget of its tenant.
func shared(f *facts, unpriced bool) {
	budget := money.Budget{Scope: money.Scope{Tenant: "acme"}, Period: money.Month, MicroUSD: 50_000_000}
	f.budget = &money.Blocked{Budget: budget, Ends: until(time.Hour), Needed: 200_000, Unpriced: unpriced}
	f.state.Waiting, f.state.Blocked = "budget", "the budget of "+f.budget.Name()+": "+f.budget.Fix()
}

// TestChildren: a job waits for what most of its children wait for, and says how many.
func TestChildren(t *testing.T) {
	t.Parallel()
	child := func(id string, steps ...step) facts {
		f := healthy(id)
		f.steps = steps
		return f
	}
	waiting := func(id string) facts { return child(id, pending(served(0, 0, 0), none)) }
	f := healthy("library")
	f.children, f.active = []facts{waiting("l/1"), waiting("l/2"), child("l/3", calling(says(waits.Endpoint))), child("l/4", calling(none))}, 100
	all := decide(f)
	require.Equal(t, []string{NoWorker, EndpointDown, Running}, codesOf(all))
	require.Equal(t, 2, all[0].Runs)
	require.Equal(t, []string{"l/1", "l/2"}, all[0].Examples)
	require.Contains(t, all[0].Text, "2 of 100 active runs wait. l/1: No worker serves")
	require.Contains(t, all[0].Text, "(4 of them were asked.)")
	require.Contains(t, all[1].Text, "1 of 100 active runs waits.")

	f.children, f.active = []facts{waiting("l/1"), child("l/4", calling(none)), child("l/5", calling(none))}, 3
	require.Equal(t, []string{Running, NoWorker}, codesOf(decide(f)), "most children go on")
	f.children, f.active = f.children[:1], 1
	require.Equal(t, []string{NoWorker}, codesOf(decide(f)), "no child goes on")
	f.children, f.active = []facts{waiting("l/1"), child("l/4", calling(none)), child("l/5", calling(none))}, 3
	f.state.Paused = true
	require.Equal(t, []string{Paused, NoWorker}, codesOf(decide(f)))
	f.children[2].state.Paused = true
	require.Equal(t, []string{Paused, NoWorker}, codesOf(decide(f)), "that its children are paused, too, is not said")
	f.children[1].status = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
	require.Equal(t, []string{Paused, NoWorker}, codesOf(decide(f)), "it ended meanwhile")
}

func codesOf(all []Cause) (codes []string) {
	for _, c := range all {
		codes = append(codes, c.Code)
	}
	return codes
}

// TestSchedules: what concerns schedules, and the ids of runs that do not exist.
func TestSchedules(t *testing.T) {
	t.Parallel()
	of := func(change func(*facts)) []Cause {
		f := facts{now: now(), id: "nightly", schedule: &schedule{id: "nightly", overlap: "skip", next: until(time.Hour)}}
		change(&f)
		return decide(f)
	}
	require.Equal(t, []string{ScheduleIdle}, codesOf(of(func(*facts) {})))
	require.Equal(t, []string{SchedulePaused}, codesOf(of(func(f *facts) { f.schedule.paused, f.schedule.note = true, "a run failed" })))
	require.Equal(t, []string{ScheduleEnded}, codesOf(of(func(f *facts) { f.schedule.ended = true })))
	require.Equal(t, []string{SchedulePaused, ScheduleMissed}, codesOf(of(func(f *facts) { f.schedule.paused, f.schedule.missed = true, 2 })))
	all := of(func(f *facts) { f.schedule.skipped, f.schedule.buffered, f.schedule.open = 3, 1, []string{"run-1"} })
	require.Equal(t, ScheduleOverlap, all[0].Code)
	require.Contains(t, all[0].Text, "has 3 runs skipped, 1 run waiting, because another run was open (overlap skip). Open now: run-1.")
	require.Equal(t, "cogflow explain run-1", all[0].Do[0])
	all = of(func(f *facts) { f.id, f.due = "schedule/default/nightly-2026-03-04T12:00:00Z", true })
	require.Contains(t, all[0].Text, "No run has the id schedule/default/nightly-2026-03-04T12:00:00Z. Its schedule nightly waits")
	require.Equal(t, []string{UnknownID}, codesOf(decide(facts{now: now(), id: "none"})))

	f := healthy("run-1")
	f.schedule = &schedule{id: "nightly", skipped: 3, open: []string{"run-1"}}
	require.Equal(t, []string{Running, ScheduleOverlap}, codesOf(decide(f)), "a job holds up the later runs of its schedule")
}

func TestQuoted(t *testing.T) {
	t.Parallel()
	require.Equal(t, "schedule/default/n-2026-01-02T03:04:05Z", quoted("schedule/default/n-2026-01-02T03:04:05Z"))
	require.Equal(t, `'it'\''s $HOME'`, quoted("it's $HOME"))
	require.Equal(t, "'-x'", quoted("-x"))
}
