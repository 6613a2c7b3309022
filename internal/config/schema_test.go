package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSchemaOfExamples: what the schema takes and what the decoder takes are the same.
func TestSchemaOfExamples(t *testing.T) {
	t.Parallel()
	s, err := Schema()
	require.NoError(t, err)
	resolved, err := s.Resolve(nil)
	require.NoError(t, err)
	files, err := filepath.Glob("../../examples/configs/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range append(files, "testdata/cogniverse.json") {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		var value any
		require.NoError(t, json.Unmarshal(data, &value))
		require.NoError(t, resolved.Validate(value), name)
	}
	for text, valid := range map[string]bool{
		`{}`: true, `{"llm_config": 1}`: true,
		`{"cogflow": {"optimize": {"student": "a/b"}}}`:                              true,
		`{"cogflow": {"optimize": {"student": {"model": "a/b", "temperature": 1}}}}`: true,
		`{"cogflow": {"training": {"gpus": [0, "GPU-12345678"]}}}`:                   true,
		`{"cogflow": {"profiles": {"p": {"gpu_wait": "1m30s"}}}}`:                    true,
		`{"cogflow": {"stor": "x"}}`:                                                 false,
		`{"cogflow": {"store": null}}`:                                               false,
		`{"cogflow": {"profiles": {"p": {"gpu_wait": "soon"}}}}`:                     false,
		`{"cogflow": {"profiles": {"p": {"embed": {"keep": "half"}}}}}`:              false,
		`{"cogflow": {"endpoints": {"e": {"kind": "openai"}}}}`:                      false,
		`{"cogflow": {"optimize": {"student": {"modell": "a/b"}}}}`:                  false,
	} {
		var value any
		require.NoError(t, json.Unmarshal([]byte(text), &value))
		require.Equal(t, valid, resolved.Validate(value) == nil, text)
	}
}

// TestKeysAreExplained: each key that is decoded is in the reference, with its meaning.
func TestKeysAreExplained(t *testing.T) {
	t.Parallel()
	keys, err := Keys()
	require.NoError(t, err)
	listed, variables := map[string]bool{}, 0
	for _, k := range keys {
		require.NotEmpty(t, k.Text, k.Path)
		require.NotEmpty(t, k.Type, k.Path)
		require.False(t, listed[k.Path], k.Path)
		listed[k.Path] = true
		if k.Variable != "" {
			variables++
		}
	}
	require.Greater(t, variables, 20)
	for _, path := range decoded("cogflow", reflect.TypeFor[section]()) {
		require.True(t, listed[path], path)
	}
}

// decoded lists the keys of a type that the decoder fills.
func decoded(path string, t reflect.Type) (all []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Map {
		if t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct {
			path += ".<name>"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		if !f.IsExported() {
			continue // a type that decodes itself
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(append(all, path+"."+name), decoded(path+"."+name, f.Type)...)
	}
	return all
}
