package optimize

import (
	"slices"
	"time"

	"github.com/cogniverse/cogflow/workflows/job"
)

// optimizeState is what a run hands to the next at continue-as-new.
type optimizeState struct {
	optimizeWork
	Budget  float64   `json:"budget"`
	Paused  bool      `json:"paused,omitempty"`
	Enough  bool      `json:"enough,omitempty"`
	Started time.Time `json:"started"`
	Chain   string    `json:"chain"`
}

// optimizeContinuation is the input of a continued run.
type optimizeContinuation struct {
	Input
	Resume *optimizeState `json:"resume,omitempty"`
}

// check limits what the previous run handed on.
func (s *optimizeState) check() error {
	if !job.IsDigest(s.Plan.Job, job.JobDigest) {
		return job.Outside("plan")
	}
	stages := []string{stageBootstrap, stagePropose, stageSearch, stageReflect, stageConfirm}
	if !slices.Contains(stages, s.Stage) {
		return job.Outside("stage")
	}
	return nil
}

// continuation is the input of the next run of the chain.
func (r *optimizeRun) continuation() any {
	in := optimizeContinuation{Input: r.in, Resume: &optimizeState{
		optimizeWork: r.optimizeWork, Budget: r.Budget, Paused: r.Paused, Enough: r.Enough, Started: r.Started, Chain: r.ID,
	}}
	in.BudgetUSD = r.Budget
	return in
}

// restore continues from what the previous run handed on. The budget comes from the input,
// where input checks see it.
func (r *optimizeRun) restore(s optimizeState) {
	r.optimizeWork, r.Paused, r.Enough, r.Started = s.optimizeWork, s.Paused, s.Enough, s.Started
}
