package explain

import (
	"cmp"
	"slices"
	"time"
)

// Cause is one reason why a job waits or is slow, or the state that it is in.
type Cause struct {
	Code     string     `json:"cause"`              // stable; see the constants
	Text     string     `json:"text"`               // one sentence
	Since    *time.Time `json:"since,omitempty"`    // nil = unknown
	Until    *time.Time `json:"until,omitempty"`    // when it ends or is tried again; nil = unknown
	Ends     string     `json:"ends"`               // what ends it
	Do       []string   `json:"do"`                 // commands, the most useful first
	Workflow string     `json:"workflow,omitempty"` // where it is; empty = it is no workflow
	Step     string     `json:"step,omitempty"`     // activity
	Runs     int        `json:"runs,omitempty"`     // number of children that have this cause
	Examples []string   `json:"examples,omitempty"` // the worst of these children
}

// Codes of causes. They are stable: scripts compare them. A code is never renamed.
const (
	// The job cannot go on at all.
	NoWorkflowWorker    = "no_workflow_worker"    // no worker serves the task queue of workflows
	WrongQueue          = "wrong_queue"           // it was started on a queue whose workers do not know it
	UnknownType         = "unknown_type"          // no worker knows the workflow type
	WorkflowTaskFailing = "workflow_task_failing" // the code of the workflow fails or does not fit its history
	ServerPaused        = "server_paused"         // an operator has paused the run on the server
	StartsLater         = "starts_later"          // its start is delayed
	Cancelling          = "cancelling"            // it was cancelled and ends

	// A person decides.
	Paused       = "paused"
	Approval     = "approval"
	Budget       = "budget"
	UnknownPrice = "unknown_price" // under a hard limit

	// It waits for a part of the system.
	IndexFull      = "index_full"
	NoWorker       = "no_worker"       // no worker of the pool or the GPU class
	SlotsFull      = "slots_full"      // all slots of the queue are in use by other jobs
	GPUAside       = "gpu_aside"       // all GPUs of the workers are ill
	GPULease       = "gpu_lease"       // other work holds the GPU
	ActivityPaused = "activity_paused" // an operator has paused a step on the server
	Claimed        = "claimed"         // another workflow does the same work
	OtherBuild     = "other_build"     // only a worker of another build can do the step
	EndpointDown   = "endpoint_down"   // the circuit breaker of a model endpoint is open
	ModelServer    = "model_server"    // a model server on demand is not ready
	WorkerLost     = "worker_lost"
	Draining       = "draining" // the worker stops, and another continues
	Capacity       = "capacity" // such as a full disk
	Failing        = "failing"  // a step fails and is tried again
	RateLimit      = "rate_limit"
	CallFailed     = "call_failed"     // a call of a model failed and is made again
	Reserved       = "budget_reserved" // calls in flight reserve the rest of the budget
	SameCall       = "same_call"       // another process makes the same call
	StoreFailing   = "store_failing"   // a paid answer cannot be stored
	LedgerFailing  = "ledger_failing"  // what a call cost cannot be booked
	Queued         = "queued"          // workers have free slots, but have not taken the step yet
	Waiting        = "waiting"         // another wait that the job names

	// It runs.
	OwnSlots       = "own_slots"       // the job uses all slots of a queue itself
	LowConcurrency = "low_concurrency" // few calls are made at a time
	SlowEndpoint   = "slow_endpoint"
	Running        = "running"

	// It has ended.
	Completed  = "completed"
	Failed     = "failed"
	Cancelled  = "cancelled"
	Terminated = "terminated"
	TimedOut   = "timed_out"
	UnknownID  = "unknown_id"

	// It is a schedule.
	ScheduleOverlap = "schedule_overlap" // runs are skipped or wait, because another run is open
	SchedulePaused  = "schedule_paused"
	ScheduleMissed  = "schedule_missed" // the server was down for longer than the catch-up
	ScheduleEnded   = "schedule_ended"
	ScheduleIdle    = "schedule_idle" // nothing is wrong: the next run is due later
)

// order ranks the causes: what blocks the whole job, or what only a person can end, is first.
func order() []string {
	return []string{
		UnknownID, Completed, Failed, Cancelled, Terminated, TimedOut,
		ServerPaused, StartsLater, NoWorkflowWorker, WrongQueue, UnknownType, WorkflowTaskFailing, Cancelling,
		SchedulePaused, ScheduleEnded,
		Paused, Approval, UnknownPrice, Budget, IndexFull, NoWorker, ActivityPaused, SlotsFull, GPUAside, GPULease, Claimed, OtherBuild,
		EndpointDown, ModelServer, WorkerLost, Draining, Capacity, Failing, RateLimit, CallFailed, Reserved, StoreFailing, LedgerFailing, SameCall, Queued, Waiting,
		OwnSlots, SlowEndpoint, LowConcurrency, Running,
		ScheduleOverlap, ScheduleMissed, ScheduleIdle,
	}
}

func rank(code string) int { return slices.Index(order(), code) }

// blocks reports whether a cause keeps its run from going on.
func (c Cause) blocks() bool { return rank(c.Code) < rank(OwnSlots) }

// sorted puts the worst cause first; of two alike, the one that is older.
func sorted(all []Cause) []Cause {
	slices.SortStableFunc(all, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(rank(a.Code), rank(b.Code)), older(a.Since, b.Since))
	})
	return all
}

// older compares two times; an unknown one is last.
func older(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(*b)
}
