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

// RaceTrial is a heat of a race: a choice on some examples, beside others.
const RaceTrial TrialKind = "race"

// A heat is one choice on so many examples, and so many heats are under way at
// once: while the oldest is decided, the others keep a server of 32 slots busy.
const (
	heatRows = 16
	abreast  = 5
)

// Race finds the best choice as Search does, but compares choices on the same
// examples, keeps every single score, and spends calls where they decide: a
// choice that can hardly win is tried no further, one that may win is tried on
// more examples. It stops when the budget is spent or nothing may win any more.
// Its decisions are not DSPy's.
//
// It never waits for all that it has asked: the next heat begins when the oldest
// of those under way is complete, and is chosen as if the others had come out as
// expected. Heats complete in the order of their beginning, whichever answers come
// first, so each choice is a function of the trials before it.
type Race struct {
	plan   *mipro.Plan
	search *Search // makes candidates; never asked itself
	names  [][2]string
	counts map[string]int   // choices by parameter
	same   map[string][]int // by parameter, for each choice the first that says the same
	order  []int            // in which examples are met
	budget int              // runs of the program
	trials []Trial          // complete
	heats  []heat           // under way
	board  mipro.Pending
	waits  struct{ begun, known int } // of so many heats begun, nothing may win by what fewer than known say
}

// heat is a trial under way.
type heat struct {
	Trial
	rows []*mipro.Run
}

