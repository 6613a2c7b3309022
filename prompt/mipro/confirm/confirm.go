// Package confirm says whether a program is better than the one that it would replace, on
// examples that no search has seen, and how likely it is to say so for nothing. It knows
// nothing of how the program was found.
package confirm

import (
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// How often a program that is no better may be promoted: never more often than
// mostLevel, and the less, the more the search itself doubts that it is better, so
// that of all programs that are found about so few are promoted for nothing.
const (
	mostLevel  = 0.05
	forNothing = 0.0005
)

// A confirmation looks at most so often, after so many examples at least.
const (
	looks     = 8
	leastLook = 16
)

const leastToKeep = 10 // examples below which nothing is set aside

// SetAside parts examples into those that a search may see and those that only a
// Confirmation may: four in ten, or all that the search would not draw (0 = it
// takes all it gets) where those are more. Of fewer than ten all are for the search,
// and nothing can be confirmed.
func SetAside(examples []*prompt.Object, draws int, seed int64) (search, confirm []*prompt.Object) {
	if len(examples) < leastToKeep {
		return examples, nil
	}
	n := len(examples) * 4 / 10
	if draws > 0 {
		n = max(n, len(examples)-draws)
	}
	aside := map[int]bool{}
	for _, i := range python.NewRandom(seed).Sample(len(examples), n) {
		aside[i] = true
	}
	for i, example := range examples {
		if aside[i] {
			confirm = append(confirm, example)
		} else {
			search = append(search, example)
		}
	}
	return search, confirm
}

// Confirmation compares two programs by their scores on the same examples, which
// no search has seen. It asks them in batches and looks at the gains after each: it
// ends when one program is better for certain, when that can hardly be shown any
// more, or when the examples or runs are used up.
type Confirmation struct {
	plan     *mipro.Plan
	programs [2]*prompt.Program // before and after
	examples []*prompt.Object
	order    []int           // of the examples that may be asked
	runs     [2][]*mipro.Run // of the examples that are asked, in that order
	board    mipro.Pending
	test     *paired
	gain     *estimator
	verdict  prompt.Verdict
}

// New begins to compare a program with the one it would replace, with
// at most so many runs of the two together. doubt is how likely it is no better, by
// what is known already; see search.Race.Doubt.
func New(plan *mipro.Plan, before, after *prompt.Program, examples []*prompt.Object, runs int, doubt float64) *Confirmation {
	most := max(min(len(examples), runs/2), 0)
	level := mostLevel
	if doubt > forNothing/mostLevel {
		level = forNothing / min(doubt, 1)
	}
	c := &Confirmation{
		plan: plan, programs: [2]*prompt.Program{before, after}, examples: examples,
		order: python.NewRandom(plan.Seed).Sample(len(examples), most), test: newPaired(level, most, plan.Seed),
		gain:    newEstimator(most),
		verdict: prompt.Verdict{Chance: 1, Bound: -1, Level: level, Planned: most},
	}
	c.ask()
	return c
}

// Calls lists the answers that are needed now; none = the confirmation is over.
func (c *Confirmation) Calls() []mipro.Call { return c.board.Calls() }

// Take takes an answer.
func (c *Confirmation) Take(id string, answer mipro.Answer) error {
	if err := c.board.Take(id, answer); err != nil {
		return err
	}
	c.settle()
	return nil
}

// ask has both programs run on the next batch.
func (c *Confirmation) ask() {
	from, to := len(c.runs[0]), c.nextLook()
	c.board = mipro.Pending{}
	for i := from; i < to; i++ {
		example := c.examples[c.order[i]]
		for which, program := range c.programs {
			r := c.plan.Start(mipro.Student, program, example)
			c.runs[which] = append(c.runs[which], r)
			c.board.Add(fmt.Sprintf("confirm/%d/%d", which, c.order[i]), r)
		}
	}
	c.settle()
}

// nextLook is after how many examples the next look is: all batches are about equal.
func (c *Confirmation) nextLook() int {
	most := len(c.order)
	n := min(max(most/leastLook, 1), looks)
	for k := 1; k <= n; k++ {
		if at := most * k / n; at > len(c.runs[0]) {
			return at
		}
	}
	return most
}

// settle looks when the batch is done, and asks the next one if that may decide.
func (c *Confirmation) settle() {
	asked := len(c.runs[0])
	running := func(r *mipro.Run) bool { return !r.Done() }
	if c.verdict.Examples == asked || slices.ContainsFunc(c.runs[0], running) || slices.ContainsFunc(c.runs[1], running) {
		return
	}
	before, after := c.Scores()
	for i := c.verdict.Examples; i < asked; i++ {
		c.test.add(after[i] - before[i])
	}
	f := c.test.look()
	c.verdict.Examples, c.verdict.Before, c.verdict.After = asked, mean(before), mean(after)
	c.verdict.Chance, c.verdict.Bound, c.verdict.Promote = f.chance, f.bound, f.better
	c.verdict.Gain = c.gain.look(c.test.gains, f.better)
	if !f.better && !f.futile {
		c.ask()
	}
}

func mean(scores []float64) float64 {
	sum := 0.0
	for _, s := range scores {
		sum += s
	}
	return sum / float64(len(scores))
}

// Verdict says what is known by now.
func (c *Confirmation) Verdict() prompt.Verdict { return c.verdict }

// Rows are the places of the examples that were asked.
func (c *Confirmation) Rows() []int { return c.order[:len(c.runs[0])] }

// Scores are those of Rows, from 0 to 1, of both programs, when the confirmation is over.
func (c *Confirmation) Scores() (before, after []float64) {
	var scores [2][]float64
	for which, runs := range c.runs {
		for _, r := range runs {
			scores[which] = append(scores[which], r.Score())
		}
	}
	return scores[0], scores[1]
}

// Outputs are what the programs gave on Rows; nil where an answer could not be read.
func (c *Confirmation) Outputs() (before, after []*prompt.Object) {
	var outputs [2][]*prompt.Object
	for which, runs := range c.runs {
		outputs[which] = make([]*prompt.Object, len(runs))
		for i, r := range runs {
			outputs[which][i] = r.Outputs()
		}
	}
	return outputs[0], outputs[1]
}
