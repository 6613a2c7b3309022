package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"

	"github.com/cogniverse/cogflow/strictjson"
)

// duration is written as "10m".
type duration time.Duration

// UnmarshalText reads the format of time.ParseDuration.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v < 0 {
		err = errors.New("a duration must not be negative")
	}
	*d = duration(v)
	return err
}

// decode reads the file: the section cogflow strictly, Cogniverse's own keys only as far as
// they are used, so that an existing file works unchanged.
func (c *Config) decode(data []byte, s *section) Problems {
	var file map[string]json.RawMessage
	if err := unmarshal(data, &file); err != nil {
		return Problems{{Place: c.File, Text: err.Error(), Fix: "write one JSON object"}}
	}
	// This finds names that are listed twice, at any depth.
	if err := strictjson.Unmarshal(data, &file); err != nil {
		return Problems{{Place: c.File, Text: err.Error(), Fix: "correct the file"}}
	}
	problems := c.cogniverse(file)
	c.file = file
	ours, ok := file["cogflow"]
	if !ok {
		return problems
	}
	problems = append(problems, unknown("cogflow", ours, reflect.TypeFor[section]())...)
	if err := strictjson.Unmarshal(ours, s, strictjson.AllowUnknown); err != nil {
		place, text := "cogflow", err.Error()
		if e, ok := errors.AsType[*strictjson.Error](err); ok {
			place, text = strings.TrimSuffix("cogflow."+e.Place, "."), e.Reason
		}
		problems = append(problems, Problem{Place: place, Text: text, Fix: "correct the value"})
	}
	return problems
}

// unmarshal is json.Unmarshal with the line of a syntax error.
func unmarshal(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		return fmt.Errorf("line %d: text after the object", line(data, d.InputOffset()))
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d: %w", line(data, e.Offset), err)
	}
	return err
}

func line(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
}

// unknown walks a JSON value beside its type and reports the keys that the type does not
// have. Values of a wrong shape are left to the decoder.
func unknown(path string, data json.RawMessage, t reflect.Type) (problems Problems) {
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		var list []json.RawMessage
		_ = json.Unmarshal(data, &list) // a wrong shape is left to the decoder
		for i, one := range list {
			problems = append(problems, unknown(fmt.Sprintf("%s.%d", path, i), one, t.Elem())...)
		}
		return problems
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil {
		return nil
	}
	fields := map[string]reflect.Type{}
	if t.Kind() == reflect.Struct {
		for f := range t.Fields() {
			if !f.IsExported() {
				return nil // the type decodes itself
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields[name] = f.Type
		}
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		at := path + "." + key
		switch field, known := fields[key]; {
		case t.Kind() == reflect.Map:
			problems = append(problems, unknown(at, object[key], t.Elem())...)
		case known:
			problems = append(problems, unknown(at, object[key], field)...)
		case t.Kind() == reflect.Struct:
			problems = append(problems, Problem{Place: at, Text: "unknown key", Fix: suggest(key, slices.Sorted(maps.Keys(fields)))})
		}
	}
	return problems
}

func suggest(key string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(key), k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "supported: " + strings.Join(known, ", ")
}
