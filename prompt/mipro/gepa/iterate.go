package gepa

import (
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
)

// phase is the step of an iteration that waits for answers.
type phase int

const (
	drawn      phase = iota
	scoring          // the parent on the rows of a reflection
	rewriting        // new instructions
	trying           // the new candidate on the rows
	evaluating       // the new candidate on all validation examples
)

// current is the current iteration.
type current struct {
	Iteration
	phase   phase
	board   mipro.Pending
	runs    map[int]*mipro.Run // by row
	writers []*writer
}

// continues reports whether a stored iteration equals the drawn one.
func (c *current) continues(it Iteration, val int) bool {
	whole := func(scores []float64, n int) bool { return len(scores) == n || scores == nil }
	same := c.Kind == it.Kind && slices.Equal(c.Parents, it.Parents) && slices.Equal(c.Rows, it.Rows) &&
		c.Ancestor == it.Ancestor && slices.Equal(c.Texts, it.Texts)
	complete := whole(it.After, len(it.Rows)) && whole(it.Scores, val)
	switch it.Kind {
	case Reflection:
		complete = complete && len(it.Before) == len(it.Rows)
	case Merge:
		complete = complete && len(it.After) == len(it.Rows)
	default:
		complete = complete && len(it.Scores) == val
	}
	return same && complete
}

// begin draws the next iteration, if the budget allows one.
func (s *Search) begin() {
	s.now = nil
	switch {
	case len(s.done) == 0:
		s.now = &current{Iteration: Iteration{Kind: Default}}
		return
	case s.calls >= s.plan.Budget:
		return
	}
	merge := s.plan.merges > 0 && s.due > 0 && s.found
	s.found = false
	if merge {
		if it, ok := s.drawMerge(); ok {
			s.now = &current{Iteration: it}
			return
		}
	}
	it := Iteration{Kind: Reflection, Parents: []int{s.draw()}}
	it.Rows = s.samples.next(len(s.done) - 1)
	s.now = &current{Iteration: it}
}

// start requests the first runs of the iteration.
func (s *Search) start() {
	c := s.now
	if c == nil {
		return
	}
	switch c.Kind {
	case Reflection:
		s.play(scoring, s.candidates[c.Parents[0]].Texts, s.plan.Base.Train, c.Rows)
	case Merge:
		s.play(trying, c.Texts, s.plan.Base.Val, c.Rows)
	default:
		s.evaluate()
	}
}

// evaluate requests runs of the new candidate on all validation examples.
func (s *Search) evaluate() {
	rows := make([]int, len(s.plan.Base.Val))
	for i := range rows {
		rows[i] = i
	}
	s.play(evaluating, s.texts(), s.plan.Base.Val, rows)
}

// texts are the instructions of the new candidate.
func (s *Search) texts() []string {
	switch c := s.now; c.Kind {
	case Reflection:
		return changed(s.candidates[c.Parents[0]].Texts, c.Proposals)
	case Merge:
		return c.Texts
	default:
		return s.plan.original()
	}
}

// play requests runs of a program on rows.
func (s *Search) play(next phase, texts []string, examples []*prompt.Object, rows []int) {
	c := s.now
	c.phase, c.board, c.runs = next, mipro.Pending{}, map[int]*mipro.Run{}
	program := s.plan.Program(texts)
	for _, row := range rows {
		if c.runs[row] == nil {
			c.runs[row] = s.plan.Base.Start(mipro.Student, program, examples[row])
			c.board.Add(fmt.Sprintf("%s%d/%d", place(len(s.done)), next, row), c.runs[row])
		}
	}
}

// scores are the scores of the finished runs.
func (c *current) scores(rows []int) []float64 {
	scores := make([]float64, len(rows))
	for i, row := range rows {
		scores[i] = c.runs[row].Score()
	}
	return scores
}

// settle advances as far as the answers allow.
func (s *Search) settle() {
	for s.now != nil && len(s.now.board.Calls()) == 0 {
		if s.proceed() {
			continue
		}
		s.conclude(s.now.Iteration)
		s.begin()
		s.start()
	}
}

// proceed begins the next phase; false = the iteration is over.
func (s *Search) proceed() bool {
	c := s.now
	switch c.phase {
	case scoring:
		c.Before = c.scores(c.Rows)
		if s.perfect(c.Before) {
			return false
		}
		s.reflect()
	case rewriting:
		for _, w := range c.writers {
			if w.text != "" {
				c.Proposals = append(c.Proposals, Proposal{w.predictor, w.text})
			}
		}
		if len(c.Proposals) == 0 {
			return false
		}
		s.play(trying, s.texts(), s.plan.Base.Train, c.Rows)
	case trying:
		c.After = c.scores(c.Rows)
		if !s.accepts(c.Iteration) {
			return false
		}
		s.evaluate()
	default:
		for row := range s.plan.Base.Val {
			c.Scores = append(c.Scores, c.runs[row].Score())
		}
		return false
	}
	return true
}
