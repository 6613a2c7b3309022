package search

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// RaceTrial is a trial of a race: a choice on some examples, concurrent with others.
const RaceTrial TrialKind = "race"

// Each trial scores one choice on trialRows examples. maxRunning trials run concurrently:
// while the oldest completes, the others keep a server with 32 slots busy.
const (
	trialRows  = 16
	maxRunning = 5
)

// Race finds the best choice with fewer calls than Search. It compares choices on the same
// examples, models every single score, and spends calls where they matter: a choice that
// is unlikely to win is dropped, and one that may win is tried on more examples. It
// stops when the budget is spent or no choice may become the best. Its decisions differ
// from DSPy's.
//
// Trials run concurrently: the next one starts when the oldest completes, and is chosen as
// if the running ones had their expected scores. Trials complete in the order in which
// they started, in any order of the answers, so each choice is a function of the
// trials before it.
type Race struct {
	plan    *mipro.Plan
	search  *Search // makes candidates; makes no calls
	names   [][2]string
	counts  map[string]int   // choices by parameter
	same    map[string][]int // by parameter, for each value the first with an equal text
	order   []int            // in which examples are used
	budget  int              // runs of the program
	trials  []Trial          // complete
	running []running        // under way
	pending mipro.Pending
	waits   struct{ begun, known int } // with that many trials started, no choice is promising by fewer than known results
}

// RaceTrials is the number of trials of a race that uses up its runs, apart from the first one.
func RaceTrials(runs int) int { return (runs - 1) / trialRows }

// running is a trial that is not complete.
type running struct {
	Trial
	rows []*mipro.Run
}

// NewRace starts a race, or continues it after the trials in made. budget is the maximum
// number of runs of the program, including those trials; 0 = as many as in Search.
func NewRace(plan *mipro.Plan, sets [][][]*prompt.Object, instructions [][]string, budget int, made []Trial) (*Race, error) {
	search, err := New(plan, sets, instructions, nil)
	if err != nil {
		return nil, err
	}
	r := &Race{plan: plan, search: search, counts: map[string]int{}, same: map[string][]int{}, budget: cmp.Or(budget, plan.Runs()), trials: slices.Clone(made)}
	for i, candidates := range instructions {
		names := [2]string{instructionOf(i)}
		r.counts[names[0]] = len(candidates)
		for _, text := range candidates { // failed proposals have the text of the original
			r.same[names[0]] = append(r.same[names[0]], slices.Index(candidates, text))
		}
		if search.sets != nil {
			names[1] = demosOf(i)
			r.counts[names[1]] = len(search.sets[i])
		}
		r.names = append(r.names, names)
	}
	r.order = python.NewRandom(plan.Seed).Sample(len(plan.Val), len(plan.Val))
	for i, trial := range made {
		if err := r.check(trial); err != nil {
			return nil, fault.New(fault.Input, "resume race", "", fmt.Sprintf("trial %d: %v", i, err))
		}
	}
	r.settle()
	return r, nil
}

func (r *Race) check(trial Trial) error {
	if len(trial.Choice) != len(r.counts) || len(trial.Rows) != len(trial.Scores) {
		return fmt.Errorf("it does not belong to this race")
	}
	for name, choice := range trial.Choice {
		if choice < 0 || choice >= r.counts[name] {
			return fmt.Errorf("%s is out of range: %d", name, choice)
		}
	}
	for _, row := range trial.Rows {
		if row < 0 || row >= len(r.plan.Val) {
			return fmt.Errorf("example %d does not exist", row)
		}
	}
	return nil
}

// Calls lists the pending calls; none = the race is over.
func (r *Race) Calls() []mipro.Call { return r.pending.Calls() }

// Take passes an answer to the race.
func (r *Race) Take(id string, answer mipro.Answer) error {
	if err := r.pending.Take(id, answer); err != nil {
		return err
	}
	r.settle()
	return nil
}

// Trials lists the complete trials.
func (r *Race) Trials() []Trial { return r.trials }

// settle completes finished trials in the order in which they started, and starts the
// next ones.
func (r *Race) settle() {
	for {
		for len(r.running) > 0 && !slices.ContainsFunc(r.running[0].rows, func(x *mipro.Run) bool { return !x.Done() }) {
			r.complete()
		}
		next, ok := r.next()
		if !ok {
			return
		}
		r.begin(next)
	}
}

