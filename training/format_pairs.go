package training

import (
	"slices"
	"strings"
)

// preferenceRow reads a pair of answers, all texts or all messages. The prompt
// of messages may be left out: then it is what both conversations begin with.
func (in *rowInput) preferenceRow() (r Row, err error) {
	for _, key := range []string{keyChosen, keyRejected} {
		if in.get(key) == nil {
			return r, in.missing(key)
		}
	}
	prompt := in.get(keyPrompt)
	if (prompt == nil || prompt[0] == '"') && in.get(keyChosen)[0] == '"' && in.get(keyRejected)[0] == '"' {
		return in.textPair()
	}
	var asked, chosen, rejected []Message
	if chosen, err = in.answer(keyChosen, in.get(keyChosen)); err != nil {
		return r, err
	}
	if rejected, err = in.answer(keyRejected, in.get(keyRejected)); err != nil {
		return r, err
	}
	switch {
	case prompt == nil:
	case prompt[0] == '"':
		text, err := in.required(keyPrompt)
		if err != nil {
			return r, err
		}
		if asked = []Message{{RoleUser, text}}; repeats(text, chosen) && repeats(text, rejected) {
			asked = nil // UltraFeedback's way: both answers are whole conversations
		}
	default:
		if asked, err = in.messages(keyPrompt, prompt); err != nil {
			return r, err
		}
	}
	if len(asked) == 0 {
		if asked, chosen, rejected = split(chosen, rejected); len(asked) == 0 {
			return r, in.missing(keyPrompt)
		}
	}
	return in.messagePair(keyPrompt, asked, chosen, rejected)
}

func (in *rowInput) textPair() (r Row, err error) {
	var texts [3]string
	for i, key := range []string{keyPrompt, keyChosen, keyRejected} {
		if texts[i], err = in.required(key); err != nil {
			return r, err
		}
	}
	system, err := in.optional("system")
	if err != nil {
		return r, err
	}
	if system != "" {
		return r, &flaw{code: "unsupported", field: "system", reason: "a prompt that is a text has no system message", fix: "put it into the prompt, or write messages"}
	}
	if strings.TrimSpace(texts[1]) == strings.TrimSpace(texts[2]) {
		return r, sameAnswers()
	}
	return Row{[]Part{{Key: keyPrompt, Text: texts[0]}, {Key: keyChosen, Text: texts[1]}, {Key: keyRejected, Text: texts[2]}}}, nil
}

func sameAnswers() *flaw {
	return &flaw{code: "same_answers", field: keyRejected, reason: "it equals chosen: nothing is preferred", fix: "give another answer, or remove the row"}
}

// repeats reports whether a conversation asks for itself what a prompt says.
func repeats(prompt string, list []Message) bool {
	return slices.ContainsFunc(list, func(m Message) bool {
		return m.Role == RoleUser && strings.TrimSpace(m.Content) == strings.TrimSpace(prompt)
	})
}

// split takes off what both conversations begin with, up to a question.
func split(a, b []Message) (asked, restA, restB []Message) {
	n := 0
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			break
		}
		if a[i].Role == RoleUser {
			n = i + 1
		}
	}
	return a[:n:n], a[n:], b[n:]
}

// pairGPTRow reads LLaMA-Factory's pairs.
func (in *rowInput) pairGPTRow() (r Row, err error) {
	raw := in.get("conversations")
	if raw == nil {
		return r, in.missing("conversations")
	}
	asked, err := in.messages("conversations", raw)
	if err != nil {
		return r, err
	}
	var answers [2][]Message
	for i, key := range []string{keyChosen, keyRejected} {
		raw := in.get(key)
		if raw == nil {
			return r, in.missing(key)
		}
		if answers[i], err = in.answer(key, raw); err != nil {
			return r, err
		}
	}
	return in.messagePair("conversations", asked, answers[0], answers[1])
}

func (in *rowInput) messagePair(name string, asked, chosen, rejected []Message) (r Row, err error) {
	if asked, err = in.withSystem(asked); err != nil {
		return r, err
	}
	if err := checkOrder(name, asked, 0); err != nil {
		return r, err
	}
	if len(asked) == 0 || asked[len(asked)-1].Role != RoleUser {
		return r, &flaw{code: "roles", field: name, reason: "it does not end with a question of the user", fix: "end it with the user; what follows is chosen and rejected"}
	}
	for _, answer := range []struct {
		key  string
		list []Message
	}{{keyChosen, chosen}, {keyRejected, rejected}} {
		whole := slices.Concat(asked, answer.list)
		if err := checkOrder(answer.key, whole, len(asked)); err != nil {
			return r, err
		}
		if whole[len(whole)-1].Role != RoleAssistant {
			return r, &flaw{code: "roles", field: answer.key, reason: "it does not end with an answer of the assistant", fix: "end it with the assistant"}
		}
	}
	if slices.EqualFunc(chosen, rejected, func(a, b Message) bool {
		return a.Role == b.Role && strings.TrimSpace(a.Content) == strings.TrimSpace(b.Content)
	}) {
		return r, sameAnswers()
	}
	return Row{[]Part{{Key: keyPrompt, Messages: asked}, {Key: keyChosen, Messages: chosen}, {Key: keyRejected, Messages: rejected}}}, nil
}
