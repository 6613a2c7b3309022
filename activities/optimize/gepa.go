package optimize

import (
	"context"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
)

// makePlan plans the search of a job.
func (o *optimization) makePlan() (err error) {
	switch {
	case o.Mode == ModeGEPA && o.Version == formerVersion:
		return fault.New(fault.Input, "plan optimization", o.job.Program.Name,
			"it was planned by a worker whose build has no mode gepa; start it again when all workers are upgraded")
	case o.Mode == ModeGEPA:
		if o.gepa, err = gepa.NewPlan(o.job, o.GEPA); err == nil {
			o.plan = o.gepa.Base
		}
	case o.GEPA != gepa.Options{}:
		return fault.New(fault.Input, "plan optimization", o.job.Program.Name, "a setting of mode gepa is set in another mode")
	default:
		o.plan, err = mipro.NewPlan(o.job)
	}
	return err
}

// search is the maximum cost of the search, and its number of trials.
func (o *optimization) search() (q mipro.Quote, trials int) {
	if o.gepa != nil {
		return o.gepa.Quote(), o.gepa.Trials()
	}
	return o.plan.Quote(), o.plan.Trials
}

// runs is the maximum number of program runs in a search.
func (o *optimization) runs() int {
	if o.gepa != nil {
		return o.gepa.Runs()
	}
	return o.plan.Runs()
}

// asked lists the models that the job asks.
func (o *optimization) asked() []prompt.Model {
	if o.gepa != nil {
		return []prompt.Model{o.Models.Student, o.Models.Proposer, o.Models.Judge}
	}
	return []prompt.Model{o.Models.Student, o.Models.Teacher, o.Models.Proposer, o.Models.Judge}
}

// iterationsName is where the iterations of a search in mode gepa are stored.
const iterationsName = "iterations.json"

// evolution is a search in mode gepa, with its trials as other searches have them.
type evolution struct{ *gepa.Search }

// evolution continues from the stored iterations.
func (a *Activities) evolution(ctx context.Context, o *optimization, s Spender) (*evolution, error) {
	made, err := a.iterations(ctx, s)
	return &evolution{gepa.New(o.gepa, made)}, err
}

func (a *Activities) iterations(ctx context.Context, s Spender) (made []gepa.Iteration, err error) {
	if err = activities.ReadJSON(ctx, a.Store, a.stored(s, iterationsName), &made); activities.Absent(err) {
		return nil, nil
	}
	return made, err
}

// Trials lists the scored programs.
func (e *evolution) Trials() []search.Trial {
	var trials []search.Trial
	for i, t := range e.Search.Trials() {
		trials = append(trials, search.Trial{
			Number: i, Kind: search.TrialKind(t.Kind), Choice: t.Choice, Rows: t.Rows, Scores: t.Scores, Score: t.Score,
		})
	}
	return trials
}

// best is the program that the search prefers; choice nil = the original one.
func (e *evolution) best(o *optimization) (program *prompt.Program, choice map[string]int, doubt float64) {
	program, candidate := e.Best()
	if candidate > 0 {
		choice = e.Choice(candidate)
	}
	return program, choice, max(e.Doubt(), o.Rules.orFormer().Doubt)
}

// keepTrials stores the trials of a search. Iterations come last: where they are stored, so
// are their trials.
func (a *Activities) keepTrials(ctx context.Context, in Spender, s searcher) error {
	if err := activities.WriteJSON(ctx, a.Store, a.stored(in, "trials.json"), s.Trials()); err != nil {
		return err
	}
	if e, ok := s.(*evolution); ok {
		return activities.WriteJSON(ctx, a.Store, a.stored(in, iterationsName), e.Iterations())
	}
	return nil
}
