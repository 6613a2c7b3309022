package prompt

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Role of a message.
type Role string

// The roles.
const (
	System    Role = "system"
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one message of a request to a model: a text, or parts if it has images.
type Message struct {
	Role    Role
	Content string // of a text
	Parts   []Part // nil = the message is a text
}

// Part is a text or an image in a message.
type Part struct {
	Text  string
	Image *image.Image // nil = a text
}

// Text returns the texts of the message, with descriptions of its images.
func (m Message) Text() string {
	var text strings.Builder
	text.WriteString(m.Content)
	for _, p := range m.Parts {
		text.WriteString(p.Text)
		if p.Image != nil {
			text.WriteString(p.Image.Repr())
		}
	}
	return text.String()
}

// HasImages reports whether a message has an image.
func HasImages(messages []Message) bool {
	return slices.ContainsFunc(messages, func(m Message) bool { return len(m.Parts) > 0 })
}

// MarshalJSON writes the message as OpenAI's protocol has it. HTML is escaped by the caller, or
// not.
func (m Message) MarshalJSON() ([]byte, error) {
	out := struct {
		Role    Role `json:"role"`
		Content any  `json:"content"`
	}{m.Role, m.Content}
	if m.Parts != nil {
		out.Content = m.Parts
	}
	return unescaped(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Message) UnmarshalJSON(text []byte) error {
	var in struct {
		Role    Role            `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*m = Message{Role: in.Role}
	if len(in.Content) > 0 && in.Content[0] == '[' {
		return json.Unmarshal(in.Content, &m.Parts)
	}
	if len(in.Content) == 0 {
		return nil
	}
	return json.Unmarshal(in.Content, &m.Content)
}

type part struct {
	Type  string    `json:"type"`
	Text  *string   `json:"text,omitempty"`
	Image *imageURL `json:"image_url,omitempty"`
}

type imageURL struct {
	URL string `json:"url"`
}

// MarshalJSON writes the part as OpenAI's protocol has it.
func (p Part) MarshalJSON() ([]byte, error) {
	if p.Image != nil {
		return unescaped(part{Type: "image_url", Image: &imageURL{p.Image.URL()}})
	}
	return unescaped(part{Type: "text", Text: &p.Text})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (p *Part) UnmarshalJSON(text []byte) error {
	var in part
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	switch {
	case in.Image != nil:
		found, err := image.Of(in.Image.URL)
		*p = Part{Image: &found}
		return err
	case in.Text != nil:
		*p = Part{Text: *in.Text}
		return nil
	}
	return errors.New("a part of a message must be a text or an image")
}

func unescaped(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimSuffix(text.Bytes(), []byte{'\n'}), err
}

// Mixed is text with images as the value of a field.
type Mixed []Part

// Text is the value as DSPy writes it into a text.
func (m Mixed) Text() string {
	var text strings.Builder
	for _, p := range m {
		text.WriteString(p.Text)
		if p.Image != nil {
			text.WriteString(p.Image.Text())
		}
	}
	return text.String()
}

// Plain returns the text if there are no images.
func (m Mixed) Plain() (text string, ok bool) {
	for _, p := range m {
		if p.Image != nil {
			return "", false
		}
	}
	return m.Text(), true
}

// Repr is the text as Python prints it.
func (m Mixed) Repr() string { return python.Repr(m.Text()) }

// Add appends text to the last part.
func (m *Mixed) Add(text string) {
	if n := len(*m); n > 0 && (*m)[n-1].Image == nil {
		(*m)[n-1].Text += text
	} else if text != "" {
		*m = append(*m, Part{Text: text})
	}
}

// AddImage appends an image.
func (m *Mixed) AddImage(i image.Image) { *m = append(*m, Part{Image: &i}) }

// AddAll appends parts.
func (m *Mixed) AddAll(parts Mixed) {
	for _, p := range parts {
		if p.Image != nil {
			m.AddImage(*p.Image)
		} else {
			m.Add(p.Text)
		}
	}
}

// AddValue appends a value as prompts show it: lists and dicts as JSON, in which each image is
// between quotes, anything else as Python prints it.
func (m *Mixed) AddValue(v any) { m.addValue(v, false) }

func (m *Mixed) addValue(v any, nested bool) {
	quote := ""
	if nested {
		quote = `"`
	}
	switch x := v.(type) {
	case Mixed:
		m.AddAll(x)
	case image.Image:
		m.Add(quote)
		m.AddImage(x)
		m.Add(quote)
	case []any:
		m.Add("[")
		for i, item := range x {
			m.Add(separator(i))
			m.addValue(item, true)
		}
		m.Add("]")
	case *Object:
		m.Add("{")
		for i, k := range x.Keys() {
			member, _ := x.Get(k)
			m.Add(separator(i) + python.Dumps(k) + ": ")
			m.addValue(member, true)
		}
		m.Add("}")
	default:
		if nested {
			m.Add(python.Dumps(v))
		} else {
			m.Add(python.Str(v))
		}
	}
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}

// message makes a message of the text, without white space around it.
func (m Mixed) message(role Role) Message {
	var parts []Part
	for i, p := range m {
		if i == 0 {
			p.Text = strings.TrimLeftFunc(p.Text, python.IsSpace)
		}
		if i == len(m)-1 {
			p.Text = strings.TrimRightFunc(p.Text, python.IsSpace)
		}
		if p.Image != nil || p.Text != "" {
			parts = append(parts, p)
		}
	}
	if text, ok := Mixed(parts).Plain(); ok {
		return Message{Role: role, Content: text}
	}
	return Message{Role: role, Parts: parts}
}
