package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Fields calls each with the name of every field of the object in data, and with its value, which
// begins at the byte at. It accepts what Unmarshal does, but decodes and copies nothing: an object
// may hold megabytes that its reader only passes on.
func Fields(data []byte, each func(name string, value []byte, at int) error) error {
	if tooDeep(data) {
		return &Error{Reason: fmt.Sprintf("objects and lists are nested more than %d deep", MaxDepth)}
	}
	from := jsontext.NewDecoder(bytes.NewBuffer(data), strict)
	if kind := from.PeekKind(); kind != '{' && kind != jsontext.KindInvalid {
		return &Error{Reason: "must be an object, not " + found(kind, nil)}
	}
	_, err := from.ReadToken()
	for err == nil && from.PeekKind() != '}' {
		err = field(from, each)
	}
	if err == nil {
		_, err = from.ReadToken()
	}
	if err == nil {
		if _, err = from.ReadToken(); err == nil {
			return &Error{Reason: "there is more after the object"}
		}
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return readable(err)
}

func field(from *jsontext.Decoder, each func(name string, value []byte, at int) error) error {
	token, err := from.ReadToken()
	if err != nil {
		return err
	}
	name := token.String()
	value, err := from.ReadValue()
	if err != nil {
		return err
	}
	return each(name, value, int(from.InputOffset())-len(value))
}
