// Package outcome names the reasons why a model's answer cannot be used, and counts such
// answers. It knows no program, no model and no store.
package outcome

import (
	"cmp"
	"fmt"
	"slices"
)

// Reason says why an answer could not be used.
type Reason string

// The reasons.
const (
	Truncated  Reason = "truncated"        // max_tokens ended the answer
	Filter     Reason = "content_filter"   // the filter of the endpoint
	Refusal    Reason = "refusal"          // the model declines
	Other      Reason = "other_finish"     // another finish_reason than stop
	Overflow   Reason = "context_overflow" // the prompt does not fit into the model's context
	Rejected   Reason = "rejected"         // the endpoint rejects the request
	Empty      Reason = "empty"            // complete, without text
	Unreadable Reason = "unreadable"       // complete, without the requested outputs
	Score      Reason = "score_range"      // a judge's score is not a number from 0 to 1
	GivenUp    Reason = "given_up"         // several calls were billed and none had a usable answer
	CutPrompt  Reason = "cut_prompt"       // the server counts fewer tokens than the prompt has words; the answer is used
)

// Group counts the answers to one role with one reason.
type Group struct {
	Role    string   `json:"role"`               // student, teacher, proposer, judge or describe
	Reason  Reason   `json:"reason"`             // truncated, content_filter, refusal, other_finish, context_overflow, rejected, empty, unreadable, score_range, given_up or cut_prompt
	Answers int      `json:"answers"`            // answers with this reason
	Of      int      `json:"of"`                 // all answers to the role
	Samples []string `json:"examples,omitempty"` // some of them, shortened
}

// MaxSamples is the number of examples of a group.
const MaxSamples = 3

// Text describes the group in words.
func (g Group) Text() string {
	return fmt.Sprintf("%s: %d of %d answers %s", g.Role, g.Answers, g.Of, g.Reason.text())
}

func (r Reason) text() string {
	switch r {
	case Truncated:
		return "were truncated by max_tokens"
	case Filter:
		return "were stopped by the endpoint's content filter"
	case Refusal:
		return "are refusals of the model"
	case Overflow:
		return "are missing: the prompt does not fit into the model's context"
	case Rejected:
		return "are missing: the endpoint rejected the request"
	case Empty:
		return "are empty"
	case Unreadable:
		return "could not be read"
	case Score:
		return "have a score that is not a number from 0 to 1"
	case CutPrompt:
		return "are to prompts of which the server counts fewer tokens than they have words"
	case GivenUp:
		return "are missing: several calls were billed without a usable answer"
	default:
		return "ended with another finish_reason than stop"
	}
}

// Warnings recommends changes of settings. If a third of the answers is truncated, or of the
// scores out of range, a setting is wrong; a weak model alone does not explain it. No prompt
// should be cut.
func Warnings(groups []Group) (out []string) {
	for _, g := range groups {
		fix := ""
		switch g.Reason {
		case Truncated:
			fix = "raise max_tokens of this model, or turn its thinking off"
		case CutPrompt:
			fix = "the server may read a part of long prompts only: raise its context length, such as num_ctx of Ollama"
		case Score:
			fix = "state the range from 0 to 1 in the instruction of the judge"
		default:
		}
		if fix != "" && (3*g.Answers >= g.Of || g.Reason == CutPrompt) {
			out = append(out, g.Text()+"; "+fix)
		}
	}
	return out
}

// Count makes the groups of a list of answers; samples may be nil.
func Count(answers []Answer) []Group {
	all := map[string]int{}
	by := map[[2]string]*Group{}
	for _, a := range answers {
		all[a.Role]++
		if a.Reason == "" {
			continue
		}
		key := [2]string{a.Role, string(a.Reason)}
		g := by[key]
		if g == nil {
			g = &Group{Role: a.Role, Reason: a.Reason}
			by[key] = g
		}
		g.Answers++
		if a.Sample != "" && len(g.Samples) < MaxSamples && !slices.Contains(g.Samples, a.Sample) {
			g.Samples = append(g.Samples, a.Sample)
		}
	}
	out := make([]Group, 0, len(by))
	for _, g := range by {
		g.Of = all[g.Role]
		out = append(out, *g)
	}
	slices.SortFunc(out, compare)
	return out
}

// compare orders groups: the largest first.
func compare(a, b Group) int {
	return cmp.Or(b.Answers-a.Answers, cmp.Compare(a.Role, b.Role), cmp.Compare(a.Reason, b.Reason))
}

// Answer is the outcome of one request.
type Answer struct {
	Role   string `json:"role"`
	Reason Reason `json:"reason,omitempty"` // "" = the answer was used
	Sample string `json:"sample,omitempty"` // example, for people
}
