package report

import "github.com/cogniverse/cogflow/safetext"

// Chat is a held-out row as a conversation: what was asked, what was expected, and what
// each model made of it.
type Chat struct {
	Title, Note  string
	Tone, Change string
	Turns        []Turn
}

// Turn is what one side said.
type Turn struct {
	Side  string // "ask", "want", "before" or "after": a class of the style sheet
	Who   string
	Note  string // such as a score
	Text  string
	Empty bool // Text says why nothing is shown
}

// MaxTurns is how many turns of one row a page shows; of each it shows MaxReason runes.
const MaxTurns = 12

// NewTurn makes a turn of a text that may be malicious; one that is empty says so.
func NewTurn(side, who, note, text string) Turn {
	t := Turn{Side: side, Who: Clean(who, MaxName), Note: note, Text: safetext.Lines(text, MaxReason)}
	if t.Text == "" {
		t.Text, t.Empty = "empty", true
	}
	return t
}
