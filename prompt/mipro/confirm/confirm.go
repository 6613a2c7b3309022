// Package confirm tests whether a program is better than the one that it would replace, on
// held-out examples that no search has seen, with a bound on the false positive rate. It
// does not know how the program was found.
package confirm

import (
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// level is the significance level of a confirmation: all interim analyses together promote a
// program that is not better with at most this probability.
const level = 0.05

// The maximum number of interim analyses, and the minimum number of examples before each.
const (
	maxAnalyses = 8
	minBatch    = 16
)

const minToSetAside = 10 // minimum number of examples to set some aside

// SetAside splits examples into those for the search and held-out ones for a Confirmation.
// Four in ten are held out, or all that the search would not draw, if those are more
// (draws 0 = the search uses all). With fewer than ten, all are for the search, and no
// program can be confirmed.
func SetAside(examples []*prompt.Object, draws int, seed int64) (search, confirm []*prompt.Object) {
	if len(examples) < minToSetAside {
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

// Confirmation compares two programs by their scores on the same held-out examples. It runs
// them in batches, with an interim analysis of the gains after each. It ends when the gain
// is significant, when significance has become too improbable, or when the examples or
// runs are used up.
type Confirmation struct {
	plan     *mipro.Plan
	programs [2]*prompt.Program // before and after
	examples []*prompt.Object
	order    []int           // of the examples that can be used
	runs     [2][]*mipro.Run // of the examples that are used, in that order
	pending  mipro.Pending
	test     *paired
	gain     *estimator
	verdict  prompt.Verdict
}

// New starts the comparison of a program with the one that it would replace. runs is the
// maximum number of runs of both together.
func New(plan *mipro.Plan, before, after *prompt.Program, examples []*prompt.Object, runs int) *Confirmation {
	most := max(min(len(examples), runs/2), 0)
	c := &Confirmation{
		plan: plan, programs: [2]*prompt.Program{before, after}, examples: examples,
		order: python.NewRandom(plan.Seed).Sample(len(examples), most), test: newPaired(level, most, plan.Seed),
		gain:    newEstimator(most),
		verdict: prompt.Verdict{Chance: 1, Bound: -1, Level: level, Planned: most},
	}
	c.ask()
	return c
}

// Calls lists the pending calls; none = the confirmation is over.
func (c *Confirmation) Calls() []mipro.Call { return c.pending.Calls() }

// Take passes an answer to the confirmation.
func (c *Confirmation) Take(id string, answer mipro.Answer) error {
	if err := c.pending.Take(id, answer); err != nil {
		return err
	}
	c.settle()
	return nil
}

// ask runs both programs on the next batch.
func (c *Confirmation) ask() {
	from, to := len(c.runs[0]), c.nextBatch()
	c.pending = mipro.Pending{}
	for i := from; i < to; i++ {
		example := c.examples[c.order[i]]
		for which, program := range c.programs {
			r := c.plan.Start(mipro.Student, program, example)
			c.runs[which] = append(c.runs[which], r)
			c.pending.Add(fmt.Sprintf("confirm/%d/%d", which, c.order[i]), r)
		}
	}
	c.settle()
}

// nextBatch returns the number of examples after the next batch; all batches have about the same size.
func (c *Confirmation) nextBatch() int {
	most := len(c.order)
	n := min(max(most/minBatch, 1), maxAnalyses)
	for k := 1; k <= n; k++ {
		if at := most * k / n; at > len(c.runs[0]) {
			return at
		}
	}
	return most
}

// settle analyses the gains when the batch is complete, and starts the next one if the test is
// undecided.
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
	f := c.test.analyse()
	c.verdict.Examples, c.verdict.Before, c.verdict.After = asked, mean(before), mean(after)
	c.verdict.Chance, c.verdict.Bound, c.verdict.Promote = f.chance, f.bound, f.better
	c.verdict.Gain = c.gain.estimate(c.test.gains, f.better)
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

// Verdict returns the result so far.
func (c *Confirmation) Verdict() prompt.Verdict { return c.verdict }

// Rows are the indices of the examples that were used.
func (c *Confirmation) Rows() []int { return c.order[:len(c.runs[0])] }

// Scores returns the scores of both programs on Rows, from 0 to 1, when the confirmation is over.
func (c *Confirmation) Scores() (before, after []float64) {
	var scores [2][]float64
	for which, runs := range c.runs {
		for _, r := range runs {
			scores[which] = append(scores[which], r.Score())
		}
	}
	return scores[0], scores[1]
}

// Outputs returns the outputs of both programs on Rows; nil where an answer could not be parsed.
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
