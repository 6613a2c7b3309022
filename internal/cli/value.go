package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/cogniverse/cogflow/strictjson"
)

// Value parses text as JSON; if it is not JSON, Value returns text itself.
func Value(text string) any {
	var v any
	if DecodeExact([]byte(text), &v) != nil {
		return text
	}
	return v
}

// DecodeExact decodes one JSON document and keeps the digits of numbers.
func DecodeExact(data []byte, into any) error {
	var once json.RawMessage // rejects repeated names
	if err := strictjson.Unmarshal(data, &once); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("unexpected content after the first value")
	}
	return nil
}
