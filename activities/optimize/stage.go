package optimize

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro/bootstrap"
	"github.com/cogniverse/cogflow/prompt/mipro/confirm"
	"github.com/cogniverse/cogflow/prompt/mipro/propose"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
)

// begin reads the job. It fails if the API key of any model, or the program of any metric
// command, is missing: calls to the other models would be paid for in vain.
func (a *Activities) begin(ctx context.Context, s Spender) (*stageRunner, error) {
	o, err := a.optimization(ctx, s.Tenant, s.Job)
	if err != nil {
		return nil, err
	}
	if a.Usable != nil {
		for _, m := range o.asked() {
			if err := a.Usable(m.Name); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range o.job.Metric.Commands() {
		if err := a.Judges.Check(name); err != nil {
			return nil, err
		}
	}
	if a.Unsandboxed && len(o.job.Metric.Commands()) > 0 { // for the report, which another worker writes
		if err := activities.WriteJSON(ctx, a.Store, a.stored(s, unsandboxedName), true); err != nil {
			return nil, err
		}
	}
	c := a.runner(o, s)
	if c.whole, err = a.wholeAnswers(ctx, s); err != nil {
		return nil, err
	}
	activities.HeartbeatDetails(ctx, func() any { return c.live(ctx) })
	return c, nil
}

// unsandboxedName is stored when a worker ran metric commands without a sandbox.
const unsandboxedName = "unsandboxed.json"

func never() bool { return false }

func (a *Activities) stored(s Spender, name string) string {
	return prefixOf(s.Tenant, s.Job) + name
}

// BootstrapDemos makes the demo sets from runs of the teacher.
func (a *Activities) BootstrapDemos(ctx context.Context, in Spender) (Asked, error) {
	c, err := a.begin(ctx, in)
	if err != nil {
		return Asked{}, err
	}
	s := bootstrap.New(c.o.plan)
	if err := c.run(ctx, s, never); err != nil {
		return c.asked(), err
	}
	if err := activities.WriteJSON(ctx, a.Store, a.stored(in, "sets.json"), s.Sets()); err != nil {
		return c.asked(), err
	}
	return c.total(ctx)
}

// ProposeInstructions gets instructions from the proposer.
func (a *Activities) ProposeInstructions(ctx context.Context, in Spender) (Asked, error) {
	c, err := a.begin(ctx, in)
	if err != nil {
		return Asked{}, err
	}
	sets, err := a.sets(ctx, in)
	if err != nil {
		return Asked{}, err
	}
	s := propose.New(c.o.plan, sets)
	if err := c.run(ctx, s, never); err != nil {
		return c.asked(), err
	}
	if err := activities.WriteJSON(ctx, a.Store, a.stored(in, "instructions.json"), s.Instructions()); err != nil {
		return c.asked(), err
	}
	return c.total(ctx)
}

func (a *Activities) sets(ctx context.Context, s Spender) (sets [][][]*prompt.Object, err error) {
	if err = activities.ReadJSON(ctx, a.Store, a.stored(s, "sets.json"), &sets); err != nil {
		return nil, err
	}
	o, err := a.optimization(ctx, s.Tenant, s.Job)
	if err != nil {
		return nil, err
	}
	return sets, o.job.Program.ReadDemos(sets)
}

// SearchStep requests the next trials.
type SearchStep struct {
	Spender
	Made  int  `json:"made"`  // trials that the workflow has received
	Final bool `json:"final"` // improved mode: after the last reflection, with the whole budget

	Reflections int `json:"reflections,omitempty"` // improved mode: reflections so far; older builds make one, and count none
}

// TrialLine is one trial of a search.
type TrialLine struct {
	Number int              `json:"number"` // counts up from 1
	Kind   search.TrialKind `json:"kind"`   // "default", "search", "full" or "race"
	Choice string           `json:"choice"` // the candidate; equal text = the same candidate
	Rows   int              `json:"rows"`   // scored rows
	Score  float64          `json:"score"`  // in percent
}

// Searched is the result of a step.
type Searched struct {
	Asked
	Trials []TrialLine `json:"trials"` // new ones
	Done   bool        `json:"done"`
}

// searcher is a Search or a Race.
type searcher interface {
	stage
	Trials() []search.Trial
}

// searchFor is how long a step runs trials. A step ends when its calls in flight are answered,
// which takes about the time of one call. Pause and stop take effect between two steps.
const searchFor = 20 * time.Second

// SearchTrials runs the next trials and stores all trials so far.
func (a *Activities) SearchTrials(ctx context.Context, in SearchStep) (Searched, error) {
	c, err := a.begin(ctx, in.Spender)
	if err != nil {
		return Searched{}, err
	}
	s, err := a.searcher(ctx, c.o, in)
	if err != nil {
		return Searched{}, err
	}
	if len(s.Trials()) <= in.Made { // otherwise a former attempt made them, and its result was lost
		end := time.Now().Add(cmp.Or(a.SearchFor, searchFor))
		err := c.run(ctx, s, func() bool { return len(s.Trials()) > in.Made && !time.Now().Before(end) })
		if err != nil && (fault.ClassOf(err) != fault.Budget || len(s.Trials()) <= in.Made) {
			return Searched{Asked: c.asked()}, err
		}
		if err := c.checkCommands(ctx); err != nil {
			return Searched{Asked: c.asked()}, err
		}
		// If a limit was reached after some trials, this step returns these trials, and the
		// next step reports the limit.
		if err := a.keepTrials(ctx, in.Spender, s); err != nil {
			return Searched{}, err
		}
	}
	out := Searched{Done: len(s.Calls()) == 0}
	if out.Asked, err = c.total(ctx); err != nil {
		return Searched{}, err
	}
	for _, t := range s.Trials()[min(in.Made, len(s.Trials())):] {
		out.Trials = append(out.Trials, trialLine(t))
	}
	return out, nil
}

func trialLine(t search.Trial) TrialLine {
	l := TrialLine{Number: t.Number, Kind: t.Kind, Rows: len(t.Rows), Score: t.Score, Choice: choiceText(t.Choice)}
	if l.Score == 0 && len(t.Scores) > 0 {
		sum := 0.0
		for _, s := range t.Scores {
			sum += s
		}
		l.Score = 100 * sum / float64(len(t.Scores))
	}
	return l
}

// choiceText writes a choice as text, such as "0i2 0d1".
func choiceText(choice map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(choice)) {
		short := strings.NewReplacer("_predictor_instruction", "i", "_predictor_demos", "d").Replace(name)
		parts = append(parts, fmt.Sprintf("%s%d", short, choice[name]))
	}
	return strings.Join(parts, " ")
}

// searcher continues from the stored trials.
func (a *Activities) searcher(ctx context.Context, o *optimization, in SearchStep) (searcher, error) {
	if o.gepa != nil {
		return a.gepaSearch(ctx, o, in.Spender)
	}
	sets, err := a.sets(ctx, in.Spender)
	if err != nil {
		return nil, err
	}
	var instructions [][]string
	if err := activities.ReadJSON(ctx, a.Store, a.stored(in.Spender, "instructions.json"), &instructions); err != nil {
		return nil, err
	}
	var made []search.Trial
	if err := activities.ReadJSON(ctx, a.Store, a.stored(in.Spender, "trials.json"), &made); err != nil && !activities.Absent(err) {
		return nil, err
	}
	if o.Mode == ModeCompat {
		return resumed(o.plan, sets, instructions, made)
	}
	share := in.Reflections
	if in.Final {
		share = o.Rules.OrFormer().Reflections
	}
	budget := o.Rules.Trials(o.plan.SearchRuns(), len(o.plan.Train), len(o.plan.Val), share)
	for k := range in.reflections() {
		var learned [][]string
		if err := activities.ReadJSON(ctx, a.Store, a.stored(in.Spender, reflectedName(k)), &learned); err != nil {
			return nil, err
		}
		for i := range instructions {
			instructions[i] = append(instructions[i], learned[i]...)
		}
	}
	return search.NewRace(o.plan, sets, instructions, budget, made)
}

// preferred is the best program so far.
type preferred struct {
	program *prompt.Program
	choice  map[string]int // nil = the original program
}

func (a *Activities) best(ctx context.Context, o *optimization, in SearchStep) (preferred, error) {
	s, err := a.searcher(ctx, o, in)
	if err != nil {
		return preferred{}, err
	}
	best := preferred{program: o.job.Program}
	switch s := s.(type) {
	case *gepaSearch:
		best.program, best.choice = s.best()
	case *search.Race:
		best.program, best.choice = s.Best()
	case *search.Search:
		program, trial := s.Best()
		best = preferred{program, trial.Choice}
	}
	if best.program == o.job.Program {
		best.choice = nil
	}
	return best, nil
}

// Confirmed says whether the best program is better on rows that the search never saw.
type Confirmed struct {
	Asked
	Verdict prompt.Verdict `json:"verdict"`
	Changed bool           `json:"changed"`       // the best program is not the original program
	Score   float64        `json:"score"`         // of the best program, in percent; without a verdict, by the search
	Default float64        `json:"default_score"` // of the original program, in percent
}

// confirmation is what ConfirmBest stores for the report.
type confirmation struct {
	Rows   []int            `json:"rows,omitempty"` // indexes into the testset; empty = all rows
	Before []float64        `json:"before"`
	After  []float64        `json:"after"`
	OutsA  []*prompt.Object `json:"before_outputs"`
	OutsB  []*prompt.Object `json:"after_outputs"`
}

// ConfirmInput requests the confirmation of the best program.
type ConfirmInput struct {
	SearchStep
	Unpaid bool `json:"unpaid,omitempty"` // make no calls: return the scores of the search
}

// ConfirmBest compares the best program with the original program on the testset. It makes at
// most as many runs as the search may; if the search found nothing better, it makes no calls.
func (a *Activities) ConfirmBest(ctx context.Context, in ConfirmInput) (Confirmed, error) {
	c, err := a.begin(ctx, in.Spender)
	if err != nil {
		return Confirmed{}, err
	}
	best, err := a.best(ctx, c.o, in.SearchStep)
	if err != nil {
		return Confirmed{}, err
	}
	if best.choice == nil {
		return a.nothingBetter(ctx, in.SearchStep)
	}
	if in.Unpaid {
		return a.unconfirmed(ctx, in.SearchStep)
	}
	s := confirm.New(c.o.plan, c.o.job.Program, best.program, c.o.Confirm, c.o.runs())
	if err := c.run(ctx, s, never); err != nil {
		return Confirmed{Asked: c.asked()}, err
	}
	out := Confirmed{Verdict: s.Verdict(), Changed: true}
	if out.Asked, err = c.total(ctx); err != nil {
		return Confirmed{}, err
	}
	before, after := out.Verdict.Scores()
	out.Default, out.Score = 100*before, 100*after
	found := confirmation{Rows: s.Rows()}
	found.Before, found.After = s.Scores()
	outsA, outsB := s.Outputs()
	found.OutsA, found.OutsB = storable(outsA), storable(outsB)
	return out, activities.WriteJSON(ctx, a.Store, a.stored(in.Spender, "confirmation.json"), found)
}

// storable omits outputs with a number that JSON cannot represent, such as infinity.
func storable(outputs []*prompt.Object) []*prompt.Object {
	out := make([]*prompt.Object, len(outputs))
	for i, o := range outputs {
		if _, err := json.Marshal(o); err == nil {
			out[i] = o
		}
	}
	return out
}

// nothingBetter is the outcome of a search that prefers the original program. Its score is
// that of the first trial.
func (a *Activities) nothingBetter(ctx context.Context, in SearchStep) (Confirmed, error) {
	var trials []search.Trial
	if err := activities.ReadJSON(ctx, a.Store, a.stored(in.Spender, "trials.json"), &trials); err != nil {
		return Confirmed{}, err
	}
	score := trialLine(trials[0]).Score // of the original program
	return Confirmed{Default: score, Score: score}, activities.WriteJSON(ctx, a.Store, a.stored(in.Spender, "confirmation.json"), confirmation{})
}

// unconfirmed is the outcome of a search that found a better program, but has no budget left
// to confirm it. The program is published and never promoted. Its scores are the search's,
// which are optimistic.
func (a *Activities) unconfirmed(ctx context.Context, in SearchStep) (Confirmed, error) {
	var trials []search.Trial
	if err := activities.ReadJSON(ctx, a.Store, a.stored(in.Spender, "trials.json"), &trials); err != nil {
		return Confirmed{}, err
	}
	out := Confirmed{Changed: true, Default: trialLine(trials[0]).Score}
	var best search.BestSoFar
	for _, t := range trials {
		l := trialLine(t)
		out.Score = best.Add(l.Kind, l.Choice, l.Rows, l.Score)
	}
	return out, nil
}
