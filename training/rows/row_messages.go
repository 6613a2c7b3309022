package rows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/training/rows/plain"
)

// role returns the canonical name of a role; "" for an unknown one.
func role(name string) string {
	switch strings.ToLower(name) {
	case "system", "developer":
		return RoleSystem
	case "user", "human", "prompter":
		return RoleUser
	case "assistant", "gpt", "chatgpt", "bot", "model":
		return RoleAssistant
	default:
		return ""
	}
}

// messages reads a list of messages, or a single one, with role and content (OpenAI) or
// from and value (ShareGPT).
func (in *RowInput) messages(name string, raw []byte) ([]Message, error) {
	var items [][]byte
	switch raw[0] {
	case '{':
		items = [][]byte{raw}
	case '[':
		var more bool
		if items, more = listItems(raw, maxMessages); more {
			return nil, &RowError{Code: "too_many_messages", Field: name, Reason: fmt.Sprintf("more than %d messages", maxMessages), Fix: "split the conversation"}
		}
	default:
		return nil, wrongType(name, "a list of messages", raw)
	}
	if len(items) == 0 {
		return nil, &RowError{Code: "empty", Field: name, Reason: "there are no messages", Fix: "add messages, or remove the row"}
	}
	list := make([]Message, 0, len(items))
	for i, item := range items {
		field := fmt.Sprintf("%s[%d]", name, i)
		m, err := in.message(field, item)
		if err != nil {
			return nil, err
		}
		if !plain.IsBlank(m.Content) || len(m.Pieces) > 0 {
			list = append(list, m)
		} else if m.Role != RoleSystem {
			return nil, blank(field, "the message of the "+m.Role)
		} else {
			in.noSystem(field)
		}
	}
	return list, nil
}

// noSystem notes that an empty system message means that there is none.
func (in *RowInput) noSystem(field string) {
	in.note("empty_system", field, "the system message is empty and is left out; many chat templates then write their own", "remove it, or write what the model should read there")
}

func (in *RowInput) message(name string, raw []byte) (m Message, err error) {
	if raw[0] != '{' {
		return m, wrongType(name, "a message", raw)
	}
	fields, err := objectFields(raw)
	if err != nil {
		if f, ok := err.(*RowError); ok && f.Field != "" { //nolint:errorlint // objectFields returns it as it is
			f.Field = name + "." + f.Field
		}
		return m, err
	}
	var said string
	seen := map[string]Field{}
	for _, f := range fields {
		field := name + "." + shortName(f.key)
		meaning := meaningOf(f)
		if err := in.again(field, meaning, f, seen); err != nil {
			return m, err
		}
		switch meaning {
		case "role":
			if said, err = in.text(field, f.value); err != nil {
				return m, err
			}
		case "content":
			if m.Content, m.Pieces, err = in.content(field, f.value); err != nil {
				return m, err
			}
		case "weight":
			if m.Weight, err = weight(field, f.value); err != nil {
				return m, err
			}
		default:
			if err := in.other(field, f.key, f.value); err != nil {
				return m, err
			}
		}
	}
	if m.Role = role(said); m.Role != "" {
		if m.Role != RoleAssistant {
			m.Weight = "" // only answers have weights
		}
		return m, nil
	}
	if said == "" {
		return m, &RowError{Code: "missing_field", Field: name + ".role", Reason: "the message has no role", Fix: "say who speaks: system, user or assistant"}
	}
	f := &RowError{Code: "role", Field: name, Reason: fmt.Sprintf("unknown role %q", shortName(said)), Fix: "use system, user (human) and assistant (gpt)"}
	switch said {
	case "tool", "function", "observation", "function_call":
		f.Reason, f.Fix = fmt.Sprintf("the role %q is not supported: tools are not trained", said), "remove the row"
	}
	return m, f
}

// meaningOf is the key of a field; "role", "content" or "weight" for other names of these:
// those of ShareGPT, and axolotl's train and training, ms-swift's loss. A number of the loss is
// a measured value.
func meaningOf(f Field) string {
	switch f.key {
	case "from":
		return "role"
	case "value":
		return "content"
	case "train", "training":
		return "weight"
	case "loss":
		if string(f.value) == "true" || string(f.value) == "false" {
			return "weight"
		}
	}
	return f.key
}

