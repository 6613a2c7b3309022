package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/cogniverse/cogflow/strictjson"
)

// Value is the JSON that text spells, else text itself.
func Value(text string) any {
	var v any
	if DecodeExact([]byte(text), &v) != nil {
		return text
	}
	return v
}

// DecodeExact reads one JSON document and keeps numbers as they are written.
func DecodeExact(data []byte, into any) error {
	var once json.RawMessage // no name is listed twice
	if err := strictjson.Unmarshal(data, &once); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is more after the first value")
	}
	return nil
}
