// Package keys reads the keys of the configuration from its JSON Schema, for the reference. It
// knows no key.
package keys

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Settle makes every key optional, because each has a default, and replaces pointers and
// lists by their element types: null does not mean a missing key.
func Settle(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	s.Required = nil
	if slices.Contains(s.Types, "null") {
		rest := slices.DeleteFunc(slices.Clone(s.Types), func(t string) bool { return t == "null" })
		if s.Types = rest; len(rest) == 1 {
			s.Type, s.Types = rest[0], nil
		}
	}
	for _, p := range s.Properties {
		Settle(p)
	}
	for _, p := range s.AnyOf {
		Settle(p)
	}
	Settle(s.Items)
	Settle(s.AdditionalProperties)
}

// Walk visits the keys below a schema, parents first.
func Walk(path string, s *jsonschema.Schema, visit func(string, *jsonschema.Schema)) {
	for _, one := range append([]*jsonschema.Schema{s}, s.AnyOf...) {
		names := one.PropertyOrder
		if len(names) == 0 {
			names = slices.Sorted(maps.Keys(one.Properties))
		}
		for _, name := range names {
			p := one.Properties[name]
			visit(path+"."+name, p)
			Walk(path+"."+name, p, visit)
		}
	}
	if s.Items != nil && len(s.Items.Properties) > 0 {
		Walk(path+".<number>", s.Items, visit)
	}
	if values := s.AdditionalProperties; values != nil && values.Not == nil && len(values.Properties)+len(values.AnyOf) > 0 {
		Walk(path+".<name>", values, visit)
	}
}

// TypeText is the type of a key for people: its JSON type, or its values.
func TypeText(s *jsonschema.Schema) string {
	switch {
	case len(s.Enum) > 0:
		var values []string
		for _, v := range s.Enum {
			if text, _ := v.(string); text != "" {
				values = append(values, text)
			}
		}
		return strings.Join(values, ", ")
	case s.Pattern != "":
		return "duration"
	case len(s.AnyOf) > 0:
		var kinds []string
		for _, one := range s.AnyOf {
			kinds = append(kinds, TypeText(one))
		}
		return strings.Join(kinds, " or ")
	case s.Type == "array":
		return "list of " + TypeText(s.Items) + "s"
	case s.Type == "object" && len(s.Properties) == 0 && s.AdditionalProperties != nil:
		if inner := TypeText(s.AdditionalProperties); inner != "object" {
			return "object of " + strings.TrimSuffix(inner, "s") + "s"
		}
	case len(s.Types) > 0:
		return strings.Join(s.Types, " or ")
	}
	return s.Type
}
