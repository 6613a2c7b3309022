package optimize

import (
	"context"
	"slices"

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
	q = o.plan.Quote()
	trials = o.plan.Trials
	if o.Mode == ModeImproved {
		r := o.Rules.OrFormer()
		trials = search.RaceTrials(r.Trials(o.plan.SearchRuns(), len(o.plan.Train), len(o.plan.Val), r.Reflections))
		q.Proposer += r.Reflections * r.ReflectVariants * len(o.job.Program.Predictors)
	}
	return q, trials
}

// runs is the maximum number of program runs in a confirmation: that of a search.
func (o *optimization) runs() int {
	if o.gepa != nil {
		return o.gepa.Runs()
	}
	return o.plan.Runs()
}

// asked lists the models that the job calls.
func (o *optimization) asked() []prompt.Model {
	if o.gepa != nil {
		return []prompt.Model{o.Models.Student, o.Models.Proposer, o.Models.Judge}
	}
	return []prompt.Model{o.Models.Student, o.Models.Teacher, o.Models.Proposer, o.Models.Judge}
}

// iterationsName is where the iterations of a search in mode gepa are stored.
const iterationsName = "iterations.json"

// gepaSearch is a search in mode gepa, with its trials in the form of other searches.
type gepaSearch struct {
	*gepa.Search
	trials []search.Trial
	listed int // iterations whose trials are listed; Trials is called after each answer
}

// gepaSearch continues from the stored iterations.
func (a *Activities) gepaSearch(ctx context.Context, o *optimization, s Spender) (*gepaSearch, error) {
	made, err := a.iterations(ctx, s)
	return &gepaSearch{Search: gepa.New(o.gepa, made)}, err
}

func (a *Activities) iterations(ctx context.Context, s Spender) (made []gepa.Iteration, err error) {
	if err = activities.ReadJSON(ctx, a.Store, a.stored(s, iterationsName), &made); activities.Absent(err) {
		return nil, nil
	}
	return made, err
}

// Trials lists the scored programs.
func (g *gepaSearch) Trials() []search.Trial {
	if g.listed == len(g.Iterations()) {
		return g.trials
	}
	g.listed, g.trials = len(g.Iterations()), nil
	for i, t := range g.Search.Trials() {
		g.trials = append(g.trials, search.Trial{
			Number: i, Kind: search.TrialKind(t.Kind), Choice: t.Choice, Rows: t.Rows, Scores: t.Scores, Score: t.Score,
		})
	}
	return g.trials
}

// best is the program that the search prefers; choice nil = the original one.
func (g *gepaSearch) best() (program *prompt.Program, choice map[string]int) {
	program, candidate := g.Best()
	if candidate > 0 {
		choice = g.Choice(candidate)
	}
	return program, choice
}

// keepTrials stores the trials of a search. Iterations are written last: if they are stored,
// their trials are as well.
func (a *Activities) keepTrials(ctx context.Context, in Spender, s searcher) error {
	if err := activities.WriteJSON(ctx, a.Store, a.stored(in, "trials.json"), s.Trials()); err != nil {
		return err
	}
	if g, ok := s.(*gepaSearch); ok {
		return activities.WriteJSON(ctx, a.Store, a.stored(in, iterationsName), g.Iterations())
	}
	return nil
}

// reportCandidates lists the candidates of a search in mode gepa.
func (a *Activities) reportCandidates(ctx context.Context, o *optimization, s Spender) ([]prompt.ReportCandidate, error) {
	if o.gepa == nil {
		return nil, nil
	}
	g, err := a.gepaSearch(ctx, o, s)
	if err != nil {
		return nil, err
	}
	var out []prompt.ReportCandidate
	candidates := g.Candidates()
	front := gepa.Front(candidates)
	for _, it := range g.Iterations() {
		if it.Scores == nil {
			continue
		}
		i := len(out)
		c := candidates[i]
		reported := prompt.ReportCandidate{
			Parents: c.Parents, Choice: choiceText(g.Choice(i)), Score: mipro.Percent(c.Scores), Feedback: it.Feedback,
		}
		for p, text := range c.Texts {
			if len(c.Parents) > 0 && text != candidates[c.Parents[0]].Texts[p] {
				reported.Changed = append(reported.Changed, o.job.Program.Predictors[p].Name)
			}
		}
		for _, best := range front {
			if slices.Contains(best, i) {
				reported.Front++
			}
		}
		out = append(out, reported)
	}
	return out, nil
}
