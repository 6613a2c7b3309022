package rows

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/training/rows/plain"
)

// Markers of ChatML.
const (
	chatStart = "<|im_start|>"
	chatEnd   = "<|im_end|>"
)

// chatRow splits a ChatML text into messages, so that the model's own template applies and
// only answers are learned.
func (in *RowInput) chatRow() (Row, error) {
	text, err := in.required(KeyText)
	if err != nil {
		return Row{}, err
	}
	list, err := in.chatMessages(text)
	if err != nil {
		return Row{}, err
	}
	for i, m := range list {
		if err := in.checkMarks(fmt.Sprintf("%s[%d]", KeyText, i), m.Content); err != nil {
			return Row{}, err
		}
	}
	in.checkThinking(KeyText, list)
	return MessagesRow(list), checkConversation(KeyText, list)
}

func (in *RowInput) chatMessages(text string) (list []Message, err error) {
	wrong := func(reason, fix string) error {
		return &RowError{Code: "chatml", Field: fmt.Sprintf("%s[%d]", KeyText, len(list)), Reason: reason, Fix: fix}
	}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		if len(list) == maxMessages {
			return nil, &RowError{Code: "too_many_messages", Field: KeyText, Reason: fmt.Sprintf("more than %d messages", maxMessages), Fix: "split the conversation"}
		}
		var found bool
		if rest, found = strings.CutPrefix(rest, chatStart); !found {
			return nil, wrong("there is text between the messages", "begin each message with "+chatStart)
		}
		said, behind, found := strings.Cut(rest, chatEnd)
		if !found {
			if strings.TrimSpace(rest) == RoleAssistant { // the generation prompt
				return nil, wrong("the text ends where the assistant should speak", "add the answer")
			}
			return nil, wrong("the message is not closed", "end each message with "+chatEnd)
		}
		name, content, found := strings.Cut(said, "\n")
		speaker := role(strings.TrimSpace(name))
		switch {
		case strings.Contains(said, chatStart):
			return nil, wrong("the message is not closed", "end each message with "+chatEnd)
		case speaker == "" || !found:
			return nil, wrong(fmt.Sprintf("unknown role %q", shortName(name)), "put system, user or assistant on a line behind "+chatStart)
		case !plain.IsBlank(content):
			list = append(list, Message{Role: speaker, Content: content})
		case speaker != RoleSystem:
			return nil, blank(fmt.Sprintf("%s[%d]", KeyText, len(list)), "the message of the "+speaker)
		default:
			in.noSystem(fmt.Sprintf("%s[%d]", KeyText, len(list)))
		}
		rest = behind
	}
	return list, nil
}
