package mipro

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// RaceTrial is a heat of a race: a choice on some examples, beside others.
const RaceTrial TrialKind = "race"

// One round of a race: so many choices, each on so many examples.
const (
	heats    = 4
	heatRows = 16
)

// Race finds the best choice as Search does, but compares choices on the same
// examples, keeps every single score, and spends calls where they decide: a
// choice that can hardly win is tried no further, one that may win is tried on
// more examples. It stops when the budget is spent or nothing may win any more.
// Its decisions are not DSPy's.
type Race struct {
	plan   *Plan
	search *Search // makes candidates; never asked itself
	names  [][2]string
	counts map[string]int // choices by parameter
	order  []int          // in which examples are met
	budget int            // runs of the program
	trials []Trial
	round  []Trial // under way
	board  board
	rows   [][]*row
}

// NewRace begins, or goes on after the trials that were made. budget is how many
// runs of the program it may make in all, those of the trials included; 0 = as
// many as Search would.
func NewRace(plan *Plan, sets [][][]*prompt.Object, instructions [][]string, budget int, made []Trial) (*Race, error) {
	search, err := NewSearch(plan, sets, instructions, nil)
	if err != nil {
		return nil, err
	}
	r := &Race{plan: plan, search: search, counts: map[string]int{}, budget: or(budget, plan.Runs()), trials: slices.Clone(made)}
	for i, candidates := range instructions {
		names := [2]string{instructionOf(i)}
		r.counts[names[0]] = len(candidates)
		if search.sets != nil {
			names[1] = demosOf(i)
			r.counts[names[1]] = len(search.sets[i])
		}
		r.names = append(r.names, names)
	}
	r.order = python.NewRandom(plan.seed).Sample(len(plan.Val), len(plan.Val))
	for i, trial := range made {
		if err := r.check(trial); err != nil {
			return nil, fault.New(fault.Input, "resume race", "", fmt.Sprintf("trial %d: %v", i, err))
		}
	}
	r.start()
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
			return fmt.Errorf("there is no example %d", row)
		}
	}
	return nil
}

// Calls lists the answers that are needed now; none = the race is over.
func (r *Race) Calls() []Call { return r.board.calls() }

// Take takes an answer.
func (r *Race) Take(id string, answer Answer) error {
	if err := r.board.take(id, answer); err != nil {
		return err
	}
	r.settle()
	return nil
}

// Trials lists the heats that are complete.
func (r *Race) Trials() []Trial { return r.trials }

func (r *Race) spent() int {
	n := 0
	for _, trial := range r.trials {
		n += len(trial.Rows)
	}
	return n
}

// start begins the next round.
func (r *Race) start() {
	r.round, r.rows, r.board = r.next(), nil, board{}
	for n, trial := range r.round {
		candidate := r.plan.job.Program
		if trial.Kind != DefaultTrial {
			candidate = r.search.Candidate(trial.Choice)
		}
		var rows []*row
		for _, i := range trial.Rows {
			example := r.plan.Val[i]
			rows = append(rows, newRow(Student, candidate, r.plan.job.Student, r.plan.inputs(example), example, r.plan.job))
			r.board.add(fmt.Sprintf("race/%d/%d", len(r.trials)+n, i), rows[len(rows)-1])
		}
		r.rows = append(r.rows, rows)
	}
	r.settle()
}

// settle closes the round when all of it is done, and starts the next.
func (r *Race) settle() {
	for _, rows := range r.rows {
		if slices.ContainsFunc(rows, func(x *row) bool { return !x.done() }) {
			return
		}
	}
	if len(r.round) == 0 {
		return
	}
	for n, trial := range r.round {
		for _, x := range r.rows[n] {
			trial.Scores = append(trial.Scores, x.score())
		}
		trial.Number, trial.Score = len(r.trials), percent(trial.Scores)
		r.trials = append(r.trials, trial)
	}
	r.start()
}

// next decides who runs next, from the trials alone.
func (r *Race) next() []Trial {
	left := r.budget - r.spent()
	if len(r.trials) == 0 {
		return r.heats(DefaultTrial, []map[string]int{r.first()}, left, heatRows)
	}
	l := newLedger(r.trials)
	return r.heats(RaceTrial, r.promising(l, l.model(r.names), float64(left)/float64(r.budget)), left, heatRows)
}

// first is the program as it was.
func (r *Race) first() map[string]int {
	choice := map[string]int{}
	for name := range r.counts {
		choice[name] = 0
	}
	return choice
}

