package strictjson_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/strictjson"
)

type common struct {
	Tenant string  `json:"tenant,omitempty"`
	Budget float64 `json:"budget_usd,omitempty"`
}

type document struct {
	common
	Common
	Name   string                       `json:"name"`
	Count  int                          `json:"count,omitempty"`
	Wait   time.Duration                `json:"wait,omitempty"`
	Rows   []json.RawMessage            `json:"rows,omitempty"`
	Grid   map[string][]json.RawMessage `json:"grid,omitempty"`
	Inner  *inner                       `json:"inner,omitempty"`
	Raw    json.RawMessage              `json:"raw,omitempty"`
	Any    any                          `json:"any,omitempty"`
	Self   []self                       `json:"self,omitempty"`
	hidden error                        //nolint:unused // no name of the document
}

// self decodes itself.
type self struct {
	A map[string]int `json:"a"`
}

func (s *self) UnmarshalJSON(data []byte) error {
	type plain self
	return strictjson.Unmarshal(data, (*plain)(s))
}

type Common struct {
	Priority int `json:"priority,omitempty"`
}

type inner struct {
	Prefix string   `json:"prefix"`
	Share  *float64 `json:"share,omitempty"`
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	var d document
	require.NoError(t, strictjson.Unmarshal([]byte(` {"tenant":"a","priority":2,"name":"x","count":3,"wait":5,
		"rows":[{"a":1,"A":2}],"grid":{"x.y":[1,2]},"inner":{"prefix":"p","share":0.5},"raw":{"TENANT":1},"any":[1,null]}
	`), &d))
	require.Equal(t, "a", d.Tenant)
	require.Equal(t, 2, d.Priority)
	require.Equal(t, time.Duration(5), d.Wait)
	require.JSONEq(t, `{"a":1,"A":2}`, string(d.Rows[0]), "a raw value keeps its own names")
	require.Equal(t, []any{1.0, nil}, d.Any)
}

func TestUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"another case":              `{"TENANT":"b"}`,
		"another case, beside":      `{"tenant":"a","Tenant":"b"}`,
		"a folded letter":           "{\"\u017fhare\":1}", // encoding/json takes U+017F for s
		"nested, another case":      `{"inner":{"Prefix":"b/"}}`,
		"embedded, another case":    `{"Priority":1}`,
		"the name of the Go field":  `{"Common":{"priority":1}}`,
		"twice":                     `{"tenant":"a","tenant":"b"}`,
		"twice, one null":           `{"tenant":null,"tenant":"b"}`,
		"twice, escaped":            `{"tenant":"a","\u0074enant":"b"}`,
		"twice, in a raw value":     `{"raw":{"uri":"a","uri":"b"}}`,
		"twice, in a row":           `{"rows":[{"a":1,"a":2}]}`,
		"twice, in any":             `{"any":{"a":1,"a":2}}`,
		"twice, in a map":           `{"grid":{"a":[1],"a":[2]}}`,
		"unknown":                   `{"resume":{}}`,
		"unknown, nested":           `{"inner":{"prefix":"p","x":1}}`,
		"unexported":                `{"hidden":null}`,
		"no UTF-8":                  "{\"name\":\"\xff\"}",
		"half a surrogate pair":     `{"name":"\ud83d"}`,
		"a number out of range":     `{"budget_usd":1e999}`,
		"an integer out of range":   `{"count":9223372036854775808}`,
		"a fraction":                `{"count":1.5}`,
		"two documents":             `{} {}`,
		"text behind":               `{}x`,
		"nothing":                   ``,
		"too deep":                  `{"any":` + strings.Repeat("[", strictjson.MaxDepth+1) + strings.Repeat("]", strictjson.MaxDepth+1) + `}`,
		"too deep, in a raw value":  `{"raw":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000) + `}`,
		"a list":                    `[]`,
		"JSON that Python can read": `{"budget_usd":NaN}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := strictjson.Unmarshal([]byte(text), &document{})
			require.Error(t, err)
			require.Less(t, len(err.Error()), 500, "an error is for people: %s", err)
			require.NotContains(t, err.Error(), "Go ")
		})
	}
}

