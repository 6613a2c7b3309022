package training

import (
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// Adapter is the manifest of one published version: what it is, where it comes
// from, and every file of it. It is written last and never changed; whether the
// adapter is active is said by its role.
type Adapter struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Role    string `json:"role"` // what it is for; one adapter a role is active
	Kind    string `json:"kind"` // KindAdapter or KindModel

	Job      string    `json:"job"`
	Workflow string    `json:"workflow"`
	Spec     Spec      `json:"spec"`
	Base     Model     `json:"base"` // without its path
	Created  time.Time `json:"created"`
	Outcome  Outcome   `json:"outcome"`

	Files []CheckpointFile `json:"files"`
}

// Kinds of what is published.
const (
	KindAdapter = "adapter" // LoRA weights for the base model
	KindModel   = "model"   // a whole model
)

// Outcome is what became of a training job: lineage, figures and verdict.
type Outcome struct {
	Ended       string             `json:"ended"` // EndedDone, or EndedStopped: somebody had enough and kept the best
	Steps       int                `json:"steps"` // optimizer steps done
	Total       int                `json:"total"` // optimizer steps planned
	BestStep    int                `json:"best_step"`
	Tokens      int64              `json:"tokens"` // trained on
	Seconds     float64            `json:"seconds"`
	CostUSD     float64            `json:"cost_usd"`
	GPU         string             `json:"gpu"`    // class
	Device      string             `json:"device"` // what the driver calls it
	MemoryBytes int64              `json:"memory_bytes"`
	MicroBatch  int                `json:"micro_batch"` // of the last attempt
	Attempts    int                `json:"attempts"`
	Checkpoints int                `json:"checkpoints"`  // written
	Redone      int                `json:"redone_steps"` // steps that were computed again after a death
	Versions    map[string]string  `json:"versions,omitempty"`
	Data        *DataStats         `json:"data,omitempty"`
	Metrics     map[string]float64 `json:"metrics,omitempty"`      // of the best, on held-out rows
	BaseMetrics map[string]float64 `json:"base_metrics,omitempty"` // of the base model, on the same rows
	Comparison  *Comparison        `json:"comparison,omitempty"`   // nil = nothing was held out
	Unsandboxed bool               `json:"unsandboxed,omitempty"`  // the worker of the last attempt ran the trainer without a sandbox
}

// How training ended.
const (
	EndedDone        = "done"
	EndedStopped     = "stopped"       // asked to stop; a checkpoint is stored
	EndedOutOfMemory = "out_of_memory" // not even one row at a time fits
	EndedBudget      = "budget"        // the hard limit; a checkpoint is stored
)

// Better reports whether held-out rows show the adapter to be better than its base.
func (o Outcome) Better() bool { return o.Comparison != nil && o.Comparison.Better }

// Role says which adapter or program serves a role, and which did before.
// Whatever changes the active one ends the canary, which was on trial against it.
type Role struct {
	Role    string       `json:"role"`
	Active  *Activation  `json:"active,omitempty"` // nil = none
	Canary  *Canary      `json:"canary,omitempty"` // of programs only; nil = none
	History []Activation `json:"history"`          // former ones, the latest first, at most maxActivations
}

// Activation is a version that serves or served a role.
type Activation struct {
	Name    string    `json:"name"`
	Version int       `json:"version"`
	Since   time.Time `json:"since"`
}

const maxActivations = 50

// Activate makes a version the active one; the same again changes nothing.
func (r *Role) Activate(name string, version int, now time.Time) {
	if r.Active != nil {
		if r.Active.Name == name && r.Active.Version == version {
			return
		}
		r.retire()
	}
	r.Active, r.Canary = &Activation{Name: name, Version: version, Since: now}, nil
}

// Deactivate leaves the role without an adapter.
func (r *Role) Deactivate() {
	if r.Active != nil {
		r.retire()
	}
}

// Rollback makes the former version active again. The one that is rolled back
// is not remembered, or the next rollback would bring it back.
func (r *Role) Rollback(now time.Time) error {
	if len(r.History) == 0 {
		return fault.New(fault.Input, "roll back role", r.Role, "nothing served it before")
	}
	former := r.History[0]
	r.History = r.History[1:]
	r.Active, r.Canary = &Activation{Name: former.Name, Version: former.Version, Since: now}, nil
	return nil
}

func (r *Role) retire() {
	r.History = append([]Activation{*r.Active}, r.History...)
	r.History = r.History[:min(len(r.History), maxActivations)]
	r.Active, r.Canary = nil, nil
}

// ParseVersion reads "3" or "v3".
func ParseVersion(s string) (int, error) {
	if len(s) > 1 && s[0] == 'v' {
		s = s[1:]
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Input, "read version", s, "want a number from 1 on")
	}
	return n, nil
}
