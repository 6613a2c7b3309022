package rows

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows/plain"
)

// Markers of Cogniverse's instruction texts.
const (
	InstructionMark = "### Instruction:"
	inputMark       = "### Input:"
	ResponseMark    = "### Response:\n"
)

// Convert makes canonical rows of one row. The error is a *RowError.
func (in *RowInput) Convert(format Format) ([]Row, error) {
	if format == FormatRated {
		return one(in.ratedRow())
	}
	if err := in.unknown(append(format.knownFields(), in.pictureFields(format)...)); err != nil {
		return nil, err
	}
	in.textOnly = format.Method() == training.DPO
	switch format {
	case FormatPrompt:
		return one(in.promptRow())
	case FormatMessages:
		return one(in.conversation(KeyMessages))
	case FormatText:
		text, err := in.required(KeyText)
		return one(Row{[]Part{{Key: KeyText, Text: text}}}, err)
	case FormatChatML:
		return one(in.chatRow())
	case FormatInstruction:
		return one(in.instructionRow())
	case FormatAlpaca:
		return one(in.alpacaRow())
	case FormatShareGPT:
		return one(in.conversation("conversations"))
	case FormatPreference:
		return one(in.preferenceRow())
	case FormatPairGPT:
		return one(in.pairGPTRow())
	case FormatTriplet, FormatPair:
		return one(in.tripletRow(format))
	case FormatQuery:
		return in.queryRows()
	default:
		return nil, &RowError{Code: "unknown_format", Reason: "its fields fit no format"}
	}
}

func one(r Row, err error) ([]Row, error) {
	if err != nil {
		return nil, err
	}
	return []Row{r}, nil
}

// PromptRow is a row of a prompt and its completion.
func PromptRow(prompt, completion string) Row {
	return Row{[]Part{{Key: KeyPrompt, Text: prompt}, {Key: KeyCompletion, Text: completion}}}
}

// MessagesRow is a row of a conversation.
func MessagesRow(list []Message) Row { return Row{[]Part{{Key: KeyMessages, Messages: list}}} }

// promptRow reads texts, or the two halves of a conversation.
func (in *RowInput) promptRow() (r Row, err error) {
	raw, answer := in.get(KeyPrompt), in.get(KeyCompletion)
	if raw != nil && answer != nil && raw[0] == '[' {
		var list, last []Message
		if list, err = in.messages(KeyPrompt, raw); err != nil {
			return r, err
		}
		if last, err = in.answer(KeyCompletion, answer); err != nil {
			return r, err
		}
		if list, err = in.withSystem(append(list, last...)); err != nil {
			return r, err
		}
		in.checkThinking(KeyPrompt, list)
		if err = in.place(KeyPrompt, list); err != nil {
			return r, err
		}
		if err = checkConversation(KeyPrompt, list); err != nil {
			return r, err
		}
		asked, said := list[:len(list)-len(last)], list[len(list)-len(last):]
		for i := range asked {
			asked[i].Weight = "" // only the completion is learned
		}
		return Row{[]Part{{Key: KeyPrompt, Messages: asked}, {Key: KeyCompletion, Messages: said}}}, nil
	}
	system, err := in.optional("system")
	if err != nil {
		return r, err
	}
	if system != "" {
		return r, &RowError{Code: "unsupported", Field: "system", Reason: "a prompt that is a text has no system message", Fix: "put it into the prompt, or write messages"}
	}
	prompt, err := in.required(KeyPrompt)
	if err != nil {
		return r, err
	}
	completion, err := in.required(KeyCompletion)
	if err != nil || !in.hasAny(shownFields()...) {
		return PromptRow(prompt, completion), err
	}
	list := []Message{{Role: RoleUser}, {Role: RoleAssistant, Content: completion}}
	list[0].Content, list[0].Pieces = in.marked(prompt)
	return MessagesRow(list), in.place(KeyPrompt, list)
}

// answer reads an assistant message, a list that begins with one, or only its text.
func (in *RowInput) answer(key string, raw []byte) ([]Message, error) {
	if raw[0] != '"' {
		return in.messages(key, raw)
	}
	text, err := in.required(key)
	return []Message{{Role: RoleAssistant, Content: text}}, err
}

