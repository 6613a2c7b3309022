// Package exampleset reads the program and the examples that an input of an optimization holds,
// or names by {"uri": …}. It knows no program, no metric and no model.
package exampleset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
)

// Limits of what one optimization reads.
const (
	maxBytes = 256 << 20
	maxRows  = 100_000
)

// Reader reads what the inputs of a tenant hold or name.
type Reader struct {
	Store     activities.Store
	Documents activities.Documents
	Tenant    tenant.ID
}

// Text returns the value in an input, or the file that it names by {"uri"}.
func (r Reader) Text(ctx context.Context, what string, raw json.RawMessage) (json.RawMessage, error) {
	var at struct {
		URI string `json:"uri"`
	}
	// An object with any other field is not a reference, but the value itself.
	if len(raw) == 0 || strictjson.Unmarshal(raw, &at) != nil || at.URI == "" {
		return raw, nil
	}
	open, name, closeAll, err := activities.OpenDataset(ctx, r.Store, r.Documents, r.Tenant, activities.Dataset{URI: at.URI})
	if err != nil {
		return nil, err
	}
	defer closeAll()
	file, err := open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = fault.New(fault.Input, "read "+what, name, "more than 256 MiB")
	}
	return data, fault.Disk("read "+what, name, err)
}

// Examples reads a JSON array of objects, or one object per line.
func (r Reader) Examples(ctx context.Context, what string, raw json.RawMessage) ([]*prompt.Object, error) {
	text, err := r.Text(ctx, what, raw)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return nil, err
	}
	bad := func(place int, err error) error {
		return fault.Wrap(fault.Input, "read "+what, fmt.Sprintf("example %d", place), err)
	}
	out, err := parse(text)
	if err != nil {
		return nil, bad(len(out)+1, err)
	}
	for i, o := range out {
		if o == nil || o.Len() == 0 {
			return nil, bad(i+1, errors.New("must be an object with the program's inputs and the expected outputs"))
		}
		if !python.IsFinite(o) {
			return nil, bad(i+1, errors.New("a number is out of range"))
		}
	}
	if len(out) > maxRows {
		return nil, fault.New(fault.Input, "read "+what, "", fmt.Sprintf("%d examples; must be at most %d", len(out), maxRows))
	}
	return out, nil
}

// parse returns the examples before the first that cannot be read.
func parse(text []byte) (out []*prompt.Object, err error) {
	if bytes.TrimSpace(text)[0] == '[' {
		err = strictjson.Unmarshal(text, &out)
		if err != nil && len(out) > 0 { // the last one is the one that cannot be read
			out = out[:len(out)-1]
		}
		return out, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		var line json.RawMessage
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		o := &prompt.Object{}
		if err == nil {
			err = strictjson.Unmarshal(line, o)
		}
		if err != nil {
			return out, err
		}
		out = append(out, o)
	}
}
