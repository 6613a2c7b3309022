package optimize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
)

// account is what became of the answers that an activity has used, by fingerprint. Each
// request counts once, however many workers and attempts used its answer.
type account map[string]outcome.Answer

const (
	maxSample     = 300 // characters of an example
	maxShown      = 160 // characters of an example in a history
	accountReads  = 8   // concurrent
	accountFolder = "answers/"
)

// add counts an answer. why says why its stage could not read it; nil = it was read.
func (t account) add(one answered, why error) {
	a := outcome.Answer{Role: one.role, Reason: one.reason, Sample: one.sample}
	if a.Reason == "" && why != nil {
		a.Reason = outcome.Unreadable
		if errors.Is(why, metric.ErrScore) {
			a.Reason = outcome.Score
		}
		a.Sample = safetext.Line(why.Error()+"; it is: "+one.answer.Text, maxSample)
	}
	t[string(one.fingerprint[:16])] = a
}

// checkScores fails a run whose judge uses another scale, such as from 1 to 10: almost
// every answer would have the best score. A few such scores are a weakness of the judge.
func (t account) checkScores(model string, enough int) error {
	judged, outside, sample := 0, 0, ""
	for _, a := range t {
		if a.Role != string(mipro.Judge) {
			continue
		}
		judged++
		if a.Reason == outcome.Score {
			outside++
			sample = a.Sample
		}
	}
	if outside < enough || 2*outside <= judged {
		return nil
	}
	return fault.New(fault.Input, "score by judge", model, fmt.Sprintf(
		"%d of %d scores are not numbers from 0 to 1; state the range in the instruction of the judge; one of them: %s", outside, judged, sample))
}

// save stores an account under the hash of its requests, so that attempts and steps do not
// overwrite each other's counts.
func (t account) save(ctx context.Context, s activities.Store, prefix string) error {
	if len(t) == 0 {
		return nil
	}
	groups := map[[2]string]int{}
	names := slices.Sorted(maps.Keys(t))
	for _, f := range names { // a report shows only a few examples
		a := t[f]
		key := [2]string{a.Role, string(a.Reason)}
		if groups[key]++; groups[key] > outcome.MaxSamples {
			a.Sample = ""
			t[f] = a
		}
	}
	return activities.WriteJSON(ctx, s, prefix+accountFolder+string(video.NewFingerprint("answers", names...)[:24])+".json", t)
}

// groups counts the answers of all runs of the job. Only the latest answer to a request counts.
func (a *Activities) groups(ctx context.Context, s Spender) ([]outcome.Group, error) {
	var parts []object.Info
	if err := a.Store.List(ctx, prefixOf(s.Tenant, s.Job)+accountFolder, func(o object.Info) error {
		parts = append(parts, o)
		return nil
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(parts, func(a, b object.Info) int {
		if c := a.Modified.Compare(b.Modified); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	read := make([]account, len(parts))
	g, reading := panics.WithContext(ctx)
	g.SetLimit(accountReads)
	for i, o := range parts {
		g.Go(func() error { return activities.ReadJSON(reading, a.Store, o.Key, &read[i]) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := account{}
	for _, part := range read {
		maps.Copy(all, part)
	}
	answers := make([]outcome.Answer, 0, len(all))
	for _, f := range slices.Sorted(maps.Keys(all)) {
		answers = append(answers, all[f])
	}
	return outcome.Count(answers), nil
}

// shown shortens groups for a history.
func shown(groups []outcome.Group) []outcome.Group {
	out := slices.Clone(groups)
	for i, g := range out {
		if len(g.Samples) > 0 {
			out[i].Samples = []string{safetext.Line(g.Samples[0], maxShown)}
		}
	}
	return out
}

// judged sets the reason, as reported by the server, for which an answer cannot be used.
func (one *answered) judged(a prompt.CompletionAnswer) {
	switch one.reason = outcome.Of(a.Finish); {
	case one.reason == outcome.Truncated:
		one.sample = safetext.Line(safetext.Tail(a.Text, maxSample), maxSample)
	case one.reason != "":
		one.sample = safetext.Line(strings.TrimSpace(a.Finish+": "+a.Reason+" "+a.Text), maxSample)
	case a.Text == "" && a.Reason != "": // earlier builds stored it as an answer
		one.reason, one.sample = outcome.Overflow, safetext.Line(a.Reason, maxSample)
	case strings.TrimSpace(prompt.Spoken(a.Text)) == "":
		one.reason = outcome.Empty
	case !a.Estimated && a.PromptTokens > 0:
		if least := prompt.LeastTokens(one.request.Messages); least > a.PromptTokens && least > shortest {
			one.reason, one.sample = outcome.CutPrompt, fmt.Sprintf("%d tokens of at least %d", a.PromptTokens, least)
		}
	}
}

const shortest = 1000 // tokens that fit into the context of every model server

// missing sets why a request has no answer, by the recorded text of its last failure.
func (one *answered) missing(why string) {
	one.reason = outcome.Rejected
	switch {
	case strings.HasSuffix(why, money.ErrGivenUp.Error()):
		one.reason = outcome.GivenUp
	case strings.Contains(why, prompt.ErrTooLong.Error()):
		one.reason = outcome.Overflow
	}
	one.sample = safetext.Line(why, maxSample)
}

// beganWithWholeAnswers is stored by the build that begins a job in which a text that
// max_tokens truncated is not an answer. A job of an earlier build uses truncated texts.
const beganWithWholeAnswers = "whole-answers.json"

func (a *Activities) wholeAnswers(ctx context.Context, s Spender) (whole bool, err error) {
	err = activities.ReadJSON(ctx, a.Store, a.stored(s, beganWithWholeAnswers), &whole)
	if !activities.Absent(err) {
		return whole, err
	}
	var sets json.RawMessage
	if err = activities.ReadJSON(ctx, a.Store, a.stored(s, "sets.json"), &sets); !activities.Absent(err) {
		return false, err
	}
	return true, activities.WriteJSON(ctx, a.Store, a.stored(s, beganWithWholeAnswers), true)
}
