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
	prompt int // tokens before the last answer; 0 without a prompt
	first  int // tokens before the first answer of a conversation; otherwise as prompt
}

// lengthOf estimates the lengths of a row: prompt and answer are one sequence, each answer
// of a pair makes one with the prompt, and each text of a triplet is a sequence of its own.
func lengthOf(row rows.Row) (l rowLength) {
	for _, p := range row.Parts {
		tokens := EstimateTokens(p.Text)
		l.chars += utf8.RuneCountInString(p.Text)
		first, before := -1, 0 // tokens before the first and the last answer of a conversation
		for _, m := range p.Messages {
			if m.Role == rows.RoleAssistant {
				if before = tokens; first < 0 {
					first = before
				}
			}
			tokens += EstimateTokens(m.Content) + turnTokens
			l.chars += utf8.RuneCountInString(m.Content)
		}
		switch p.Key {
		case rows.KeyPrompt:
			l.prompt, l.first, l.tokens = tokens, tokens, tokens
		case rows.KeyMessages:
			l.prompt, l.first, l.tokens = before, first, tokens
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

// differs finds a text of a pair or a triplet that the cut to limit tokens makes equal to
// another one, and where about the two begin to differ, in tokens.
func differs(row rows.Row, l rowLength, limit int) (key string, at int) {
	if l.tokens <= limit || len(row.Parts) < 2 {
		return "", 0
	}
	texts := row.Parts
	if texts[0].Key == rows.KeyPrompt {
		texts = texts[1:]
	}
	for i, p := range texts {
		for _, other := range texts[:i] {
			at := l.prompt + EstimateTokens(common(said(p), said(other)))
			if at > limit && l.prompt < limit {
				return p.Key, at
			}
		}
	}
	return "", 0
}

// said is the text of a part, or of all its messages.
func said(p rows.Part) string {
	var all strings.Builder
	all.WriteString(p.Text)
	for _, m := range p.Messages {
		all.WriteString(m.Content)
	}
	return all.String()
}

// common is what two texts begin with.
func common(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return strings.ToValidUTF8(a[:n], "")
}
