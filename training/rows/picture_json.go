package rows

import "encoding/json"

// imageJSON is an image in a canonical row.
type imageJSON struct {
	Image string `json:"image"`
}

// pieceJSON is a piece of a message in a canonical row.
type pieceJSON struct {
	Type  string  `json:"type"` // text or image
	Text  *string `json:"text,omitempty"`
	Image string  `json:"image,omitempty"`
}

// messageJSON is a message in a canonical row: its content is a text or a list of pieces.
type messageJSON struct {
	Role    string      `json:"role"`
	Content any         `json:"content"`
	Weight  json.Number `json:"weight,omitempty"`
}

func messagesJSON(list []Message) []messageJSON {
	out := make([]messageJSON, len(list))
	for i, m := range list {
		out[i] = messageJSON{m.Role, m.Content, m.Weight}
		if m.Pieces == nil {
			continue
		}
		pieces := make([]pieceJSON, len(m.Pieces))
		for j, p := range m.Pieces {
			if pieces[j] = (pieceJSON{Type: "image", Image: p.Image}); p.Image == "" {
				pieces[j] = pieceJSON{Type: "text", Text: &p.Text}
			}
		}
		out[i].Content = pieces
	}
	return out
}

// read reads the value of a field of a canonical row.
func (p *Part) read(value []byte) error {
	var first byte
	if len(value) > 0 {
		first = value[0]
	}
	switch first {
	case '{':
		var image imageJSON
		err := json.Unmarshal(value, &image)
		p.Image = image.Image
		return err
	case '[':
	case 't', 'f':
		return json.Unmarshal(value, &p.Good)
	default:
		return json.Unmarshal(value, &p.Text)
	}
	var list []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
		Weight  json.Number     `json:"weight"`
	}
	if err := json.Unmarshal(value, &list); err != nil {
		return err
	}
	p.Messages = make([]Message, len(list))
	for i, from := range list {
		m := &p.Messages[i]
		m.Role, m.Weight = from.Role, from.Weight
		if len(from.Content) == 0 || from.Content[0] != '[' {
			if err := json.Unmarshal(from.Content, &m.Content); err != nil {
				return err
			}
			continue
		}
		var pieces []pieceJSON
		if err := json.Unmarshal(from.Content, &pieces); err != nil {
			return err
		}
		for _, from := range pieces {
			piece := Piece{Image: from.Image}
			if from.Text != nil {
				piece.Text = *from.Text
			}
			m.Pieces = append(m.Pieces, piece)
		}
		m.Content = joined(m.Pieces)
	}
	return nil
}
