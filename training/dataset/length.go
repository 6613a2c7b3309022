package dataset

import (
	"strings"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/training/rows"
)

const (
	longRow    = 32_768 // minimum tokens of a row that is called long
	turnTokens = 5      // tokens that a chat template adds per message
)

// rowLength is the length of the longest sequence that a trainer makes of a row.
type rowLength struct {
	chars  int // of all parts
	tokens int // estimated
	prompt int // tokens of the prompt; 0 without one
}

// lengthOf estimates the lengths of a row: prompt and answer are one sequence, each answer
// of a pair makes one with the prompt, and each text of a triplet is a sequence of its own.
func lengthOf(row rows.Row) (l rowLength) {
	for _, p := range row.Parts {
		tokens := EstimateTokens(p.Text)
		l.chars += utf8.RuneCountInString(p.Text)
		before := 0 // tokens before the last answer of a conversation
		for _, m := range p.Messages {
			if m.Role == rows.RoleAssistant {
				before = tokens
			}
			tokens += EstimateTokens(m.Content) + turnTokens
			l.chars += utf8.RuneCountInString(m.Content)
		}
		switch p.Key {
		case rows.KeyPrompt:
			l.prompt, l.tokens = tokens, tokens
		case rows.KeyMessages:
			l.prompt, l.tokens = before, tokens
		case rows.KeyCompletion:
			l.tokens += tokens
		case rows.KeyChosen, rows.KeyRejected:
			l.tokens = max(l.tokens, l.prompt+tokens)
		default:
			l.tokens = max(l.tokens, tokens)
		}
	}
	return l
}

// echoes reports whether the answer of a row repeats its prompt.
func echoes(row rows.Row) bool {
	completion, ok := row.Part(rows.KeyCompletion)
	if ok {
		prompt, _ := row.Part(rows.KeyPrompt)
		asked, _, _ := strings.Cut(strings.TrimPrefix(prompt.Text, rows.InstructionMark), rows.ResponseMark)
		return rows.Normal(completion.Text) != "" && rows.Normal(asked) == rows.Normal(completion.Text)
	}
	conversation, _ := row.Part(rows.KeyMessages)
	for i, m := range conversation.Messages {
		if i > 0 && m.Role == rows.RoleAssistant && rows.Normal(m.Content) != "" && rows.Normal(m.Content) == rows.Normal(conversation.Messages[i-1].Content) {
			return true
		}
	}
	return false
}
