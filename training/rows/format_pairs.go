package rows

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/training/rows/plain"
)

// preferenceRow reads a pair of answers, all texts or all messages. The prompt of messages
// may be missing: then it is the common beginning of both conversations.
func (in *RowInput) preferenceRow() (r Row, err error) {
	for _, key := range []string{KeyChosen, KeyRejected} {
		if in.get(key) == nil {
			return r, in.missing(key)
		}
	}
	prompt := in.get(KeyPrompt)
	if (prompt == nil || prompt[0] == '"') && in.get(KeyChosen)[0] == '"' && in.get(KeyRejected)[0] == '"' {
		return in.textPair()
	}
	var asked, chosen, rejected []Message
	if chosen, err = in.answer(KeyChosen, in.get(KeyChosen)); err != nil {
		return r, err
	}
	if rejected, err = in.answer(KeyRejected, in.get(KeyRejected)); err != nil {
		return r, err
	}
	switch {
	case prompt == nil:
	case prompt[0] == '"':
		text, err := in.required(KeyPrompt)
		if err != nil {
			return r, err
		}
		if asked = []Message{{Role: RoleUser, Content: text}}; repeats(text, chosen) && repeats(text, rejected) {
			asked = nil // as in UltraFeedback: both answers are whole conversations
		}
	default:
		if asked, err = in.messages(KeyPrompt, prompt); err != nil {
			return r, err
		}
	}
	if len(asked) == 0 {
		if asked, chosen, rejected = split(chosen, rejected); len(asked) == 0 {
			return r, in.missing(KeyPrompt)
		}
	}
	return in.messagePair(KeyPrompt, asked, chosen, rejected)
}

func (in *RowInput) textPair() (r Row, err error) {
	var texts [3]string
	for i, key := range []string{KeyPrompt, KeyChosen, KeyRejected} {
		if texts[i], err = in.required(key); err != nil {
			return r, err
		}
	}
	system, err := in.optional("system")
	if err != nil {
		return r, err
	}
	if system != "" {
		return r, &RowError{Code: "unsupported", Field: "system", Reason: "a prompt that is a text has no system message", Fix: "put it into the prompt, or write messages"}
	}
	if strings.TrimSpace(texts[1]) == strings.TrimSpace(texts[2]) {
		return r, sameAnswers()
	}
	in.nearlySame(KeyRejected, KeyChosen, texts[2], texts[1])
	return Row{[]Part{{Key: KeyPrompt, Text: texts[0]}, {Key: KeyChosen, Text: texts[1]}, {Key: KeyRejected, Text: texts[2]}}}, nil
}

func sameAnswers() *RowError {
	return &RowError{Code: "same_answers", Field: KeyRejected, Reason: "it equals chosen: nothing is preferred", Fix: "give another answer, or remove the row"}
}

// repeats reports whether a conversation begins with the prompt.
func repeats(prompt string, list []Message) bool {
	return slices.ContainsFunc(list, func(m Message) bool {
		return m.Role == RoleUser && strings.TrimSpace(m.Content) == strings.TrimSpace(prompt)
	})
}

// split removes the common beginning of both conversations, up to a question.
func split(a, b []Message) (asked, restA, restB []Message) {
	n := 0
	for i := range min(len(a), len(b)) {
		if a[i].Role != b[i].Role || a[i].Content != b[i].Content || a[i].Weight != b[i].Weight {
			break
		}
		if a[i].Role == RoleUser {
			n = i + 1
		}
	}
	return a[:n:n], a[n:], b[n:]
}

// pairGPTRow reads LLaMA-Factory's pairs.
func (in *RowInput) pairGPTRow() (r Row, err error) {
	raw := in.get("conversations")
	if raw == nil {
		return r, in.missing("conversations")
	}
	asked, err := in.messages("conversations", raw)
	if err != nil {
		return r, err
	}
	var answers [2][]Message
	for i, key := range []string{KeyChosen, KeyRejected} {
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

func (in *RowInput) messagePair(name string, asked, chosen, rejected []Message) (r Row, err error) {
	if asked, err = in.asked(name, asked, "chosen and rejected"); err != nil {
		return r, err
	}
	for _, answer := range []struct {
		key  string
		list []Message
	}{{KeyChosen, chosen}, {KeyRejected, rejected}} {
		if err := checkAnswer(answer.key, asked, answer.list, "the answers of a pair have no weight"); err != nil {
			return r, err
		}
	}
	if slices.EqualFunc(chosen, rejected, func(a, b Message) bool {
		return a.Role == b.Role && strings.TrimSpace(a.Content) == strings.TrimSpace(b.Content)
	}) {
		return r, sameAnswers()
	}
	in.nearlySame(KeyRejected, KeyChosen, contents(rejected), contents(chosen))
	return Row{[]Part{{Key: KeyPrompt, Messages: asked}, {Key: KeyChosen, Messages: chosen}, {Key: KeyRejected, Messages: rejected}}}, nil
}

// asked checks a prompt of messages; behind is what the row has behind it.
func (in *RowInput) asked(name string, list []Message, behind string) ([]Message, error) {
	list, err := in.withSystem(list)
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	for i := range list {
		list[i].Weight = "" // a prompt is never learned
	}
	if err := checkOrder(name, list, 0); err != nil {
		return nil, err
	}
	if len(list) == 0 || list[len(list)-1].Role != RoleUser {
		return nil, &RowError{Code: "roles", Field: name, Reason: "it does not end with a question of the user", Fix: "end it with the user; what follows is " + behind}
	}
	return list, nil
}

// checkAnswer checks what follows a prompt of messages.
func checkAnswer(key string, asked, answer []Message, unweighted string) error {
	if i := slices.IndexFunc(answer, func(m Message) bool { return m.Weight != "" }); i >= 0 {
		return &RowError{Code: "weight", Field: fmt.Sprintf("%s[%d]", key, i), Reason: unweighted, Fix: "remove the field, or the row"}
	}
	whole := slices.Concat(asked, answer)
	if err := checkOrder(key, whole, len(asked)); err != nil {
		return err
	}
	if whole[len(whole)-1].Role != RoleAssistant {
		return &RowError{Code: "roles", Field: key, Reason: "it does not end with an answer of the assistant", Fix: "end it with the assistant"}
	}
	return nil
}

func contents(list []Message) string {
	var all []string
	for _, m := range list {
		all = append(all, m.Content)
	}
	return strings.Join(all, "\n")
}

// nearlySame notes that two texts differ in nothing that most models learn.
func (in *RowInput) nearlySame(key, other, text, than string) {
	if plain.Normal(text) == plain.Normal(than) {
		in.note("nearly_same", key, fmt.Sprintf("it differs from %s only in case, white space, invisible characters, the form of characters or punctuation at the end", other),
			"give another text, or remove the row, unless the model should learn this difference")
	}
}
