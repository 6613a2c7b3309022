package config

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/cogniverse/cogflow/internal/config/keys"
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
	keys.Settle(ours)
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
	keys.Walk("cogflow", s.Properties["cogflow"], func(path string, s *jsonschema.Schema) {
		_, name, _ := strings.Cut(path, ".")
		k := Key{Path: path, Type: keys.TypeText(s), Text: s.Description}
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

// SchemaJSON is Schema as indented JSON.
func SchemaJSON() ([]byte, error) {
	s, err := Schema()
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(s, "", "  ")
}
