package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/cogniverse/cogflow/video"
)

// Schema is the JSON Schema of the configuration file. It allows all of Cogniverse's own
// keys.
func Schema() (*jsonschema.Schema, error) {
	known := map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[duration]():         {Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`},
		reflect.TypeFor[device]():           {Types: []string{"integer", "string"}},
		reflect.TypeFor[setting[float64]](): orNull("number"),
		reflect.TypeFor[setting[int]]():     orNull("integer"),
		reflect.TypeFor[setting[bool]]():    orNull("boolean"),
		reflect.TypeFor[setting[string]]():  orNull("string"),
		reflect.TypeFor[Kind]():             enum(kinds()...),
		reflect.TypeFor[video.Of]():         enum(video.OfCaption, video.OfFrame, video.OfSegment),
		reflect.TypeFor[video.Keep]():       enum(video.KeepFloat, video.KeepBFloat16, video.KeepBits),
		reflect.TypeFor[video.Strategy]():   enum(video.FixedRate, video.Keyframes, video.Scene, video.Segments, video.Shots),
	}
	options := &jsonschema.ForOptions{TypeSchemas: known}
	object, err := jsonschema.For[role](options)
	if err != nil {
		return nil, err
	}
	known[reflect.TypeFor[role]()] = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, object}}
	ours, err := jsonschema.For[section](options)
	if err != nil {
		return nil, err
	}
	settle(ours)
	ours.Properties["endpoints"].AdditionalProperties.Required = []string{"kind", "url", "models"}
	return &jsonschema.Schema{
		Schema: "https://json-schema.org/draft/2020-12/schema", Title: "cogflow configuration", Type: "object",
		Description: `Cogniverse's configuration file; the key "cogflow" is cogflow's own`,
		Properties:  map[string]*jsonschema.Schema{"cogflow": ours},
	}, nil
}

func enum[T ~string](values ...T) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, v := range values {
		s.Enum = append(s.Enum, string(v))
	}
	return s
}

// orNull is the schema of a parameter that null omits.
func orNull(kind string) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: kind}, {Type: "null"}}}
}

// settle makes every key optional, because each has a default, and replaces pointers and
// lists by their element types: null does not mean a missing key.
func settle(s *jsonschema.Schema) {
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
		settle(p)
	}
	for _, p := range s.AnyOf {
		settle(p)
	}
	settle(s.Items)
	settle(s.AdditionalProperties)
}

// Key is one key of the section "cogflow".
type Key struct {
	Path     string // with <name> for names that people choose
	Type     string // JSON type, or the valid values
	Variable string // environment variable that overrides it; empty = none
	Text     string // meaning, with the default
}

// Keys lists every key of the section "cogflow", in the order of the file.
func Keys() ([]Key, error) {
	s, err := Schema()
	if err != nil {
		return nil, err
	}
	variables := Variables()
	var out []Key
	walk("cogflow", s.Properties["cogflow"], func(path string, s *jsonschema.Schema) {
		_, name, _ := strings.Cut(path, ".")
		k := Key{Path: path, Type: typeText(s), Text: s.Description}
		if v := "COGFLOW_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_")); slices.Contains(variables, v) {
			k.Variable = v
		}
		out = append(out, k)
	})
	return out, nil
}

// Variables lists the environment variables that override keys, sorted. None holds a
// secret: the configuration names the variables of API keys, but does not contain keys.
func Variables() []string {
	asked := map[string]bool{}
	Check(func(name string) string { asked[name] = true; return "" })
	delete(asked, EnvFile)
	return slices.Sorted(maps.Keys(asked))
}

// walk visits the keys below a schema, parents first.
func walk(path string, s *jsonschema.Schema, visit func(string, *jsonschema.Schema)) {
	for _, one := range append([]*jsonschema.Schema{s}, s.AnyOf...) {
		names := one.PropertyOrder
		if len(names) == 0 {
			names = slices.Sorted(maps.Keys(one.Properties))
		}
		for _, name := range names {
			p := one.Properties[name]
			visit(path+"."+name, p)
			walk(path+"."+name, p, visit)
		}
	}
	if values := s.AdditionalProperties; values != nil && values.Not == nil && len(values.Properties)+len(values.AnyOf) > 0 {
		walk(path+".<name>", values, visit)
	}
}

func typeText(s *jsonschema.Schema) string {
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
			kinds = append(kinds, typeText(one))
		}
		return strings.Join(kinds, " or ")
	case s.Type == "array":
		return "list of " + typeText(s.Items) + "s"
	case s.Type == "object" && len(s.Properties) == 0 && s.AdditionalProperties != nil:
		if inner := typeText(s.AdditionalProperties); inner != "object" {
			return "object of " + strings.TrimSuffix(inner, "s") + "s"
		}
	case len(s.Types) > 0:
		return strings.Join(s.Types, " or ")
	}
	return s.Type
}

// SchemaJSON is Schema as indented JSON.
func SchemaJSON() ([]byte, error) {
	s, err := Schema()
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(s, "", "  ")
}
