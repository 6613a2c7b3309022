package gepa

import (
	"slices"

	"github.com/cogniverse/cogflow/prompt/mipro"
)

// TrialKind says on which rows a program was scored.
type TrialKind string

// The kinds.
const (
	DefaultTrial TrialKind = "default" // the original program, on all validation examples
	SampleTrial  TrialKind = "sample"  // new instructions, on the training examples of their reflection
	MergeTrial   TrialKind = "merge"   // a merge, on a few validation examples
	FullTrial    TrialKind = "full"    // a candidate, on all validation examples
)

// Trial is one program that was scored.
type Trial struct {
	Kind   TrialKind
	Choice map[string]int // instructions, named as in MIPROv2: 0 is the original, others count up by first use
	Rows   []int          // training examples of a sample, else validation examples
	Scores []float64      // from 0 to 1
	Score  float64        // their mean in percent, to two places
}

// Trials lists the programs that were scored in the finished iterations.
func (s *Search) Trials() []Trial {
	v := versions{}
	for i, text := range s.plan.original() {
		v.number(i, text)
	}
	whole := make([]int, len(s.plan.Base.Val))
	for i := range whole {
		whole[i] = i
	}
	var trials []Trial
	add := func(kind TrialKind, texts []string, rows []int, scores []float64) {
		if scores != nil {
			trials = append(trials, Trial{kind, v.choice(texts), rows, scores, mipro.Percent(scores)})
		}
	}
	candidates := []Candidate{}
	for _, it := range s.done {
		var texts []string
		kind, full := DefaultTrial, FullTrial
		switch it.Kind {
		case Default:
			texts, full = s.plan.original(), DefaultTrial
		case Reflection:
			texts, kind = changed(candidates[it.Parents[0]].Texts, it.Proposals), SampleTrial
		case Merge:
			texts, kind = it.Texts, MergeTrial
		}
		add(kind, texts, it.Rows, it.After)
		add(full, texts, whole, it.Scores)
		if it.Scores != nil {
			candidates = append(candidates, Candidate{Texts: texts})
		}
	}
	return trials
}

// Choice names the instructions of a candidate as Trials does.
func (s *Search) Choice(candidate int) map[string]int {
	full := 0
	for _, t := range s.Trials() {
		if t.Kind != DefaultTrial && t.Kind != FullTrial {
			continue
		}
		if full == candidate {
			return t.Choice
		}
		full++
	}
	return nil
}

// versions numbers the different instructions of each predictor.
type versions map[int][]string

func (v versions) number(predictor int, text string) int {
	at := slices.Index(v[predictor], text)
	if at < 0 {
		at = len(v[predictor])
		v[predictor] = append(v[predictor], text)
	}
	return at
}

func (v versions) choice(texts []string) map[string]int {
	choice := map[string]int{}
	for i, text := range texts {
		choice[mipro.InstructionOf(i)] = v.number(i, text)
	}
	return choice
}