func (r *Race) complete() {
	first := r.running[0]
	r.running = r.running[1:]
	for i, x := range first.rows {
		first.Scores = append(first.Scores, x.Score())
		r.pending.Remove(rowOf(first.Number, first.Rows[i]))
	}
	first.Score = mipro.Percent(first.Scores)
	r.trials = append(r.trials, first.Trial)
}

func (r *Race) begin(trial Trial) {
	candidate := r.plan.Job.Program
	if trial.Kind != DefaultTrial {
		candidate = r.search.Candidate(trial.Choice)
	}
	h := running{Trial: trial}
	for _, i := range trial.Rows {
		example := r.plan.Val[i]
		h.rows = append(h.rows, r.plan.Start(mipro.Student, candidate, example))
		r.pending.Add(rowOf(trial.Number, i), h.rows[len(h.rows)-1])
	}
	r.running = append(r.running, h)
}

func rowOf(trial, example int) string { return fmt.Sprintf("race/%d/%d", trial, example) }

// begun lists all started trials; running ones have no scores.
func (r *Race) begun() []Trial {
	all := slices.Clone(r.trials)
	for _, h := range r.running {
		all = append(all, h.Trial)
	}
	return all
}

// next returns the next trial, if one can start now. It uses only the results that are
// complete in any order of the answers. If no choice is promising by these, it waits for
// one more result.
func (r *Race) next() (Trial, bool) {
	begun := r.begun()
	left := r.budget
	for _, t := range begun {
		left -= len(t.Rows)
	}
	if len(r.running) == maxRunning || left <= 0 {
		return Trial{}, false
	}
	if len(begun) == 0 {
		return r.trial(begun, DefaultTrial, r.first(), left), true
	}
	exploration := 1 + float64(left)/float64(r.budget) // exploration weight, which decreases with the remaining budget
	known := max(0, len(begun)-maxRunning+1)
	if r.waits.begun == len(begun) {
		known = max(known, r.waits.known)
	}
	for ; known <= len(r.trials); known++ {
		if choice := r.promising(begun, known, exploration); choice != nil {
			return r.trial(begun, RaceTrial, choice, left), true
		}
	}
	r.waits.begun, r.waits.known = len(begun), known
	return Trial{}, false
}

// first is the choice of the original program.
func (r *Race) first() map[string]int {
	choice := map[string]int{}
	for name := range r.counts {
		choice[name] = 0
	}
	return choice
}

// trial returns a trial of a choice on its next unused examples.
func (r *Race) trial(begun []Trial, kind TrialKind, choice map[string]int, left int) Trial {
	met := map[int]bool{}
	for _, t := range begun {
		if maps.Equal(t.Choice, choice) {
			for _, row := range t.Rows {
				met[row] = true
			}
		}
	}
	var rows []int
	for _, row := range r.order {
		if !met[row] && len(rows) < min(trialRows, left) {
			rows = append(rows, row)
		}
	}
	return Trial{Number: len(begun), Kind: kind, Choice: choice, Rows: rows}
}

// promising returns the choice with the highest upper confidence bound. It uses the scores
// of the first known trials; the others count as pending. nil = no choice is promising.
func (r *Race) promising(begun []Trial, known int, exploration float64) map[string]int {
	l := newScoreTable(begun[:known])
	g := l.model(r.names)
	best := 0.0
	if leaders := r.leaders(l, g); len(leaders) > 0 {
		best, _ = g.predict(leaders[0])
	}
	for _, t := range begun[known:] {
		g.expect(t.Choice, 0.2/float64(len(t.Rows)))
	}
	met := map[string]int{}
	for _, t := range begun {
		met[key(t.Choice)] += len(t.Rows)
	}
	var top map[string]int
	highest := best // choices below the best mean are not promising
	for _, choice := range r.pool(l, g, len(begun)) {
		mean, deviation := g.predict(choice)
		if upper := mean + exploration*deviation; upper > highest && met[key(choice)] < len(r.order) {
			top, highest = choice, upper
		}
	}
	return top
}

// Best returns the program with the highest predicted score, and its choice; by default the
// original program. Whether it is significantly better must be tested on held-out examples;
// see package confirm.
func (r *Race) Best() (*prompt.Program, map[string]int) {
	best := r.first()
	if len(r.trials) == 0 {
		return r.plan.Job.Program, best
	}
	l := newScoreTable(r.trials)
	g := l.model(r.names)
	top, _ := g.predict(best)
	for _, choice := range l.choices {
		if mean, _ := g.predict(choice); mean > top {
			best, top = choice, mean
		}
	}
	if maps.Equal(best, r.first()) {
		return r.plan.Job.Program, best
	}
	return r.search.Candidate(best), best
}
