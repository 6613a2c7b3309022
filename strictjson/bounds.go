package strictjson

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds limits the length of the parts of a document. A place is the path of names to a
// value, joined by dots; the entries of a list add [] to it: "runs[].name". Any other place
// has the default limit, so that a new field is limited without further code.
type Bounds struct {
	Text  int            // bytes of any other text, including names
	List  int            // entries of any other list or object
	Texts map[string]int // bytes of the text at a place
	Parts map[string]int // bytes of the value at a place, white space included; within it, only Texts applies
}

// Check returns an *Error that names the first place that is too long. data must be valid
// for Unmarshal.
func (b Bounds) Check(data []byte) error {
	w := boundsWalk{Bounds: b, from: jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))}
	return w.value("", false)
}

type boundsWalk struct {
	Bounds
	from *jsontext.Decoder
}

// value reads the value at a place. within: it belongs to a part that is limited as a
// whole.
func (w *boundsWalk) value(at string, within bool) error {
	if most, ok := w.Parts[at]; ok && !within {
		value, err := w.from.ReadValue()
		if err != nil {
			return readable(err)
		}
		if len(value) > most {
			return tooLong(at, len(value), most)
		}
		inner := boundsWalk{Bounds: w.Bounds, from: jsontext.NewDecoder(bytes.NewReader(value), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))}
		return inner.value(at, true)
	}
	token, err := w.from.ReadToken()
	if err != nil {
		return readable(err)
	}
	switch token.Kind() {
	case '"':
		return w.text(at, token.String(), within)
	case '{', '[':
		return w.entries(at, token.Kind() == '{', within)
	default:
		return nil
	}
}

func (w *boundsWalk) text(at, text string, within bool) error {
	most, ok := w.Texts[at]
	if !ok {
		most = w.Text
	}
	if len(text) > most && (ok || !within) {
		return tooLong(at, len(text), most)
	}
	return nil
}

// entries reads the content of an object or a list, and its end.
func (w *boundsWalk) entries(at string, named, within bool) error {
	for n := 0; ; n++ {
		if kind := w.from.PeekKind(); kind == '}' || kind == ']' {
			_, err := w.from.ReadToken()
			return readable(err)
		}
		if n >= w.List && !within {
			return &Error{Place: at, Reason: fmt.Sprintf("has too many entries; at most %d are allowed", w.List)}
		}
		in := at + "[]"
		if named {
			token, err := w.from.ReadToken()
			if err != nil {
				return readable(err)
			}
			name := token.String()
			if len(name) > w.Text && !within {
				return &Error{Place: at, Reason: fmt.Sprintf("a name in it has %d bytes; must be at most %d", len(name), w.Text)}
			}
			if in = name; at != "" {
				in = at + "." + name
			}
		}
		if err := w.value(in, within); err != nil {
			return err
		}
	}
}

func tooLong(at string, size, most int) error {
	return &Error{Place: at, Reason: fmt.Sprintf("has %d bytes; must be at most %d", size, most)}
}