func TestAllowUnknown(t *testing.T) {
	t.Parallel()
	var d document
	require.NoError(t, strictjson.Unmarshal([]byte(`{"name":"x","later":{"Name":1}}`), &d, strictjson.AllowUnknown))
	require.Equal(t, "x", d.Name)
	var other document
	require.NoError(t, strictjson.Unmarshal([]byte(`{"NAME":"x"}`), &other, strictjson.AllowUnknown))
	require.Empty(t, other.Name, "another case is another name")
	require.Error(t, strictjson.Unmarshal([]byte(`{"name":"x","name":"y"}`), &d, strictjson.AllowUnknown))
	require.Error(t, strictjson.Unmarshal([]byte(`{"later":{"a":1,"a":2}}`), &d, strictjson.AllowUnknown), "also in what is ignored")
}

func TestErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"inner":{"prefix":"p","x":1}}`: `unknown field "inner.x"`,
		`{"rows":[1,{"a":1,"a":2}]}`:     `"rows.1.a": the name is listed twice`,
		`{"inner":{"prefix":7}}`:         `"inner.prefix": must be a string, not a number`,
		`{"count":1.5}`:                  `"count": must be a whole number, not 1.5`,
		`{"count":9223372036854775808}`:  `"count": the number is out of range`,
		`[1]`:                            `must be an object, not a list`,
		`{"tenant":"a" "budget_usd":1}`:  `invalid character '"'`,
		"{\"tenant\":\"a\",\"\xff\":1}":  `invalid UTF-8`,
		`{"self":[{"x":1}]}`:             `unknown field "self.0.x"`,
		`{"self":[{"a":{"b":1,"b":2}}]}`: `"self.0.a.b": the name is listed twice`,
	} {
		err := strictjson.Unmarshal([]byte(text), &document{})
		require.ErrorContains(t, err, want, text)
	}
}

// FuzzUnmarshal: what is accepted means the same to encoding/json, and has no
// name twice, none in another case and none that is unknown.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{
		`{"tenant":"a","priority":2,"name":"x","rows":[{"a":1}],"grid":{"x":[1]},"inner":{"prefix":"p","share":null},"any":[1e3,"\ud83d\ude00"]}`,
		`{"tenant":"a","TENANT":"b"}`, `{"tenant":"a","\u0074enant":"b"}`, `{"raw":{"a":1,"a":2}}`, `{"inner":{"Prefix":""}}`,
		"{\"\u017fhare\":1}", `null`, `{}`, `{"any":{"":{"":1}}}`, "{\"name\":\"\xff\"}", `{"wait":1.0}`, `{"count":-0}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var strict, before document
		if strictjson.Unmarshal(data, &strict) != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&before))
		require.Equal(t, before, strict)
		names(t, json.NewDecoder(bytes.NewReader(data)))
		again, err := json.Marshal(strict)
		require.NoError(t, err)
		require.NoError(t, strictjson.Unmarshal(again, &document{}), "what is written can be read: %s", again)
	})
}

// names fails if an object has a name twice.
func names(t *testing.T, d *json.Decoder) {
	t.Helper()
	type level struct {
		object bool
		key    bool
		seen   map[string]bool
	}
	var open []*level
	for {
		token, err := d.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		var at *level
		if len(open) > 0 {
			at = open[len(open)-1]
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			open = append(open, &level{object: token == json.Delim('{'), key: true, seen: map[string]bool{}})
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
			if len(open) > 0 {
				open[len(open)-1].key = true
			}
			continue
		}
		if at == nil || !at.object {
			continue
		}
		if at.key {
			require.False(t, at.seen[token.(string)], "%q is listed twice", token)
			at.seen[token.(string)] = true
		}
		at.key = !at.key
	}
}
