package chat_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/chat"
	"github.com/cogniverse/cogflow/prompt/python"
)

func TestStrict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ schema, want, strict string }{
		"a description beside a reference": {
			`{"$defs":{"Sub":{"properties":{"a":{"title":"A","type":"integer"}},"required":["a"],"title":"Sub","type":"object"}},` +
				`"properties":{"x":{"$ref":"#/$defs/Sub","description":"the sub"},"y":{"$ref":"#/$defs/Sub"}},"type":"object"}`,
			`{"$defs":{"Sub":{"properties":{"a":{"title":"A","type":"integer"}},"required":["a"],"title":"Sub","type":"object","additionalProperties":false}},` +
				`"properties":{"x":{"description":"the sub","properties":{"a":{"title":"A","type":"integer"}},"required":["a"],"title":"Sub","type":"object","additionalProperties":false},` +
				`"y":{"$ref":"#/$defs/Sub"}},"type":"object","additionalProperties":false,"required":["x","y"]}`,
			"true",
		},
		"an optional class in a list": {
			`{"$defs":{"Sub":{"properties":{},"type":"object"}},"properties":{"x":{"items":{"anyOf":[{"$ref":"#/$defs/Sub","title":"S"},{"type":"null"}]},"type":"array"}},"type":"object"}`,
			`{"$defs":{"Sub":{"properties":{},"type":"object","additionalProperties":false,"required":[]}},"properties":{"x":{"items":{"anyOf":[` +
				`{"title":"S","properties":{},"type":"object","additionalProperties":false,"required":[]},{"type":"null"}]},"type":"array"}},"type":"object","additionalProperties":false,"required":["x"]}`,
			"true",
		},
		"a class that contains itself": {
			`{"$defs":{"Node":{"properties":{"next":{"$ref":"#/$defs/Node","description":"the next"}},"type":"object"}},"properties":{"n":{"$ref":"#/$defs/Node","description":"d"}},"type":"object"}`,
			`{"$defs":{"Node":{"properties":{"next":{"$ref":"#/$defs/Node"}},"type":"object","additionalProperties":false,"required":["next"]}},` +
				`"properties":{"n":{"description":"d","properties":{"next":{"$ref":"#/$defs/Node"}},"type":"object","additionalProperties":false,"required":["next"]}},` +
				`"type":"object","additionalProperties":false,"required":["n"]}`,
			"true",
		},
		"options of two types": {
			`{"properties":{"x":{"enum":["a",1,true,null]}},"type":"object"}`,
			`{"properties":{"x":{"enum":["a",1,true,null],"type":["string","integer","boolean","null"]}},"type":"object","additionalProperties":false,"required":["x"]}`,
			"true",
		},
		"a default": {
			`{"properties":{"x":{"type":"string","default":"a"},"default":{"type":"object","properties":{},"default":null}},"type":"object"}`,
			`{"properties":{"x":{"type":"string"},"default":{"type":"object","properties":{},"additionalProperties":false,"required":[]}},` +
				`"type":"object","additionalProperties":false,"required":["x","default"]}`,
			"true",
		},
		"any keys": {
			`{"properties":{"x":{"anyOf":[{"additionalProperties":{"type":"integer"},"type":"object"},{"type":"null"}]}},"type":"object"}`,
			`{"properties":{"x":{"anyOf":[{"additionalProperties":{"type":"integer"},"type":"object"},{"type":"null"}]}},"type":"object","additionalProperties":false,"required":["x"]}`,
			"false",
		},
		"any values": {
			`{"properties":{"x":{"items":{},"type":"array"}},"type":"object"}`,
			`{"properties":{"x":{"items":{},"type":"array"}},"type":"object","additionalProperties":false,"required":["x"]}`,
			"false",
		},
		"an unknown reference": {
			`{"properties":{"x":{"$ref":"#/$defs/None","description":"d"}},"type":"object"}`,
			`{"properties":{"x":{"$ref":"#/$defs/None"}},"type":"object","additionalProperties":false,"required":["x"]}`,
			"true",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			format := func(schema, strict string) *python.Object {
				var o python.Object
				require.NoError(t, o.UnmarshalJSON(fmt.Appendf(nil, `{"type":"json_schema","json_schema":{"name":"out","schema":%s,"strict":%s}}`, schema, strict)))
				return &o
			}
			given := format(c.schema, "true")
			require.Equal(t, python.Dumps(format(c.want, c.strict)), python.Dumps(chat.Strict(given)))
			require.Equal(t, python.Dumps(format(c.schema, "true")), python.Dumps(given), "fingerprints are made of the argument")
			require.Equal(t, python.Dumps(format(c.schema, "false")), python.Dumps(chat.Strict(format(c.schema, "false"))))
		})
	}
	require.Nil(t, chat.Strict(nil))
	object := python.NewObject("type", "json_object")
	require.Same(t, object, chat.Strict(object))
}

// TestStrictIsBounded: classes that refer to the next one twice do not double the schema at each
// level without end.
func TestStrictIsBounded(t *testing.T) {
	t.Parallel()
	classes := &python.Object{}
	for i := range 40 {
		next := python.NewObject("$ref", fmt.Sprintf("#/$defs/C%d", i+1), "description", "d")
		classes.Set(fmt.Sprintf("C%d", i), python.NewObject("type", "object", "properties", python.NewObject("a", next, "b", next)))
	}
	classes.Set("C40", python.NewObject("type", "string"))
	schema := python.NewObject("$defs", classes, "type", "object", "properties", python.NewObject("x", python.NewObject("$ref", "#/$defs/C0", "description", "d")))
	out := python.Dumps(chat.Strict(python.NewObject("type", "json_schema", "json_schema", python.NewObject("name", "n", "schema", schema, "strict", true))))
	require.Less(t, len(out), 1<<20)
	require.NotContains(t, out, `", "description": "d"}`)
}