// again refuses a second field of the same meaning with another value: nobody can tell which
// one is meant.
func (in *RowInput) again(field, meaning string, f Field, seen map[string]Field) error {
	if meaning != "role" && meaning != "content" && meaning != "weight" {
		return nil
	}
	first, found := seen[meaning]
	if !found {
		seen[meaning] = f
		return nil
	}
	if same(meaning, first.value, f.value) {
		return nil
	}
	return &RowError{Code: "two_values", Field: field, Reason: fmt.Sprintf("it says something else than %q", shortName(first.key)), Fix: "keep one of the two"}
}

func same(meaning string, a, b []byte) bool {
	if meaning == "weight" {
		first, errA := weight("", a)
		second, errB := weight("", b)
		return errA == nil && errB == nil && first == second
	}
	first, _ := jsonText(a)
	second, _ := jsonText(b)
	if meaning == "role" {
		return role(first) == role(second)
	}
	return first == second && (first != "" || bytes.Equal(a, b))
}

// weight reads whether a message is learned: 0 or false, 1 or true.
func weight(field string, raw []byte) (json.Number, error) {
	switch string(raw) {
	case "0", "0.0", "false":
		return NotLearned, nil
	case "1", "1.0", "true", "null":
		return "", nil
	}
	return "", &RowError{Code: "weight", Field: field, Reason: "the weight of a message must be 0 or 1, not " + shortName(string(raw)), Fix: "use 0 for an answer that is not learned, and 1 for others"}
}

// content reads what a message says: a text, or OpenAI's list of parts. Without images there
// are no pieces.
func (in *RowInput) content(name string, raw []byte) (string, []Piece, error) {
	if raw[0] != '[' {
		text, err := in.text(name, raw)
		if err != nil {
			return "", nil, err
		}
		text, pieces := in.marked(text)
		return text, pieces, nil
	}
	items, more := listItems(raw, maxMessages)
	if more {
		return "", nil, &RowError{Code: "too_many_messages", Field: name, Reason: fmt.Sprintf("more than %d parts", maxMessages)}
	}
	var pieces []Piece
	images := false
	for _, item := range items {
		p, err := in.part(name, item)
		if err != nil {
			return "", nil, err
		}
		images = images || p.Image != ""
		pieces = append(pieces, p)
	}
	all := joined(pieces)
	if !images {
		pieces = nil
	}
	return all, pieces, in.checkText(name, all)
}

// checkOrder requires at most one system message, first, then user and assistant in turns.
// before is the number of earlier messages, for positions in errors.
func checkOrder(name string, list []Message, before int) error {
	wrong := func(i int, reason, fix string) error {
		return &RowError{Code: "roles", Field: fmt.Sprintf("%s[%d]", name, i-before), Reason: reason, Fix: fix}
	}
	want := RoleUser
	for i, m := range list {
		switch {
		case m.Role == RoleSystem && i > 0:
			return wrong(i, "a system message comes later than first", "put it first, or make it a user's")
		case m.Role == RoleSystem:
		case m.Role != want:
			return wrong(i, fmt.Sprintf("must be a message of the %s, not of the %s", want, m.Role),
				"let user and assistant take turns, the user first; join what one says twice in a row")
		case want == RoleUser:
			want = RoleAssistant
		default:
			want = RoleUser
		}
	}
	return nil
}

// checkConversation requires turns in order, with an answer at the end.
func checkConversation(name string, list []Message) error {
	answers, learned := 0, 0
	for _, m := range list {
		if m.Role == RoleAssistant {
			answers++
			if m.Weight != NotLearned {
				learned++
			}
		}
	}
	if answers == 0 {
		return &RowError{Code: "no_assistant", Field: name, Reason: "the assistant says nothing", Fix: "add the answer, or remove the row"}
	}
	if err := checkOrder(name, list, 0); err != nil {
		return err
	}
	if learned == 0 {
		return &RowError{Code: "nothing_to_learn", Field: name, Reason: "every answer has the weight 0", Fix: "give an answer the weight 1, or remove the row"}
	}
	if last := list[len(list)-1]; last.Role != RoleAssistant {
		return &RowError{
			Code: "roles", Field: fmt.Sprintf("%s[%d]", name, len(list)-1),
			Reason: "the last message is of the " + last.Role + ", not of the assistant", Fix: "end with the answer",
		}
	}
	return nil
}