// heats gives each choice the next examples that it has not met.
func (r *Race) heats(kind TrialKind, choices []map[string]int, left, most int) []Trial {
	l := newLedger(r.trials)
	var round []Trial
	for _, choice := range choices {
		var rows []int
		var met map[int]float64
		if i, ok := l.keys[key(choice)]; ok {
			met = l.scores[i]
		}
		for _, row := range r.order {
			if _, ok := met[row]; !ok && len(rows) < min(most, left) {
				rows = append(rows, row)
			}
		}
		if len(rows) > 0 {
			left -= len(rows)
			round = append(round, Trial{Kind: kind, Choice: choice, Rows: rows})
		}
	}
	return round
}

// leaders are the two choices that are expected to be best.
func (r *Race) leaders(l *ledger, g *gaussian) []map[string]int {
	places := make([]int, len(l.choices))
	means := make([]float64, len(l.choices))
	for i, choice := range l.choices {
		places[i] = i
		means[i], _ = g.guess(choice)
	}
	slices.SortStableFunc(places, func(a, b int) int {
		switch {
		case means[a] > means[b]:
			return -1
		case means[a] < means[b]:
			return 1
		}
		return 0
	})
	return pick(l.choices, places[:min(2, len(places))])
}

// promising picks the choices of a round: those that may be best, by how good
// they seem and how little is known of them; the more so, the more is left.
func (r *Race) promising(l *ledger, g *gaussian, left float64) []map[string]int {
	boldness := 1 + left
	best := 0.0
	for i, choice := range r.leaders(l, g) {
		if mean, _ := g.guess(choice); i == 0 {
			best = mean
		}
	}
	pool := r.pool(l, g)
	var picked []map[string]int
	values := make([]float64, len(l.choices))
	noise := make([]float64, len(l.choices))
	tried := slices.Clone(l.choices)
	for i, choice := range l.choices {
		values[i], _ = g.guess(choice)
		noise[i] = 0.2 / float64(len(l.scores[i]))
	}
	for range heats {
		var top map[string]int
		promise := best // of what cannot win, nothing is picked
		for _, choice := range pool {
			if l.seen(choice) == len(r.order) || slices.ContainsFunc(picked, func(p map[string]int) bool { return maps.Equal(p, choice) }) {
				continue
			}
			mean, deviation := g.guess(choice)
			if hope := mean + boldness*deviation; hope > promise {
				top, promise = choice, hope
			}
		}
		if top == nil {
			break
		}
		picked = append(picked, top)
		// The others are picked as if this one had come out as expected.
		mean, _ := g.guess(top)
		tried, values, noise = append(tried, top), append(values, mean), append(noise, 0.2/heatRows)
		g = newGaussian(r.names, tried, values, noise)
	}
	return picked
}

// pool lists choices to pick from: all if they are few, else what was tried,
// what differs from the leaders in one thing, and some at random.
func (r *Race) pool(l *ledger, g *gaussian) []map[string]int {
	const most = 2048
	names := slices.Sorted(maps.Keys(r.counts))
	total := 1
	for _, name := range names {
		total *= r.counts[name]
		if total > most {
			return r.someOf(names, l, g)
		}
	}
	pool := make([]map[string]int, total)
	for i := range pool {
		pool[i] = map[string]int{}
		rest := i
		for _, name := range names {
			pool[i][name] = rest % r.counts[name]
			rest /= r.counts[name]
		}
	}
	return pool
}

func (r *Race) someOf(names []string, l *ledger, g *gaussian) []map[string]int {
	pool := slices.Clone(l.choices)
	for _, leader := range r.leaders(l, g) {
		for _, name := range names {
			for c := range r.counts[name] {
				other := maps.Clone(leader)
				other[name] = c
				pool = append(pool, other)
			}
		}
	}
	rng := python.NewRandom(r.plan.seed + int64(len(r.trials)))
	for range 512 {
		choice := map[string]int{}
		for _, name := range names {
			choice[name] = rng.Choice(r.counts[name])
		}
		pool = append(pool, choice)
	}
	return pool
}

// Best returns the program that is expected to be best, and its choice: the
// program as it was, unless another is expected to be better. Whether it is, only
// examples that the race never saw can tell; see Confirm.
func (r *Race) Best() (*prompt.Program, map[string]int) {
	best := r.first()
	if len(r.trials) == 0 {
		return r.plan.job.Program, best
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
		return r.plan.job.Program, best
	}
	return r.search.Candidate(best), best
}
