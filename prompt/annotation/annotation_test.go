package annotation_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/annotation"
	"github.com/cogniverse/cogflow/prompt/python"
)

const color = `{"type": "enum", "class": "Color", "options": ["red", "blue"], "members": ["RED", "BLUE"]}`

// read reads and checks a type.
func read(text string) (*annotation.Type, error) {
	t := &annotation.Type{}
	if err := json.Unmarshal([]byte(text), t); err != nil {
		return nil, err
	}
	t.Normalize()
	return t, t.Check(map[string]*annotation.Type{})
}

// TestShow: the proposer receives values as Python prints them.
func TestShow(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{color, `"red"`, "Color.RED"},
		{`{"type": "list", "items": ` + color + `}`, `["red", "none"]`, "[<Color.RED: 'red'>, 'none']"},
		{`{"type": "optional", "items": {"type": "list", "items": ` + color + `}}`, `["blue"]`, "[<Color.BLUE: 'blue'>]"},
		{`{"type": "optional", "items": {"type": "int"}}`, `null`, "None"},
		{`{"type": "union", "types": [{"type": "int"}, {}]}`, `"5"`, "5"},
		{`{"type": "list", "items": {"type": "union", "types": [{"type": "int"}, {}]}}`, `["5", 5]`, "['5', 5]"},
		{`{"type": "date"}`, `"2026-01-02"`, "2026-01-02"},
	} {
		kind, err := read(c[0])
		require.NoError(t, err)
		v, err := python.Decode(c[1])
		require.NoError(t, err)
		require.Equal(t, c[2], kind.Show(v))
	}
}

// FuzzType: no type and no value causes a panic, and a converted value can be converted
// again.
func FuzzType(f *testing.F) {
	for _, kind := range []string{
		color, `{"type": "date"}`, `{"type": "datetime"}`, `{"type": "optional", "items": {"type": "datetime"}}`,
		`{"type": "union", "types": [{"type": "int"}, {"type": "list"}, ` + color + `]}`,
		`{"type": "object", "class": "A", "fields": [{"name": "x", "type": "optional", "items": ` + color + `}]}`,
	} {
		for _, v := range []string{
			`"2026-01-02T03:04:05.678+01:00"`, `1e10`, `-1`, `"red"`, `"RED"`, `{"x": null}`, `["2026-01-02", 1]`, `"9999-12-31T23:59:59-23:59"`, `1e300`,
		} {
			f.Add(kind, v)
		}
	}
	f.Fuzz(func(t *testing.T, kind, text string) {
		k, err := read(kind)
		if err != nil {
			return
		}
		_, _ = k.Annotation(), k.SchemaText()
		v, err := python.Decode(text)
		if err != nil {
			return
		}
		k.Show(v)
		if s, ok := v.(string); ok {
			_, err = k.FindMember(s)
			require.False(t, err == nil && len(k.Options) == 0)
		}
		made, err := k.Coerce(v)
		if err != nil {
			return
		}
		k.Show(made)
		again, err := k.Coerce(made)
		require.NoError(t, err)
		if k.Base() == annotation.Date || k.Base() == annotation.Datetime {
			require.Equal(t, made, again)
		}
	})
}