// conversation reads messages, including ShareGPT's, with an optional system message in
// another field.
func (in *RowInput) conversation(key string) (Row, error) {
	raw := in.get(key)
	if raw == nil {
		return Row{}, in.missing(key)
	}
	list, err := in.messages(key, raw)
	if err != nil {
		return Row{}, err
	}
	if err := checkConversation(key, list); err != nil {
		return Row{}, err
	}
	if err := in.place(key, list); err != nil {
		return Row{}, err
	}
	in.checkThinking(key, list)
	list, err = in.withSystem(list)
	return MessagesRow(list), err
}

func (in *RowInput) withSystem(list []Message) ([]Message, error) {
	system, err := in.optional("system")
	if err != nil || system == "" {
		return list, err
	}
	if len(list) > 0 && list[0].Role == RoleSystem {
		return nil, &RowError{Code: "roles", Field: "system", Reason: "there is a system message already", Fix: "keep one"}
	}
	return append([]Message{{Role: RoleSystem, Content: system}}, list...), nil
}

// alpacaRow writes Cogniverse's prompt. Earlier turns come before it in the same form, and
// a system text before all.
func (in *RowInput) alpacaRow() (r Row, err error) {
	var texts [4]string
	for i, key := range []string{"instruction", "input", "output", "system"} {
		read := in.optional
		if i%2 == 0 {
			read = in.required
		}
		if texts[i], err = read(key); err != nil {
			return r, err
		}
	}
	history, err := in.history()
	if err != nil {
		return r, err
	}
	var prompt strings.Builder
	if texts[3] != "" {
		prompt.WriteString(texts[3] + "\n\n")
	}
	for _, turn := range history {
		prompt.WriteString(instructionPrompt(turn[0], "") + turn[1] + "\n\n")
	}
	prompt.WriteString(instructionPrompt(texts[0], texts[1]))
	return PromptRow(prompt.String(), texts[2]), nil
}

func instructionPrompt(instruction, input string) string {
	text := InstructionMark + "\n" + instruction + "\n\n"
	if input != "" {
		text += inputMark + "\n" + input + "\n\n"
	}
	return text + ResponseMark
}

// history reads LLaMA-Factory's earlier turns: [[question, answer], …].
func (in *RowInput) history() (turns [][2]string, err error) {
	raw := in.get("history")
	if raw == nil {
		return nil, nil
	}
	if raw[0] != '[' {
		return nil, wrongType("history", "a list of [question, answer]", raw)
	}
	items, more := listItems(raw, maxMessages)
	if more {
		return nil, &RowError{Code: "too_many_messages", Field: "history", Reason: fmt.Sprintf("more than %d turns", maxMessages)}
	}
	for i, item := range items {
		name := fmt.Sprintf("history[%d]", i)
		if item[0] != '[' {
			return nil, wrongType(name, "[question, answer]", item)
		}
		said, more := listItems(item, 2)
		if more || len(said) != 2 {
			return nil, &RowError{Code: "wrong_type", Field: name, Reason: "must be a question and an answer", Fix: "write [question, answer]"}
		}
		var turn [2]string
		for j := range said {
			if turn[j], err = in.text(name, said[j]); err != nil {
				return nil, err
			}
			if plain.IsBlank(turn[j]) {
				return nil, blank(name, "a text")
			}
		}
		turns = append(turns, turn)
	}
	return turns, nil
}

// instructionRow splits a Cogniverse text after its last "### Response:", so that only the
// answer is learned. Prompt and completion together are the text.
func (in *RowInput) instructionRow() (r Row, err error) {
	text, err := in.required(KeyText)
	if err != nil {
		return r, err
	}
	at := strings.LastIndex(text, ResponseMark)
	if at < 0 {
		return r, &RowError{
			Code: "no_assistant", Field: KeyText, Reason: `there is no "### Response:" on a line of its own behind the instruction`,
			Fix: "add the answer, or choose the format text to train on texts as they are",
		}
	}
	at += len(ResponseMark)
	if plain.IsBlank(text[at:]) {
		return r, blank(KeyText, "what follows ### Response:")
	}
	for _, part := range []string{text[:at], text[at:]} {
		if err := in.checkMarks(KeyText, part); err != nil {
			return r, err
		}
	}
	return PromptRow(text[:at], text[at:]), nil
}
