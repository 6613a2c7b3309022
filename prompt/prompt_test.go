package prompt_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// golden reads results of the real DSPy, in files of prompt/conformance.
func golden(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, into))
}

func read(t *testing.T, predictors ...string) *prompt.Program {
	t.Helper()
	p, err := prompt.Read([]byte(`{"name": "test", "predictors": [` + strings.Join(predictors, ",") + `]}`))
	require.NoError(t, err)
	return p
}

func TestRenderAsDSPy(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Name      string
		Predictor json.RawMessage
		Demos     []*prompt.Object
		Inputs    *prompt.Object
		Chat      []prompt.Message
		JSON      []prompt.Message
	}
	golden(t, "render.json", &cases)
	require.GreaterOrEqual(t, len(cases), 60)
	for _, c := range cases {
		signature := read(t, string(c.Predictor)).Predictors[0].Signature()
		for adapter, want := range map[prompt.Adapter][]prompt.Message{prompt.Chat: c.Chat, prompt.JSON: c.JSON} {
			got, err := prompt.Render(adapter, signature, c.Demos, c.Inputs)
			require.NoError(t, err)
			require.Equal(t, want, got, c.Name)
		}
	}
}

func TestParseAsDSPy(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Predictor json.RawMessage
		Adapter   prompt.Adapter
		Answer    string
		Outputs   *prompt.Object
	}
	golden(t, "parse.json", &cases)
	require.GreaterOrEqual(t, len(cases), 200)
	for _, c := range cases {
		outputs, err := prompt.Parse(c.Adapter, read(t, string(c.Predictor)).Predictors[0].Signature(), c.Answer)
		if c.Outputs == nil {
			require.Error(t, err, c.Answer)
			continue
		}
		require.NoError(t, err, c.Answer)
		if text := python.Dumps(outputs); !strings.ContainsAny(text, "IN") { // infinities and NaN are written otherwise in the file
			require.Equal(t, python.Dumps(c.Outputs), text, c.Answer)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	signature := read(t, `{"name": "p", "inputs": [{"name": "q"}], "outputs": [{"name": "a"}]}`).Predictors[0].Signature()
	_, err := prompt.Render(prompt.Chat, signature, nil, python.NewObject("q", []any{"x", int64(1)}))
	require.ErrorContains(t, err, `field "q" is text and was given a list with 1 in it`)
}

const field = `"inputs": [{"name": "q"}], "outputs": [{"name": "a"}]`

// TestReadRefuses: every mistake is found before a paid call, and named.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	one := func(predictor string) string { return `{"name": "n", "predictors": [` + predictor + `]}` }
	out := func(f string) string {
		return one(`{"name": "p", "inputs": [{"name": "q"}], "outputs": [` + f + `]}`)
	}
	for text, want := range map[string]string{
		"":                                   "EOF",
		"[]":                                 "must be an object, not a list",
		`{"name": "n"}`:                      "no predictors",
		one(`{"name": "p",`+field+`}`) + "}": "after top-level value",
		`{"predictors": [{"name": "p",` + field + `}]}`:                              "has no name",
		one(`{"name": "p",`+field+`}`) + "x":                                         "after top-level value",
		one(`{"name": "p", "promt": 1,` + field + `}`):                               `unknown field "predictors.0.promt"`,
		one(`{"name": "p", "inputs": [{"name": "q", "typ": "str"}], "outputs": []}`): `unknown field "predictors.0.inputs.0.typ"`,
		one(`{"name": "p", "inputs": [{"name": 5}], "outputs": []}`):                 "must be a string, not a number",
		one(`{"name": "p", "Module": "react",` + field + `}`):                        `unknown field "predictors.0.Module"`,
		one(`{"name": "p", "name": "q",` + field + `}`):                              `"predictors.0.name": the name is listed twice`,
		one(`{"name": "p", "demos": [{"q": 1, "q": 2}],` + field + `}`):              `"predictors.0.demos.0.q": the name is listed twice`,
		one(`null`):                          "predictor 1 is null",
		one(`{"name": "a b",` + field + `}`): "must be a Python attribute",
		one(`{"name": "p", "module": "react",` + field + `}`):                                            `module "react" is neither`,
		one(`{"name": "p",` + field + `},{"name": "p",` + field + `}`):                                   `two predictors are named "p"`,
		one(`{"name": "self",` + field + `},{"name": "p",` + field + `}`):                                `"self" is for a program of one predictor`,
		one(`{"name": "p", "outputs": [{"name": "a"}]}`):                                                 "at least one input and one output",
		one(`{"name": "p", "inputs": [{"name": "a"}], "outputs": [{"name": "a"}]}`):                      `two fields named "a"`,
		one(`{"name": "p", "inputs": [{"name": "1"}], "outputs": [{"name": "a"}]}`):                      `field "1"`,
		one(`{"name": "p", "reads": {"x": "q"},` + field + `}`):                                          `reads names the input "x"`,
		one(`{"name": "p", "reads": {"q": "a"},` + field + `}`):                                          "a program cannot be recursive",
		one(`{"name": "p", "reads": {"q": "p.a"},` + field + `}`):                                        "a program cannot be recursive",
		one(`{"name": "p", "reads": {"q": "r.b"},` + field + `}`):                                        "which no predictor before it makes",
		one(`{"name": "p", "reads": {"q": "r.a"},` + field + `},{"name": "r",` + field + `}`):            `which "r" makes only after it`,
		one(`{"name": "p", "demos": [{"x": 1}],` + field + `}`):                                          "demo 1 has none of the predictor's fields",
		one(`{"name": "p", "demos": [null],` + field + `}`):                                              "demo 1 is null",
		one(`{"name": "p", "demos": [[]],` + field + `}`):                                                "not a JSON object",
		one(`{"name": "p", "instructions": "` + strings.Repeat("x", 200_000) + `",` + field + `}`):       "its instructions have 200000 bytes",
		one(`{"name": "p", "instructions": "` + strings.Repeat("x", 10<<20) + `",` + field + `}`):        "at most 4194304 are taken",
		out(`{"name": "a", "type": "audio"}`):                                                            `unknown type "audio"`,
		out(`{"name": "a", "type": "literal"}`):                                                          "1 to 1000 options",
		out(`{"name": "a", "type": "literal", "options": ["x", "x"]}`):                                   "is listed twice",
		out(`{"name": "a", "type": "literal", "options": [1.5]}`):                                        "a string, an integer or a boolean",
		out(`{"name": "a", "type": "literal", "options": [null]}`):                                       "a string, an integer or a boolean",
		out(`{"name": "a", "type": "enum", "options": ["x"]}`):                                           "an enum needs a class",
		out(`{"name": "a", "type": "enum", "class": "C"}`):                                               "1 to 1000 options",
		out(`{"name": "a", "type": "enum", "class": "C", "options": [true]}`):                            "is a string or an integer",
		out(`{"name": "a", "type": "enum", "class": "C", "options": ["x", "y"], "members": ["X"]}`):      "one member per option",
		out(`{"name": "a", "type": "enum", "class": "C", "options": ["x", "y"], "members": ["X", "X"]}`): `"X" is not a member name, or is listed twice`,
		out(`{"name": "a", "members": ["X"]}`):                                                           "a str has no members",
		out(`{"name": "a", "type": "optional"}`):                                                         "an optional needs items",
		out(`{"name": "a", "type": "optional", "items": {"type": "optional", "items": {}}}`):             "a union within a union",
		out(`{"name": "a", "type": "optional", "items": {"type": "null"}}`):                              "NoneType is listed twice",
		out(`{"name": "a", "type": "union", "types": [{}]}`):                                             "2 to 32 types",
		out(`{"name": "a", "type": "union", "types": [{}, null]}`):                                       "type 2 of the union is null",
		out(`{"name": "a", "type": "union", "types": [{}, {"type": "str"}]}`):                            "str is listed twice in the union",
		out(`{"name": "a", "type": "union", "types": [{}, {"type": "null", "class": "A"}]}`):             "a null has no fields",
		out(`{"name": "a", "types": [{}, {}]}`):                                                          "a str has no types",
		out(`{"name": "a", "type": "null"}`):                                                             "use optional",
		out(`{"name": "a", "options": ["x"]}`):                                                           "a str has no options",
		out(`{"name": "a", "items": {}}`):                                                                "items belong to a list",
		out(`{"name": "a", "class": "A"}`):                                                               "a str has no fields",
		out(`{"name": "a", "type": "object", "class": "A"}`):                                             `class "A" has no fields`,
		out(`{"name": "a", "type": "object", "fields": [{"name": "x"}]}`):                                "needs a class",
		out(`{"name": "a", "type": "object", "class": "A", "fields": [{"name": "x"}, {"name": "x"}]}`):   `two fields named "x"`,
		out(`{"name": "a", "type": "object", "class": "A", "fields": [{"name": "x"}]},
		     {"name": "b", "type": "object", "class": "A", "fields": [{"name": "y"}]}`): `class "A" has two different definitions`,
		out(`{"name": "a", "type": "list", "items": ` + strings.Repeat(`{"type": "list", "items": `, 20) + "{}" + strings.Repeat("}", 20) + `}`): "nested deeper than 16",
	} {
		_, err := prompt.Read([]byte(text))
		require.ErrorContains(t, err, want, text[:min(len(text), 200)])
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

const route = `{"name": "route", "module": "chain_of_thought", "inputs": [{"name": "query"}, {"name": "hint"}],
	"outputs": [{"name": "agent"}, {"name": "confidence", "type": "float"}]}`

const reply = `{"name": "steps[0]", "inputs": [{"name": "query"}, {"name": "agent"}, {"name": "why"}],
	"reads": {"why": "route.reasoning"}, "outputs": [{"name": "answer"}, {"name": "confidence", "type": "int"}]}`

func names(fields []prompt.Field) []string {
	var all []string
	for _, f := range fields {
		all = append(all, f.Name)
	}
	return all
}

func TestProgram(t *testing.T) {
	t.Parallel()
	p := read(t, route, reply)
	require.Equal(t, []string{"query", "hint"}, names(p.Inputs()))
	require.True(t, p.Given(1, "query"))
	require.False(t, p.Given(1, "agent"), "an earlier predictor has it as output")
	require.False(t, p.Given(1, "why"))
	require.False(t, p.Given(1, "answer"), "it is an output")
	require.Equal(t, []string{"reasoning", "agent", "answer", "confidence"}, names(p.Outputs()))
	require.Equal(t, prompt.Int, p.Outputs()[3].Kind, "the later one counts")
	require.Equal(t, "Given the fields `query`, `hint`, produce the fields `agent`, `confidence`.", p.Predictors[0].Instructions)
	require.Equal(t, "route.predict", p.Predictors[0].Key())
	require.Equal(t, "steps[0]", p.Predictors[1].Key())
	text, err := json.Marshal(p)
	require.NoError(t, err)
	again, err := prompt.Read(text)
	require.NoError(t, err)
	require.Equal(t, p, again, "a program survives its own file")
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	p := read(t, route)
	good := string(p.File())
	loaded, err := p.Load([]byte(good))
	require.NoError(t, err)
	require.Equal(t, good, string(loaded.File()))
	for change, want := range map[[2]string]string{
		{"route.predict", "router"}:           `it has no predictor "route.predict"`,
		{`"signature"`, `"sig"`}:              "it has no signature",
		{`"instructions"`, `"instruction"`}:   "no instructions",
		{`"fields"`, `"field"`}:               "no fields",
		{`"prefix": "Agent:"`, `"prefix": 1`}: "field 4 (agent): it has no prefix",
		{`"demos": []`, `"demos": [1]`}:       "demo 1 must be an object",
		{`"demos": []`, `"demos": {}`}:        "demos must be a list",
		{`"traces"`, `"extended_signature"`}:  "DSPy 2.5 or older",
		{`"traces"`, `traces`}:                "not JSON",
	} {
		_, err := p.Load([]byte(strings.Replace(good, change[0], change[1], 1)))
		require.ErrorContains(t, err, want)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
	_, err = read(t, route, reply).Load([]byte(good))
	require.ErrorContains(t, err, `no predictor "steps[0]"`)
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	text := prompt.Normalize("\n   a\n     b\n")
	require.Equal(t, "a\nb", text)
	require.Equal(t, text, prompt.Signature{Instructions: text}.Objective())
}

func TestVerdictSure(t *testing.T) {
	t.Parallel()
	for level, want := range map[float64]string{0: "95", 0.05: "95", 0.0131: "98.69", 0.005: "99.5", 0.1: "90"} {
		require.Equal(t, want, prompt.Verdict{Level: level}.ConfidencePercent())
	}
}
