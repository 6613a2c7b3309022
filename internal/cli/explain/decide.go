package explain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// decide returns the causes of a run, the worst first. There is at least one.
func decide(f facts) []Cause {
	switch {
	case !f.found && f.schedule != nil:
		return f.ofSchedule()
	case !f.found:
		return []Cause{{
			Code: UnknownID, Text: "No job and no schedule has the id " + f.id + ". The server deletes old jobs after their retention period.",
			Ends: "an id of the list is given", Do: []string{"cogflow list --limit 200", "cogflow schedule list"},
		}}
	case workflows.Closed(f.status):
		return []Cause{f.ended()}
	}
	all := f.blocked()
	for _, s := range f.steps {
		if c, ok := f.ofStep(s); ok {
			all = append(all, c)
		}
	}
	all = merged(all)
	for _, c := range f.ofChildren() {
		// A library pauses and cancels its videos: that is said once.
		if !slices.ContainsFunc(all, func(own Cause) bool { return own.Code == c.Code }) {
			all = append(all, c)
		}
	}
	if f.goesOn(all) {
		all = append(all, f.running())
	}
	for i := range all {
		if all[i].Workflow == "" {
			all[i].Workflow = f.id
		}
	}
	all = f.first(sorted(all))
	if f.schedule != nil {
		all = append(all, f.heldUp()...)
	}
	return all
}

// goesOn reports whether some part of the run goes on, or nothing explains why it does not.
func (f facts) goesOn(all []Cause) bool {
	held := 0
	for _, c := range all {
		if c.blocks() && c.Runs == 0 || c.Code == Running {
			return false
		}
		if c.blocks() {
			held += c.Runs
		}
	}
	return held == 0 || held < len(f.children)
}

// first puts "running" first if more children go on than wait.
func (f facts) first(all []Cause) []Cause {
	held, running := 0, -1
	for i, c := range all {
		if c.blocks() && c.Runs == 0 {
			return all
		}
		if c.blocks() {
			held += c.Runs
		}
		if c.Code == Running {
			running = i
		}
	}
	if running < 1 || held == 0 || 2*held >= len(f.children) {
		return all
	}
	out := append([]Cause{all[running]}, all[:running]...)
	return append(out, all[running+1:]...)
}

// blocked returns what concerns the run as a whole.
func (f facts) blocked() (all []Cause) {
	add := func(c Cause) { all = append(all, c) }
	id := quoted(f.id)
	if f.paused != nil {
		c := Cause{
			Code: ServerPaused, Text: "The run is paused on the server" + by(f.paused) + ".", Since: at(f.paused.since),
			Ends: "it is unpaused there", Do: []string{"temporal workflow unpause --workflow-id " + id},
		}
		add(c)
	}
	if f.startsAt.After(f.now) {
		add(Cause{
			Code: StartsLater, Text: "The start of the job is delayed until " + clock(f.startsAt) + ".", Since: at(f.started), Until: at(f.startsAt),
			Ends: "the time comes", Do: []string{"cogflow watch " + id},
		})
		return all
	}
	if c, ok := f.untaken(); ok {
		add(c)
	}
	if f.cancelAsked {
		add(Cause{
			Code: Cancelling, Text: "The job was cancelled and waits until its steps have ended.",
			Ends: "running steps store what they have and end", Do: []string{"cogflow watch " + id},
		})
	}
	if f.state == nil {
		return all
	}
	if f.state.Paused {
		add(Cause{
			Code: Paused, Text: "The job is paused: nothing new starts.", Ends: "it is resumed", Do: []string{"cogflow resume " + id, "cogflow cancel " + id},
		})
	}
	if c, ok := f.ofWait(f.state.Waiting); ok {
		add(c)
	}
	return all
}

