// Package yaml converts YAML files to JSON, which all other packages read. It is strict: an
// unknown key is rejected with its line, as are values that JSON cannot represent and notations
// that YAML readers interpret differently. It knows no program: the caller gives the shape.
package yaml

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a file. Aliases can expand a small file to a large one.
const (
	MaxBytes = 4 << 20
	maxDepth = 64
	maxWrote = 8 << 20 // bytes of JSON, with aliases expanded
)

// JSON returns a YAML file as JSON, with its keys in order. A mapping for which shape has a
// struct must hold only the keys of the struct. Text that begins with { or [ is JSON
// already and is returned unchanged.
func JSON(text []byte, shape reflect.Type) ([]byte, error) {
	if start := bytes.TrimLeft(text, " \t\r\n"); len(start) == 0 || start[0] == '{' || start[0] == '[' {
		return text, nil
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("the file has %d bytes; at most %d are taken", len(text), MaxBytes)
	}
	var document yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty")
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one document in the file")
	}
	w := &writer{}
	err := w.value(&document, shape, 0)
	return w.out.Bytes(), err
}

// writer writes nodes as JSON.
type writer struct{ out bytes.Buffer }

func at(n *yaml.Node, format string, values ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{n.Line}, values...)...)
}

// value writes a node; shape is nil where any value is allowed.
func (w *writer) value(n *yaml.Node, shape reflect.Type, depth int) error {
	switch {
	case depth > maxDepth:
		return at(n, "it is nested over %d deep, or an alias holds itself", maxDepth)
	case w.out.Len() > maxWrote:
		return at(n, "with its aliases written out the file has over %d bytes", maxWrote)
	}
	shape = within(shape)
	switch n.Kind {
	case yaml.DocumentNode:
		return w.value(n.Content[0], shape, depth)
	case yaml.AliasNode:
		return w.value(n.Alias, shape, depth+1)
	case yaml.MappingNode:
		return w.mapping(n, shape, depth)
	case yaml.SequenceNode:
		return w.list(n, shape, depth)
	case yaml.ScalarNode:
		return w.scalar(n)
	}
	return at(n, "it cannot be read")
}

func (w *writer) mapping(n *yaml.Node, shape reflect.Type, depth int) error {
	if tag := n.ShortTag(); tag != "!!map" {
		return at(n, "the tag %s has no meaning here", tag)
	}
	known := keys(shape)
	seen := map[string]bool{}
	w.out.WriteByte('{')
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i]
		field, ok := known[key.Value]
		switch {
		case key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge":
			return at(key, "the merge key << is not taken; write out what it brings, or use an alias for a whole value")
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
			return at(key, "a key must be a text; put it into quotes")
		case seen[key.Value]:
			return at(key, "the key %q is listed twice", key.Value)
		case known != nil && !ok:
			return at(key, "unknown key %q", key.Value)
		}
		seen[key.Value] = true
		if known == nil {
			field = element(shape)
		}
		if i > 0 {
			w.out.WriteByte(',')
		}
		if err := w.text(key); err != nil {
			return err
		}
		w.out.WriteByte(':')
		if err := w.value(n.Content[i+1], field, depth+1); err != nil {
			return err
		}
	}
	w.out.WriteByte('}')
	return nil
}

func (w *writer) list(n *yaml.Node, shape reflect.Type, depth int) error {
	if tag := n.ShortTag(); tag != "!!seq" {
		return at(n, "the tag %s has no meaning here", tag)
	}
	w.out.WriteByte('[')
	for i, item := range n.Content {
		if i > 0 {
			w.out.WriteByte(',')
		}
		if err := w.value(item, element(shape), depth+1); err != nil {
			return err
		}
	}
	w.out.WriteByte(']')
	return nil
}

// scalar writes a value. A number is accepted only in JSON's form: 010, 0x1f and 1_000 are
// numbers to some YAML readers and texts to others.
func (w *writer) scalar(n *yaml.Node) error {
	switch tag := n.ShortTag(); tag {
	case "!!str", "!!timestamp": // JSON has no dates: a date stays text
		return w.text(n)
	case "!!null":
		w.out.WriteString("null")
	case "!!bool":
		var yes bool
		if err := n.Decode(&yes); err != nil {
			return at(n, "%q is neither true nor false", n.Value)
		}
		fmt.Fprint(&w.out, yes)
	case "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) || strings.TrimLeft(n.Value, "-0123456789.eE+") != "" {
			return at(n, "%s is not a JSON number; write it as one, or quote it", n.Value)
		}
		w.out.WriteString(n.Value)
	default:
		return at(n, "the tag %s has no meaning here", tag)
	}
	return nil
}

func (w *writer) text(n *yaml.Node) error {
	e := json.NewEncoder(&w.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(n.Value); err != nil {
		return at(n, "%v", err)
	}
	w.out.Truncate(w.out.Len() - 1) // the encoder ends a line
	return nil
}
