package yaml_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/yaml"
)

const router = `# What decides how a query is answered.
name: agentic-router
predictors:
  - name: route
    instructions: |
      Decide how to answer the user's query.
      A date is not a number.
    inputs:
      - {name: user_query, desc: "What the user asks: now"}
    outputs:
      - name: decision
        type: object
        class: Decision
        fields:
          - {name: modality, type: literal, options: [video, no, "1", 2]}
          - {name: since, desc: 2026-01-02}
    reads: {user_query: user_query}
    demos:
      - zebra: last in the alphabet, first here
        user_query: show me the keynote
        score: 1.0
        none: ~
        sure: true
`

func TestJSON(t *testing.T) {
	t.Parallel()
	text, err := yaml.JSON([]byte(router), reflect.TypeFor[prompt.Program]())
	require.NoError(t, err)
	require.Equal(t, `{"name":"agentic-router","predictors":[{"name":"route",`+
		`"instructions":"Decide how to answer the user's query.\nA date is not a number.\n",`+
		`"inputs":[{"name":"user_query","desc":"What the user asks: now"}],`+
		`"outputs":[{"name":"decision","type":"object","class":"Decision","fields":[`+
		`{"name":"modality","type":"literal","options":["video","no","1",2]},{"name":"since","desc":"2026-01-02"}]}],`+
		`"reads":{"user_query":"user_query"},`+
		`"demos":[{"zebra":"last in the alphabet, first here","user_query":"show me the keynote","score":1.0,"none":null,"sure":true}]}]}`, string(text))
	p, err := prompt.Read(text)
	require.NoError(t, err)
	require.Equal(t, []string{"zebra", "user_query", "score", "none", "sure"}, p.Predictors[0].Demos[0].Keys())

	text, err = yaml.JSON([]byte("kind: mean\nparts:\n- &one {kind: exact, field: decision.modality}\n- *one\n"), reflect.TypeFor[metric.Metric]())
	require.NoError(t, err)
	require.JSONEq(t, `{"kind":"mean","parts":[{"kind":"exact","field":"decision.modality"},{"kind":"exact","field":"decision.modality"}]}`, string(text))

	for _, same := range []string{` {"name": "x", "odd": 1`, "[1]", "", " \n"} {
		text, err = yaml.JSON([]byte(same), reflect.TypeFor[prompt.Program]())
		require.NoError(t, err)
		require.Equal(t, same, string(text), "JSON is not checked here")
	}
}

func TestJSONRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":         {"name: x\npredictors:\n- name: a\n  input: []\n", `line 4: unknown key "input"`},
		"unknown in a field":  {"predictors:\n- inputs:\n  - name: q\n    type: list\n    items:\n      typ: str\n", `line 6: unknown key "typ"`},
		"another case":        {"Name: x\n", `line 1: unknown key "Name"`},
		"twice":               {"name: x\ntext: y\nname: z\n", `line 3: the key "name" is listed twice`},
		"twice in a demo":     {"predictors:\n- demos:\n  - {q: 1, q: 2}\n", `line 3: the key "q" is listed`},
		"merge":               {"predictors:\n- &a {name: x}\n- <<: *a\n", "line 3: the merge key"},
		"a number as key":     {"predictors:\n- demos:\n  - {1: x}\n", "line 3: a key must be a text"},
		"a list as key":       {"? [a]\n: x\n", "line 1: a key must be a text"},
		"octal":               {"predictors:\n- demos:\n  - q: 010\n", "line 3: 010 is not a JSON number"},
		"hexadecimal":         {"text: 0x1f\n", "0x1f is not a JSON number"},
		"thousands":           {"text: 1_000\n", "1_000 is not a JSON number"},
		"not a number":        {"text: .nan\n", ".nan is not a JSON number"},
		"infinite":            {"text: -.inf\n", "-.inf is not a JSON number"},
		"a tag of Python":     {"text: !!python/object:os.system x\n", "the tag !!python/object:os.system has no meaning"},
		"a tag of its own":    {"text: !secret x\n", "the tag !secret has no meaning"},
		"binary":              {"text: !!binary aGk=\n", "the tag !!binary has no meaning"},
		"a set":               {"predictors: !!set {a, b}\n", "the tag !!set has no meaning"},
		"two documents":       {"name: x\n---\nname: y\n", "more than one document"},
		"only a comment":      {"# nothing\n", "the file is empty"},
		"no YAML":             {"name: x\n  text: y\n", "line 2: mapping values are not allowed"},
		"a tab":               {"name:\n\t- x\n", "cannot start any token"},
		"an unknown alias":    {"name: *x\n", "unknown anchor 'x'"},
		"an alias of itself":  {"predictors: &a\n- demos:\n  - q: *a\n", "an alias holds itself"},
		"deep":                {"text: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "nested over 64 deep"},
		"very deep":           {"text: " + strings.Repeat("[", 100_000), "exceeded max depth"},
		"ten megabytes":       {"text: " + strings.Repeat("x", 10<<20), "at most 4194304 are taken"},
		"a bomb":              {bomb(12), "with its aliases written out"},
		"a bomb of one value": {"predictors:\n- demos:\n  - a: &a " + strings.Repeat("x", 1<<20) + "\n    b: [" + strings.Repeat("*a,", 100) + "]\n", "with its aliases written out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := yaml.JSON([]byte(c.text), reflect.TypeFor[prompt.Program]())
			require.ErrorContains(t, err, c.want)
		})
	}
}

// bomb is a small file whose aliases expand tenfold with each line.
func bomb(lines int) string {
	var b strings.Builder
	b.WriteString("predictors:\n- demos:\n  - a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < lines; i++ {
		before := "*a" + string(rune('a'+i-2))
		if i == 1 {
			before = "*a0"
		}
		b.WriteString("    k" + string(rune('a'+i)) + ": &a" + string(rune('a'+i-1)) + " [" + strings.TrimSuffix(strings.Repeat(before+",", 10), ",") + "]\n")
	}
	return b.String()
}

// FuzzJSON: every result is JSON of limited size, and a JSON text gives an equal result.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{router, bomb(3), "a: &a [*a]", "? x\n: y", "- !!float 1", "%YAML 1.1\n---\na: b", "a: 'x'' y'", "a: >-\n  b\n c", "{}", "\ufeffa: 1"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, err := yaml.JSON(text, nil)
		if err != nil {
			return
		}
		if start := strings.TrimLeft(string(text), " \t\r\n"); start != "" && start[0] != '{' && start[0] != '[' {
			require.True(t, json.Valid(out), "%q", out)
			require.Less(t, len(out), 16<<20)
		}
		_, err = yaml.JSON(text, reflect.TypeFor[prompt.Program]())
		_ = err // any error is correct, as long as the function returns
	})
}
