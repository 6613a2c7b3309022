package training

import (
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// Adapter is the manifest of one published version: what it is, its origin, and all its
// files. It is written last and never changed; its role says whether it is active.
type Adapter struct {
	Name    string `json:"name"`    // name
	Version int    `json:"version"` // counts up from 1
	Role    string `json:"role"`    // what it is used for; one version per role is active
	Kind    string `json:"kind"`    // "adapter", or "model" for all weights

	Job      string    `json:"job"`      // job that trained it
	Workflow string    `json:"workflow"` // workflow id of that job
	Spec     Spec      `json:"spec"`     // everything that determined the result
	Base     Model     `json:"base"`     // the base model, without its path
	Created  time.Time `json:"created"`  // time of publication
	Outcome  Outcome   `json:"outcome"`  // figures and verdict of the training

	Files []CheckpointFile `json:"files"` // files in the object store
}

// Kinds of what is published.
const (
	KindAdapter = "adapter" // LoRA weights for the base model
	KindModel   = "model"   // a whole model
)

// Outcome is the result of a training job: lineage, figures and verdict.
type Outcome struct {
	Ended       string             `json:"ended"`                  // "done", or "stopped" early with the best so far
	Steps       int                `json:"steps"`                  // optimizer steps done
	Total       int                `json:"total"`                  // optimizer steps planned
	BestStep    int                `json:"best_step"`              // step with the best evaluation
	Tokens      int64              `json:"tokens"`                 // trained on
	Seconds     float64            `json:"seconds"`                // life of all trainer processes, in seconds
	CostUSD     float64            `json:"cost_usd"`               // paid in all, in USD
	GPU         string             `json:"gpu"`                    // GPU class
	Device      string             `json:"device"`                 // the driver's name of the device
	MemoryBytes int64              `json:"memory_bytes"`           // peak memory
	MicroBatch  int                `json:"micro_batch"`            // rows per micro-batch in the last attempt
	Attempts    int                `json:"attempts"`               // trainer processes
	Checkpoints int                `json:"checkpoints"`            // checkpoints written
	Redone      int                `json:"redone_steps"`           // steps computed again after a failure
	Versions    map[string]string  `json:"versions,omitempty"`     // versions of the libraries
	Data        *DataStats         `json:"data,omitempty"`         // what the tokenizer counted
	Metrics     map[string]float64 `json:"metrics,omitempty"`      // of the best adapter, on held-out rows
	BaseMetrics map[string]float64 `json:"base_metrics,omitempty"` // of the base model, on the same rows
	Comparison  *Comparison        `json:"comparison,omitempty"`   // the paired test; null = no held-out rows
	Clock       string             `json:"clock,omitempty"`        // the time that chat templates read, in all attempts; empty = that of each attempt
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

// Role says which adapter or program serves a role, and which did before. Any change of the
// active one ends the canary, which was compared with it.
type Role struct {
	Role    string       `json:"role"`             // name of the role
	Active  *Activation  `json:"active,omitempty"` // nil = none
	Canary  *Canary      `json:"canary,omitempty"` // of programs only; nil = none
	History []Activation `json:"history"`          // former ones, the latest first, at most maxActivations
}

// Activation is a version that serves or served a role.
type Activation struct {
	Name    string    `json:"name"`    // name of the adapter or program
	Version int       `json:"version"` // version
	Since   time.Time `json:"since"`   // time of the activation
}

const maxActivations = 50

// Activate makes a version the active one; repeating it changes nothing.
func (r *Role) Activate(name string, version int, now time.Time) {
	if r.Active != nil {
		if r.Active.Name == name && r.Active.Version == version {
			return
		}
		r.retire()
	}
	r.Active, r.Canary = &Activation{Name: name, Version: version, Since: now}, nil
}

// Deactivate removes the active adapter of the role.
func (r *Role) Deactivate() {
	if r.Active != nil {
		r.retire()
	}
}

// Rollback reactivates the previous version. The version that is rolled back is not
// remembered, or the next rollback would reactivate it.
func (r *Role) Rollback(now time.Time) error {
	if len(r.History) == 0 {
		return fault.New(fault.Input, "roll back role", r.Role, "it has no previous version")
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
		return 0, fault.New(fault.Input, "read version", s, "must be a number from 1 on")
	}
	return n, nil
}

// TensorBoard is the folder of the scalars of its training; "" = it has none, being of an earlier
// build.
func (a Adapter) TensorBoard(t tenant.ID) string {
	for _, f := range a.Files {
		if strings.HasPrefix(f.Name, TensorBoardFolder) {
			return AdapterPrefix(t, a.Name, a.Version) + TensorBoardFolder
		}
	}
	return ""
}
