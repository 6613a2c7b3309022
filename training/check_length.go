package training

import (
	"strings"
	"unicode/utf8"
)

const (
	longRow    = 32_768 // tokens from which on a row is called long
	turnTokens = 5      // what a chat template adds to a message
)

// rowLength is how long the longest sequence is that a trainer makes of a row.
type rowLength struct {
	chars  int // of all parts
	tokens int // estimated
	prompt int // tokens of what is asked; 0 where nothing is
}

// lengthOf estimates the lengths of a row: prompt and answer are one sequence,
// each answer of a pair makes one with the prompt, and of a triplet each text
// is one of its own.
func lengthOf(row Row) (l rowLength) {
	for _, p := range row.Parts {
		tokens := EstimateTokens(p.Text)
		l.chars += utf8.RuneCountInString(p.Text)
		before := 0 // the last answer of a conversation
		for _, m := range p.Messages {
			if m.Role == RoleAssistant {
				before = tokens
			}
			tokens += EstimateTokens(m.Content) + turnTokens
			l.chars += utf8.RuneCountInString(m.Content)
		}
		switch p.Key {
		case keyPrompt:
			l.prompt, l.tokens = tokens, tokens
		case keyMessages:
			l.prompt, l.tokens = before, tokens
		case keyCompletion:
			l.tokens += tokens
		case keyChosen, keyRejected:
			l.tokens = max(l.tokens, l.prompt+tokens)
		default:
			l.tokens = max(l.tokens, tokens)
		}
	}
	return l
}

// echoes reports whether the answer of a row is its prompt again.
func echoes(row Row) bool {
	completion, ok := row.part(keyCompletion)
	if ok {
		prompt, _ := row.part(keyPrompt)
		asked, _, _ := strings.Cut(strings.TrimPrefix(prompt.Text, instructionMark), responseMark)
		return normal(completion.Text) != "" && normal(asked) == normal(completion.Text)
	}
	conversation, _ := row.part(keyMessages)
	for i, m := range conversation.Messages {
		if i > 0 && m.Role == RoleAssistant && normal(m.Content) != "" && normal(m.Content) == normal(conversation.Messages[i-1].Content) {
			return true
		}
	}
	return false
}
