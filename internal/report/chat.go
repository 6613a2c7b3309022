package report

import (
	"html/template"

	"github.com/cogniverse/cogflow/safetext"
)

// Chat shows a held-out row as a conversation: the prompt, the expected answer, and the
// answer or the score of each model.
type Chat struct {
	Title, Note  string
	Tone, Change string
	Turns        []Turn
}

// Turn is one message of a chat.
type Turn struct {
	Side  string // "ask", "want", "reject", "before" or "after": a class of the style sheet
	Who   string
	Note  string // such as a score
	Text  string
	Empty bool // there is no message; Text says so

	Pictures []template.URL // data URIs of small pictures in the message
}

// MaxTurns is the maximum number of turns shown for one row. Each turn is cut to MaxReason runes.
const MaxTurns = 12

// NewTurn makes a turn from a text that may be malicious. An empty text is shown as "empty".
func NewTurn(side, who, note, text string) Turn {
	t := Turn{Side: side, Who: Clean(who, MaxName), Note: note, Text: safetext.Lines(text, MaxReason)}
	if t.Text == "" {
		t.Text, t.Empty = "empty", true
	}
	return t
}
