package explain

import (
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/money"
)

// facts are what is known of one run. The code that decides reads them and asks nothing.
type facts struct {
	now time.Time
	id  string

	found       bool
	kind        string
	ofCogflow   bool   // its type is one of cogflow's
	queue       string // of its workflow tasks
	status      enumspb.WorkflowExecutionStatus
	started     time.Time
	startsAt    time.Time // later than started: its start is delayed
	closed      time.Time
	cancelAsked bool
	paused      *pause // on the server
	parent      string // workflow id; empty = none
	untouched   bool   // no worker has completed a workflow task
	task        *task  // pending workflow task; nil = none
	workflows   fleet.Queue
	steps       []step // pending activities
	state       *state // answer of the progress query; nil = none
	doing       doing
	classes     []string       // GPU classes of its input
	limit       float64        // hard limit of its input in USD; 0 = none
	refused     string         // why its last step was refused for the budget; empty = unknown
	budget      *money.Blocked // the shared budget that refused it; nil = its own limit, or unknown
	failure     *cli.Failure

	children []facts // of its open children, those that were asked
	active   int     // number of open children

	schedule *schedule // the id is that of a schedule, or a schedule started the run
	due      bool      // the id is that of a run of the schedule that does not exist
}

type pause struct {
	by, reason string
	since      time.Time
}

// task is a workflow task that is not completed.
type task struct {
	scheduled time.Time
	attempt   int32
	failure   string // of the last attempt; empty = it has not failed, or it timed out
	mismatch  bool   // the code does not fit the history
}

// state has what all answers of the progress query have in common.
type state struct {
	Stage   string    `json:"stage"`
	Paused  bool      `json:"paused"`
	Waiting string    `json:"waiting"`
	Status  string    `json:"status"`
	Blocked string    `json:"blocked_by"` // the shared budget that it waits for
	CostUSD float64   `json:"cost_usd"`
	Started time.Time `json:"started"`
}

// doing is the progress of a run in words.
type doing struct {
	line        string
	done, total int
}

// step is one pending activity.
type step struct {
	activity, queue string
	state           enumspb.PendingActivityState
	paused          *pause // on the server
	attempt         int32
	since           time.Time // of its start, or of its schedule
	next            time.Time // of its next attempt; zero = it does not wait for one
	beat            time.Time // of its last heartbeat
	beatTimeout     time.Duration
	toStart         time.Duration // until which a worker must take it; 0 = no limit
	failure         *failure
	worker          string // identity of its last worker
	says            activities.Beat
	waiting         string // of heartbeats of builds without codes
	served          fleet.Queue
	workerGone      bool // its worker is not among them
	workerDrains    bool
	workerLeaves    string // why the host of its worker will be taken away; empty = it will not
	holders         []holder
}

// failure is the last failure of a step.
type failure struct {
	class, text string
	lost        bool // its heartbeats ended
}

// holder is a run that uses slots of a queue.
type holder struct {
	id    string
	steps int
	own   bool // it belongs to the same job
}

func (s step) class() string { return fleet.ClassOf(s.queue) }

// pool is the name of the pool that serves the queue.
func (s step) pool() string {
	name, _, _ := strings.Cut(s.queue, "-")
	return name
}

// schedule is what is known of a schedule.
type schedule struct {
	id                       string
	paused, ended            bool
	note, overlap            string
	skipped, missed, dropped int64
	buffered                 int64
	catchUp                  time.Duration
	open                     []string // ids of open runs
	next                     time.Time
}
