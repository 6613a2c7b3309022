// Package rows reads the rows of training datasets in all supported formats, and writes
// them in the form that the trainer reads. It knows a row and its file; package dataset
// judges the dataset.
package rows

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"strings"

	"github.com/cogniverse/cogflow/training/rows/plain"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string      `json:"role"` // RoleSystem, RoleUser or RoleAssistant
	Content string      `json:"content"`
	Weight  json.Number `json:"weight,omitempty"` // NotLearned; empty = the message is learned as usual
	Pieces  []Piece     `json:"-"`                // texts and images in their order, Content being the texts; nil = only text
}

// NotLearned is the weight of an answer that is shown to the model, but not learned.
const NotLearned json.Number = "0"

// The roles.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Row is one canonical row: what the trainer reads, as trainer/PROTOCOL.md has it.
type Row struct {
	Parts []Part // in the order in which they are written
}

// Part is one field of a row: a text, an image if Image is not empty, a conversation if Messages
// is not nil, or a rating if Good is not nil.
type Part struct {
	Key      string
	Text     string
	Image    string // SHA-256
	Messages []Message
	Good     *bool // of KeyLabel: whether the answer is rated good
}

// Keys of canonical rows.
const (
	KeyMessages   = "messages"
	KeyPrompt     = "prompt"
	KeyCompletion = "completion"
	KeyText       = "text"
	KeyChosen     = "chosen"
	KeyRejected   = "rejected"
	KeyAnchor     = "anchor"
	KeyPositive   = "positive"
	KeyNegative   = "negative"
	KeyLabel      = "label"
)

// AppendJSON appends the canonical JSON of the row: equal rows are equal bytes.
func (r Row) AppendJSON(to []byte) ([]byte, error) {
	out := bytes.NewBuffer(to)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	for i, p := range r.Parts {
		before := `,"`
		if i == 0 {
			before = `{"`
		}
		out.WriteString(before + p.Key + `":`)
		var value any = p.Text
		switch {
		case p.Image != "":
			value = imageJSON{Image: p.Image}
		case p.Messages != nil:
			value = messagesJSON(p.Messages)
		case p.Good != nil:
			value = *p.Good
		}
		if err := e.Encode(value); err != nil {
			return nil, err
		}
		out.Truncate(out.Len() - 1) // the encoder's line end
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// Shape is the fields of a row and their kinds. It is the same in all rows of a file.
func (r Row) Shape() string {
	var names []string
	for _, p := range r.Parts {
		name := p.Key
		if p.Messages != nil && p.Key != KeyMessages {
			name += " (messages)"
		}
		if p.Image != "" {
			name += " (image)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// Part returns the part with a key, if the row has it.
func (r Row) Part(key string) (Part, bool) {
	for _, p := range r.Parts {
		if p.Key == key {
			return p, true
		}
	}
	return Part{}, false
}

// Question is the question of a row, which must not be both in the training and in the
// held-out rows. For a conversation it is everything before the first answer, since longer
// versions of one conversation often follow each other; system texts are the same in all
// rows and do not count. A bare text is its own question.
func (r Row) Question() string {
	for _, key := range []string{KeyMessages, KeyPrompt, KeyAnchor, KeyText} {
		p, ok := r.Part(key)
		if !ok {
			continue
		}
		if p.Messages == nil {
			return p.Text + p.Image
		}
		var said []string
		for _, m := range p.Messages {
			if m.Role == RoleAssistant {
				break
			}
			if m.Role == RoleUser {
				said = append(said, m.Content)
			}
			for _, piece := range m.Pieces {
				said = append(said, piece.Image)
			}
		}
		return strings.Join(said, "\n")
	}
	return ""
}

// Normal is the form in which questions are compared, see package plain.
func Normal(text string) string { return plain.Normal(text) }

// Digest is a 64-bit hash: a million rows collide with a probability of 3e-8.
func Digest(text []byte) uint64 {
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:])
}
