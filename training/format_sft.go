package training

import (
	"fmt"
	"strings"
)

// Marks of Cogniverse's instruction texts.
const (
	instructionMark = "### Instruction:"
	inputMark       = "### Input:"
	responseMark    = "### Response:\n"
)

// convert makes canonical rows of one row. The error is a *flaw.
func (in *rowInput) convert(format Format) ([]Row, error) {
	if err := in.unknown(format.knownFields()); err != nil {
		return nil, err
	}
	switch format {
	case FormatPrompt:
		return one(in.promptRow())
	case FormatMessages:
		return one(in.conversation(keyMessages))
	case FormatText:
		text, err := in.required(keyText)
		return one(Row{[]Part{{Key: keyText, Text: text}}}, err)
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
		return nil, &flaw{code: "unknown_format", reason: "its fields fit no format"}
	}
}

func one(r Row, err error) ([]Row, error) {
	if err != nil {
		return nil, err
	}
	return []Row{r}, nil
}

func promptRow(prompt, completion string) Row {
	return Row{[]Part{{Key: keyPrompt, Text: prompt}, {Key: keyCompletion, Text: completion}}}
}

func messagesRow(list []Message) Row { return Row{[]Part{{Key: keyMessages, Messages: list}}} }

// promptRow reads texts, or the two halves of a conversation.
func (in *rowInput) promptRow() (r Row, err error) {
	raw, answer := in.get(keyPrompt), in.get(keyCompletion)
	if raw != nil && answer != nil && raw[0] == '[' {
		var list, last []Message
		if list, err = in.messages(keyPrompt, raw); err != nil {
			return r, err
		}
		if last, err = in.answer(keyCompletion, answer); err != nil {
			return r, err
		}
		if list, err = in.withSystem(append(list, last...)); err != nil {
			return r, err
		}
		return messagesRow(list), checkConversation(keyPrompt, list)
	}
	system, err := in.optional("system")
	if err != nil {
		return r, err
	}
	if system != "" {
		return r, &flaw{code: "unsupported", field: "system", reason: "a prompt that is a text has no system message", fix: "put it into the prompt, or write messages"}
	}
	prompt, err := in.required(keyPrompt)
	if err != nil {
		return r, err
	}
	completion, err := in.required(keyCompletion)
	return promptRow(prompt, completion), err
}

// answer reads a message of the assistant, a list that begins with one, or
// just what it says.
func (in *rowInput) answer(key string, raw []byte) ([]Message, error) {
	if raw[0] != '"' {
		return in.messages(key, raw)
	}
	text, err := in.required(key)
	return []Message{{RoleAssistant, text}}, err
}

// conversation reads messages, ShareGPT's included, with the system message
// that may stand beside them.
func (in *rowInput) conversation(key string) (Row, error) {
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
	list, err = in.withSystem(list)
	return messagesRow(list), err
}

func (in *rowInput) withSystem(list []Message) ([]Message, error) {
	system, err := in.optional("system")
	if err != nil || system == "" {
		return list, err
	}
	if len(list) > 0 && list[0].Role == RoleSystem {
		return nil, &flaw{code: "roles", field: "system", reason: "there is a system message already", fix: "keep one"}
	}
	return append([]Message{{RoleSystem, system}}, list...), nil
}

// alpacaRow writes Cogniverse's prompt. Earlier turns come before it in the
// same words, and a system text before all.
func (in *rowInput) alpacaRow() (r Row, err error) {
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
	return promptRow(prompt.String(), texts[2]), nil
}

func instructionPrompt(instruction, input string) string {
	text := instructionMark + "\n" + instruction + "\n\n"
	if input != "" {
		text += inputMark + "\n" + input + "\n\n"
	}
	return text + responseMark
}

// history reads LLaMA-Factory's earlier turns: [[question, answer], …].
func (in *rowInput) history() (turns [][2]string, err error) {
	raw := in.get("history")
	if raw == nil {
		return nil, nil
	}
	if raw[0] != '[' {
		return nil, wrongType("history", "a list of [question, answer]", raw)
	}
	items, more := listItems(raw, maxMessages)
	if more {
		return nil, &flaw{code: "too_many_messages", field: "history", reason: fmt.Sprintf("more than %d turns", maxMessages)}
	}
	for i, item := range items {
		name := fmt.Sprintf("history[%d]", i)
		if item[0] != '[' {
			return nil, wrongType(name, "[question, answer]", item)
		}
		said, more := listItems(item, 2)
		if more || len(said) != 2 {
			return nil, &flaw{code: "wrong_type", field: name, reason: "want a question and an answer", fix: "write [question, answer]"}
		}
		var turn [2]string
		for j := range said {
			if turn[j], err = in.text(name, said[j]); err != nil {
				return nil, err
			}
			if strings.TrimSpace(turn[j]) == "" {
				return nil, blank(name, "a text")
			}
		}
		turns = append(turns, turn)
	}
	return turns, nil
}

// instructionRow cuts a text of Cogniverse behind its last "### Response:", so
// that only the answer is learned. Prompt and completion together are the text.
func (in *rowInput) instructionRow() (r Row, err error) {
	text, err := in.required(keyText)
	if err != nil {
		return r, err
	}
	at := strings.LastIndex(text, responseMark)
	if at < 0 {
		return r, &flaw{
			code: "no_assistant", field: keyText, reason: `there is no "### Response:" on a line of its own behind the instruction`,
			fix: "add the answer, or choose the format text to train on texts as they stand",
		}
	}
	at += len(responseMark)
	if strings.TrimSpace(text[at:]) == "" {
		return r, blank(keyText, "what follows ### Response:")
	}
	return promptRow(text[:at], text[at:]), nil
}
