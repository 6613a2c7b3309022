// Package gepa improves the instructions of a program as DSPy's GEPA does. It shows a model a
// few runs with the feedback of the metric, lets it rewrite the instruction of one predictor,
// and keeps a candidate that scores better on the same rows. The next candidate to rewrite is
// drawn from the candidates that are best on some row. Two candidates with different new
// instructions may be merged. The search is separate from the stages of MIPROv2, and has the
// same interface: it lists the answers that it needs next and takes them in any order. Its
// result is a pure function of the job and the answers.
//
// With the same answers, every decision equals that of gepa 0.1.4 under DSPy 3.4, except
// where gepa's decision depends on the hash of a text, or where gepa stops with an error:
//   - Sets of candidates are in ascending order; in CPython that holds up to the eighth candidate.
//   - Ancestors that all score 0 are drawn with equal probability.
//   - A row that occurs twice in a minibatch runs once.
//   - A new instruction that cannot be parsed is not requested again.
//   - Indentation of new instructions is removed at once; DSPy removes it when it runs them.
package gepa

import (
	"slices"
	"strconv"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Kind says what an iteration did.
type Kind string

// The kinds.
const (
	Default    Kind = "default" // scored the original program
	Reflection Kind = "reflect" // rewrote instructions
	Merge      Kind = "merge"   // merged two candidates
)

// Proposal is a new instruction of a predictor.
type Proposal struct {
	Predictor int    `json:"predictor"`
	Text      string `json:"text"`
}

// Iteration is a finished iteration. Scores are from 0 to 1.
type Iteration struct {
	Kind      Kind       `json:"kind"`
	Parents   []int      `json:"parents,omitempty"`  // candidates
	Ancestor  int        `json:"ancestor,omitempty"` // of a merge
	Texts     []string   `json:"texts,omitempty"`    // of a merge: instructions by predictor
	Rows      []int      `json:"rows,omitempty"`     // of a reflection: training examples; of a merge: validation examples
	Before    []float64  `json:"before,omitempty"`   // of a reflection's parent on Rows
	Feedback  []string   `json:"feedback,omitempty"` // feedback that the reflection received, shortened
	Proposals []Proposal `json:"proposals,omitempty"`
	After     []float64  `json:"after,omitempty"`  // of the new candidate on Rows; nil = there is none
	Scores    []float64  `json:"scores,omitempty"` // of the new candidate on all validation examples; nil = it was not accepted
}

// Candidate is a program that was scored on all validation examples.
type Candidate struct {
	Texts   []string  // instructions by predictor
	Parents []int     // empty for the original program
	Scores  []float64 // on the validation examples, from 0 to 1
	next    int       // predictor that is rewritten next
}

// Search finds better instructions.
type Search struct {
	plan       *Plan
	rng        *python.Random
	samples    sampler
	candidates []Candidate
	done       []Iteration
	calls      int      // scored runs of the finished iterations
	found      bool     // the last iteration found a candidate by reflection
	due        int      // merges that may be tried
	merged     int      // accepted merges
	tried      [][3]int // tried merges: both candidates and their ancestor
	made       []mergeRecord
	now        *current // nil = the search is over
}

// New continues a search after the stored iterations. At the first iteration on which this
// build decides differently, it discards that one and the later ones.
func New(plan *Plan, made []Iteration) *Search {
	s := &Search{plan: plan, rng: python.NewRandom(plan.Base.Seed)}
	s.samples = sampler{size: plan.minibatch, rows: len(plan.Base.Train), rng: s.rng}
	s.begin()
	for _, it := range made {
		if s.now == nil || !s.now.continues(it, len(plan.Base.Val)) {
			break
		}
		s.conclude(it)
		s.begin()
	}
	s.start()
	s.settle()
	return s
}

// Calls lists the answers that are needed now; none = the search is over.
func (s *Search) Calls() []mipro.Call {
	if s.now == nil {
		return nil
	}
	return s.now.board.Calls()
}

// Take takes an answer.
func (s *Search) Take(id string, answer mipro.Answer) error {
	var none mipro.Pending
	board := &none
	if s.now != nil {
		board = &s.now.board
	}
	if err := board.Take(id, answer); err != nil {
		return err
	}
	s.settle()
	return nil
}

// Iterations lists the finished iterations.
func (s *Search) Iterations() []Iteration { return s.done }

// Candidates lists the programs that were scored on all validation examples.
func (s *Search) Candidates() []Candidate { return s.candidates }

// Scored is the number of scored runs in the finished iterations.
func (s *Search) Scored() int { return s.calls }

// Best is the first candidate with the best mean score; -1 = no candidate is scored yet.
func (s *Search) Best() (program *prompt.Program, candidate int) {
	best := s.best()
	if best < 0 {
		return s.plan.Base.Job.Program, best
	}
	return s.plan.Program(s.candidates[best].Texts), best
}

func (s *Search) best() int {
	best := -1
	for i, c := range s.candidates {
		if best < 0 || c.mean() > s.candidates[best].mean() {
			best = i
		}
	}
	return best
}

func (c Candidate) mean() float64 { return total(c.Scores) / float64(len(c.Scores)) }

func total(scores []float64) float64 {
	sum := 0.0
	for _, s := range scores {
		sum += s
	}
	return sum
}

// conclude records a finished iteration.
func (s *Search) conclude(it Iteration) {
	s.done = append(s.done, it)
	s.calls += len(it.Before) + len(it.After) + len(it.Scores)
	switch it.Kind {
	case Default:
		s.add(s.plan.original(), nil, it.Scores)
	case Reflection:
		parent := &s.candidates[it.Parents[0]]
		if !s.perfect(it.Before) {
			if s.plan.settings.ComponentSelector != All {
				parent.next = (parent.next + 1) % len(parent.Texts)
			}
		}
		if it.Scores != nil {
			s.add(changed(parent.Texts, it.Proposals), it.Parents, it.Scores)
			s.found = true
			if s.merged < s.plan.merges {
				s.due++
			}
		}
	case Merge:
		if it.Scores != nil {
			s.add(it.Texts, it.Parents, it.Scores)
			s.due--
			s.merged++
		}
	}
}

func (s *Search) add(texts []string, parents []int, scores []float64) {
	c := Candidate{Texts: texts, Parents: parents, Scores: scores}
	for _, p := range parents {
		c.next = max(c.next, s.candidates[p].next)
	}
	s.candidates = append(s.candidates, c)
}

func changed(texts []string, proposals []Proposal) []string {
	texts = slices.Clone(texts)
	for _, p := range proposals {
		texts[p.Predictor] = p.Text
	}
	return texts
}

// perfect reports whether a parent has the best score on all its rows.
func (s *Search) perfect(scores []float64) bool {
	skip := s.plan.settings.SkipPerfectScore
	return (skip == nil || *skip) && !slices.ContainsFunc(scores, func(x float64) bool { return x < 1 })
}

// accepts reports whether the new candidate of an iteration is evaluated on all validation rows.
func (s *Search) accepts(it Iteration) bool {
	if it.Kind == Reflection {
		return total(it.After) > total(it.Before)
	}
	return total(it.After) >= max(total(at(s.candidates[it.Parents[0]].Scores, it.Rows)), total(at(s.candidates[it.Parents[1]].Scores, it.Rows)))
}

func at(scores []float64, rows []int) []float64 {
	picked := make([]float64, len(rows))
	for i, row := range rows {
		picked[i] = scores[row]
	}
	return picked
}

func place(iteration int) string { return "gepa/" + strconv.Itoa(iteration) + "/" }
