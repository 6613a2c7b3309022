package api

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Open is a request that can have more fields than its type names, because they are passed on.
type Open interface {
	// Open says which fields those are.
	Open() string
}

// use is how a type occurs in the document: what a client may send differs from what it gets.
type use struct {
	of      reflect.Type
	request bool
}

// schema returns a reference to the schema of a value's type, and whether it has required fields.
func (d document) schema(value any, request bool) (ref map[string]any, required bool, err error) {
	u := use{reflect.TypeOf(value), request}
	if known, ok := d.types[u]; ok {
		return reference(known), len(d.schemas[known].Required) > 0, nil
	}
	s, err := jsonschema.ForType(u.of, &jsonschema.ForOptions{
		TypeSchemas: map[reflect.Type]*jsonschema.Schema{reflect.TypeFor[json.RawMessage](): {}}, // any JSON
	})
	if err != nil {
		return nil, false, err
	}
	root := *s
	actual(&root, request)
	if s.Type != "" { // the root is never null
		root.Type, root.Types = s.Type, s.Types
	}
	if open, ok := value.(Open); ok {
		root.AdditionalProperties, root.Description = nil, open.Open()
	}
	name := u.of.Name()
	if taken := slices.Collect(maps.Values(d.types)); name == "" || slices.Contains(taken, name) {
		name = strings.NewReplacer("/", "_", ".", "_").Replace(u.of.PkgPath() + "." + u.of.Name())
		if slices.Contains(taken, name) {
			name += "_"
		}
	}
	d.types[u], d.schemas[name] = name, &root
	return reference(name), len(root.Required) > 0, nil
}

func reference(name string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// actual makes a schema say what encoding/json does: a map without entries can be null, as an array
// can. In a request, null is as good as a field that is left out, and no required field is null.
func actual(s *jsonschema.Schema, request bool) {
	if s == nil {
		return
	}
	isMap := s.Type == "object" && len(s.Properties) == 0 && s.AdditionalProperties != nil && s.AdditionalProperties.Not == nil
	for name, p := range s.Properties {
		actual(p, request)
		if request && slices.Contains(s.Required, name) {
			notNull(p)
		} else if request {
			orNull(p)
		}
	}
	actual(s.Items, request)
	if isMap {
		actual(s.AdditionalProperties, request)
		orNull(s)
	}
}

func orNull(s *jsonschema.Schema) {
	if s.Type != "" {
		s.Type, s.Types = "", []string{"null", s.Type}
	}
}

func notNull(s *jsonschema.Schema) {
	kinds := slices.DeleteFunc(slices.Clone(s.Types), func(kind string) bool { return kind == "null" })
	if len(kinds) == 1 {
		s.Type, s.Types = kinds[0], nil
	} else if len(kinds) > 1 {
		s.Types = kinds
	}
}