// ofWait explains what the workflow says that it waits for. Waits for a worker are explained by
// its steps.
func (f facts) ofWait(waiting string) (Cause, bool) {
	what, detail, _ := strings.Cut(waiting, ": ")
	id := quoted(f.id)
	switch {
	case what == "", what == job.WaitPerson, strings.HasPrefix(what, "a worker"):
		return Cause{}, false
	case what == job.WaitApproval:
		return Cause{
			Code: Approval, Text: "A better program was found, and its promotion waits for the approval of a person.", Ends: "a person approves or declines it",
			Do: []string{"cogflow approve " + id, "cogflow approve " + id + " --no"},
		}, true
	case what == job.WaitBudget:
		return f.ofBudget(), true
	case strings.HasPrefix(what, "room in the index"):
		text := "The index has no room, so nothing new is ingested"
		if detail != "" {
			text += ": " + detail
		}
		return Cause{
			Code: IndexFull, Text: text + ".", Ends: "there is room; the job looks again by itself, at least every 10 minutes",
			Do: []string{"cogflow health", "cogflow store gc --dry-run"},
		}, true
	default:
		return Cause{Code: Waiting, Text: "The job waits for " + waiting + ".", Ends: "the wait ends by itself", Do: []string{"cogflow watch " + id}}, true
	}
}

// untaken explains why workers do not take the workflow tasks of the run.
func (f facts) untaken() (Cause, bool) {
	id, q := quoted(f.id), f.queue
	again := "cogflow cancel " + id
	switch {
	case f.workflows.Workers == 0 && q == workflows.QueueMain && f.workflows.Draining > 0:
		return Cause{
			Code: NoWorkflowWorker, Text: "All workers of the pool cogflow are draining, and no other serves it.", Since: f.taskSince(),
			Ends: "another worker of the pool cogflow starts", Do: []string{"cogflow-worker --pools cogflow", "cogflow pools"},
		}, true
	case f.workflows.Workers == 0 && q == workflows.QueueMain:
		return Cause{
			Code: NoWorkflowWorker, Text: "No worker serves the task queue cogflow, which runs all workflows.", Since: f.taskSince(),
			Ends: "a worker of the pool cogflow starts", Do: []string{"cogflow-worker --pools cogflow", "make up"},
		}, true
	case f.workflows.Workers == 0 && f.untouched:
		return Cause{
			Code: WrongQueue, Text: "The job was started on the task queue " + q + ", which no worker serves for workflows.", Since: at(f.started),
			Ends: "nothing; it must be started on the queue " + workflows.QueueMain, Do: []string{again},
		}, true
	case f.task == nil:
		return Cause{}, false
	case f.untouched && !f.ofCogflow && q == workflows.QueueMain:
		return Cause{
			Code: UnknownType, Text: "No worker knows the workflow type " + f.kind + ".", Since: at(f.started),
			Ends: "nothing, or a newer build of the workers knows it", Do: []string{again, "cogflow pools"},
		}, true
	case f.untouched && f.ofCogflow && q != workflows.QueueMain && f.task.attempt > 1:
		return Cause{
			Code: WrongQueue, Text: "The workers of the task queue " + q + " do not know the type " + f.kind + ".", Since: at(f.started),
			Ends: "nothing; it must be started on the queue " + workflows.QueueMain, Do: []string{again},
		}, true
	case f.task.attempt > 1 && f.task.mismatch:
		return Cause{
			Code: WorkflowTaskFailing, Text: "The code of the workers does not fit the history of the run (another build began it): " + f.task.failure,
			Since: f.taskSince(), Ends: "a worker of the build that began it, or a fixed build, serves the pool cogflow", Do: []string{"cogflow pools", "cogflow logs " + id + " --level warn"},
		}, true
	case f.task.attempt > 1 && f.task.failure != "":
		return Cause{
			Code: WorkflowTaskFailing, Text: fmt.Sprintf("The code of the workflow fails, attempt %d: %s", f.task.attempt, f.task.failure),
			Since: f.taskSince(), Ends: "the server tries it again and again; a fixed build of the workers ends it", Do: []string{"cogflow pools", "cogflow logs " + id + " --level warn"},
		}, true
	case f.task.attempt > 2:
		return Cause{
			Code: WorkflowTaskFailing, Text: fmt.Sprintf("Workers take the workflow and do not answer in time, attempt %d.", f.task.attempt),
			Since: f.taskSince(), Ends: "a worker with enough processors and memory takes it", Do: []string{"cogflow pools"},
		}, true
	default:
		return Cause{}, false
	}
}

func (f facts) taskSince() *time.Time {
	if f.task == nil {
		return nil
	}
	return at(f.task.scheduled)
}
