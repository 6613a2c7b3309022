package optimize

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/outcome"
)

// odd gives answers that cannot be used, for every reason, and counts them.
type odd struct {
	mu   sync.Mutex
	all  map[string]map[string]bool                    // fingerprints by model
	made map[string]map[outcome.Reason]map[string]bool // by model and reason
}

func (o *odd) note(c prompt.Completion, r outcome.Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all, o.made = map[string]map[string]bool{}, map[string]map[outcome.Reason]map[string]bool{}
	}
	if o.all[c.Model] == nil {
		o.all[c.Model], o.made[c.Model] = map[string]bool{}, map[outcome.Reason]map[string]bool{}
	}
	o.all[c.Model][string(c.Fingerprint())] = true
	if r == "" {
		return
	}
	if o.made[c.Model][r] == nil {
		o.made[c.Model][r] = map[string]bool{}
	}
	o.made[c.Model][r][string(c.Fingerprint())] = true
}

func has(c prompt.Completion, text string) bool {
	return strings.Contains(c.Messages[len(c.Messages)-1].Text(), text)
}

func (o *odd) ends(c prompt.Completion, a *prompt.CompletionAnswer) {
	var r outcome.Reason
	switch {
	case has(c, "topic 1\n"), has(c, "topic 13\n"):
		r, a.Finish, a.Text = outcome.Truncated, "length", strings.TrimSuffix(a.Text, "[[ ## completed ## ]]\n")
	case has(c, "topic 2\n"), has(c, "topic 14\n"):
		r, a.Finish, a.Text = outcome.Filter, prompt.FinishFilter, ""
	case has(c, "topic 15\n"):
		r, a.Finish, a.Text = outcome.Refusal, prompt.FinishRefusal, "I cannot help with that."
	case has(c, "topic 16\n"):
		r, a.Finish, a.Text = outcome.Unreadable, "stop", "It depends."
	case has(c, "topic 17\n"):
		r, a.Finish, a.Text = outcome.Empty, "stop", "<think>Well.</think>"
	case has(c, "topic 18\n"):
		r, a.Finish = outcome.Other, "tool_calls"
	}
	o.note(c, r)
}

func (o *odd) rejects(c prompt.Completion) error {
	if !has(c, "topic 19\n") {
		return nil
	}
	o.note(c, outcome.Rejected)
	return badRequest()
}

// TestAccount: the counts of unusable answers match what the models returned, over all attempts
// and runs, and are in the report.
func TestAccount(t *testing.T) {
	t.Parallel()
	inEveryMode(t, false, func(o *optimizing) {
		var did odd
		o.lm.ends = did.ends
		o.lm.reject(did.rejects)
		var last Asked
		for _, part := range o.parts() {
			made := o.made
			_, err := part.run(o)
			require.NoError(o.t, err, part.name)
			o.made = made // the result was lost
			_, err = part.run(o)
			require.NoError(o.t, err, part.name)
		}
		last, err := activitytest.Run(o.t, func(ctx context.Context, in Spender) (Asked, error) {
			c, err := o.a.begin(ctx, in)
			require.NoError(o.t, err)
			return c.total(ctx)
		}, o.who)
		require.NoError(o.t, err)
		got := map[string]map[outcome.Reason]int{}
		for _, g := range last.Unusable {
			if got[g.Role] == nil {
				got[g.Role] = map[outcome.Reason]int{}
			}
			got[g.Role][g.Reason] = g.Answers
			require.Len(o.t, did.all[g.Role], g.Of, g.Role)
			require.LessOrEqual(o.t, len(g.Samples), 1)
		}
		want := map[string]map[outcome.Reason]int{}
		for model, reasons := range did.made {
			for r, prints := range reasons {
				if want[model] == nil {
					want[model] = map[outcome.Reason]int{}
				}
				want[model][r] = len(prints)
			}
		}
		require.Equal(o.t, want, got)
		require.Len(o.t, want["student"], 7)
		_, err = o.publish()
		require.NoError(o.t, err)
		page, err := activitytest.Run(o.t, o.a.WriteOptimizeReport, ReportInput{SearchStep: o.step(o.reflections()), Name: "quiz", Version: 1, RunID: "run"})
		require.NoError(o.t, err)
		html, err := activities.ReadAll(o.t.Context(), o.store, page.Key)
		require.NoError(o.t, err)
		for _, text := range []string{"could not be read", "It depends.", "the endpoint rejected the request", "E1042", "were truncated by max_tokens", "I cannot help with that."} {
			require.Contains(o.t, string(html), text)
		}
	})
}

// TestTruncatedAnswers: a text that max_tokens truncated is not an answer, unless an earlier
// build began the job. It would become a demo, an instruction or a score of half a text.
func TestTruncatedAnswers(t *testing.T) {
	t.Parallel()
	for name, earlier := range map[string]bool{"this build": false, "an earlier build": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOptimizing(t, ModeCompat)
			if earlier {
				require.NoError(t, activities.WriteJSON(t.Context(), o.store, o.a.stored(o.who, "sets.json"), json.RawMessage(`[[null]]`)))
			}
			o.lm.ends = func(c prompt.Completion, a *prompt.CompletionAnswer) {
				if c.Model == "proposer" {
					a.Finish, a.Text = "length", strings.TrimSuffix(strings.Split(a.Text, "[[ ## completed")[0], "}")
				}
			}
			for _, part := range o.parts()[:2] {
				_, err := part.run(o)
				require.NoError(t, err, part.name)
			}
			var instructions [][]string
			require.NoError(t, activities.ReadJSON(t.Context(), o.store, o.a.stored(o.who, "instructions.json"), &instructions))
			for _, text := range instructions[0][1:] {
				require.Equal(t, earlier, strings.HasPrefix(text, "Text "), text)
			}
			groups, err := o.a.groups(t.Context(), o.who)
			require.NoError(t, err)
			require.Equal(t, "proposer", groups[0].Role)
			require.Equal(t, outcome.Truncated, groups[0].Reason)
			require.NotEmpty(t, outcome.Warnings(groups))
		})
	}
}

// TestCutPrompt: a server that counts fewer tokens than a long prompt has words has cut the prompt.
func TestCutPrompt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		words, tokens int
		estimated     bool
		want          outcome.Reason
	}{
		"cut by num_ctx 4096": {3000, 2050, false, outcome.CutPrompt},
		"complete":            {3000, 4400, false, ""},
		"dense tokens":        {3000, 2600, false, ""},
		"a short prompt":      {900, 9, false, ""},
		"not counted":         {3000, 0, false, ""},
		"estimated":           {3000, 9, true, ""},
	} {
		one := answered{request: prompt.Completion{Messages: []prompt.Message{{Role: prompt.User, Content: strings.Repeat("word ", c.words)}}}}
		one.judged(prompt.CompletionAnswer{Text: "An answer.", Finish: "stop", PromptTokens: c.tokens, Estimated: c.estimated})
		require.Equal(t, c.want, one.reason, name)
		require.Equal(t, c.want != "", one.sample == "2050 tokens of at least 2400", name)
	}
}