// NewRace begins, or goes on after the trials that were made. budget is how many
// runs of the program it may make in all, those of the trials included; 0 = as
// many as Search would.
func NewRace(plan *mipro.Plan, sets [][][]*prompt.Object, instructions [][]string, budget int, made []Trial) (*Race, error) {
	search, err := New(plan, sets, instructions, nil)
	if err != nil {
		return nil, err
	}
	r := &Race{plan: plan, search: search, counts: map[string]int{}, same: map[string][]int{}, budget: cmp.Or(budget, plan.Runs()), trials: slices.Clone(made)}
	for i, candidates := range instructions {
		names := [2]string{instructionOf(i)}
		r.counts[names[0]] = len(candidates)
		for _, text := range candidates { // proposals that failed are all the original
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
		return fmt.Errorf("it is not of this race")
	}
	for name, choice := range trial.Choice {
		if choice < 0 || choice >= r.counts[name] {
			return fmt.Errorf("%s is %d", name, choice)
		}
	}
	for _, row := range trial.Rows {
		if row < 0 || row >= len(r.plan.Val) {
			return fmt.Errorf("example %d does not exist", row)
		}
	}
	return nil
}

// Calls lists the answers that are needed now; none = the race is over.
func (r *Race) Calls() []mipro.Call { return r.board.Calls() }

// Take takes an answer.
func (r *Race) Take(id string, answer mipro.Answer) error {
	if err := r.board.Take(id, answer); err != nil {
		return err
	}
	r.settle()
	return nil
}

// Trials lists the heats that are complete.
func (r *Race) Trials() []Trial { return r.trials }

// settle completes the heats that are done, in the order of their beginning, and
// begins those that may follow.
func (r *Race) settle() {
	for {
		for len(r.heats) > 0 && !slices.ContainsFunc(r.heats[0].rows, func(x *mipro.Run) bool { return !x.Done() }) {
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
	first := r.heats[0]
	r.heats = r.heats[1:]
	for i, x := range first.rows {
		first.Scores = append(first.Scores, x.Score())
		r.board.Remove(rowOf(first.Number, first.Rows[i]))
	}
	first.Score = mipro.Percent(first.Scores)
	r.trials = append(r.trials, first.Trial)
}

func (r *Race) begin(trial Trial) {
	candidate := r.plan.Job.Program
	if trial.Kind != DefaultTrial {
		candidate = r.search.Candidate(trial.Choice)
	}
	h := heat{Trial: trial}
	for _, i := range trial.Rows {
		example := r.plan.Val[i]
		h.rows = append(h.rows, r.plan.Start(mipro.Student, candidate, example))
		r.board.Add(rowOf(trial.Number, i), h.rows[len(h.rows)-1])
	}
	r.heats = append(r.heats, h)
}

func rowOf(trial, example int) string { return fmt.Sprintf("race/%d/%d", trial, example) }

// begun lists all heats, those under way without scores.
func (r *Race) begun() []Trial {
	all := slices.Clone(r.trials)
	for _, h := range r.heats {
		all = append(all, h.Trial)
	}
	return all
}

// next decides which heat is next, if it may begin yet. It knows only those heats
// that are complete whenever it may begin; where nothing may win by what they
// say, it waits for one more.
func (r *Race) next() (Trial, bool) {
	begun := r.begun()
	left := r.budget
	for _, t := range begun {
		left -= len(t.Rows)
	}
	if len(r.heats) == abreast || left <= 0 {
		return Trial{}, false
	}
	if len(begun) == 0 {
		return r.heat(begun, DefaultTrial, r.first(), left), true
	}
	boldness := 1 + float64(left)/float64(r.budget) // the more, the more is left
	known := max(0, len(begun)-abreast+1)
	if r.waits.begun == len(begun) {
		known = max(known, r.waits.known)
	}
	for ; known <= len(r.trials); known++ {
		if choice := r.promising(begun, known, boldness); choice != nil {
			return r.heat(begun, RaceTrial, choice, left), true
		}
	}
	r.waits.begun, r.waits.known = len(begun), known
	return Trial{}, false
}

// first is the program as it was.
func (r *Race) first() map[string]int {
	choice := map[string]int{}
	for name := range r.counts {
		choice[name] = 0
	}
	return choice
}

// heat gives a choice the next examples that it has not met.
func (r *Race) heat(begun []Trial, kind TrialKind, choice map[string]int, left int) Trial {
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
		if !met[row] && len(rows) < min(heatRows, left) {
			rows = append(rows, row)
		}
	}
	return Trial{Number: len(begun), Kind: kind, Choice: choice, Rows: rows}
}

// promising picks the choice that may be best, by how good it seems and how little
// is known of it: of the first heats the scores, of the others only that they
// were begun. nil = nothing may win.
func (r *Race) promising(begun []Trial, known int, boldness float64) map[string]int {
	l := newLedger(begun[:known])
	g := l.model(r.names)
	best := 0.0
	if leaders := r.leaders(l, g); len(leaders) > 0 {
		best, _ = g.guess(leaders[0])
	}
	for _, t := range begun[known:] {
		g.expect(t.Choice, 0.2/float64(len(t.Rows)))
	}
	met := map[string]int{}
	for _, t := range begun {
		met[key(t.Choice)] += len(t.Rows)
	}
	var top map[string]int
	promise := best // of what cannot win, nothing is picked
	for _, choice := range r.pool(l, g, len(begun)) {
		mean, deviation := g.guess(choice)
		if hope := mean + boldness*deviation; hope > promise && met[key(choice)] < len(r.order) {
			top, promise = choice, hope
		}
	}
	return top
}

// Best returns the program that is expected to be best, and its choice: the
// program as it was, unless another is expected to be better. Whether it is, only
// examples that the race never saw can tell; see package confirm.
func (r *Race) Best() (*prompt.Program, map[string]int) {
	best := r.first()
	if len(r.trials) == 0 {
		return r.plan.Job.Program, best
	}
	l := newLedger(r.trials)
	g := l.model(r.names)
	top, _ := g.guess(best)
	for _, choice := range l.choices {
		if mean, _ := g.guess(choice); mean > top {
			best, top = choice, mean
		}
	}
	if maps.Equal(best, r.first()) {
		return r.plan.Job.Program, best
	}
	return r.search.Candidate(best), best
}
