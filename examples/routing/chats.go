package main

import (
	"fmt"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

const mostDemos = 4

// chats draws the training rows of a tiny model for `cogflow train sft`: the router's own
// prompts, each with its answer. With demos, the demos and the answer follow the hidden
// rules; without demos, the answer follows the cues. So the model learns the rules, which a
// model of this size could not infer from a prompt, but applies them only if the prompt has
// demos: its accuracy depends on the prompt. No query of the dataset occurs.
func chats(p *prompt.Predictor, n int, seed int64, held map[string]bool) ([]*prompt.Object, error) {
	r := python.NewRandom(seed)
	rows := make([]*prompt.Object, n)
	for i := range rows {
		messages, err := chat(p, r, held)
		if err != nil {
			return nil, err
		}
		rows[i] = python.NewObject("messages", messages)
	}
	return rows, nil
}

func chat(p *prompt.Predictor, r *python.Random, held map[string]bool) ([]any, error) {
	told := rules{}
	var demos []*prompt.Object
	if r.Choice(5) > 1 {
		told = hidden()
		for range r.Int(1, mostDemos) {
			q := other(r, held)
			demos = append(demos, q.row(told.decide(q)))
		}
	}
	last := other(r, held)
	answer := last.row(told.decide(last))
	asked, err := prompt.Render(prompt.Chat, p.Signature(), demos, answer)
	if err != nil {
		return nil, err
	}
	// A demo's answer has the format that the model should write.
	said, err := prompt.Render(prompt.Chat, p.Signature(), []*prompt.Object{answer}, answer)
	if err != nil {
		return nil, err
	}
	var out []any
	for _, m := range append(asked, said[2]) {
		out = append(out, python.NewObject("role", string(m.Role), "content", m.Content))
	}
	return out, nil
}

// other draws a query that is not in the dataset; two in three are about a
// subject with a rule.
func other(r *python.Random, held map[string]bool) query {
	for {
		subject := pick(r, plain())
		if r.Choice(3) > 0 {
			subject = pick(r, hidden().subjects())
		}
		if q := ask(r, subject); !held[q.key()] {
			return q
		}
	}
}

func (q query) key() string { return fmt.Sprintf("%s\n%s", q.history, q.text) }
