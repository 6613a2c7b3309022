package prompt_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/prompt/yaml"
)

// TestDefaults: the defaults of inputs reach the request and the demo, a default that one
// predictor lacks is none of the program, and null is a default too.
func TestDefaults(t *testing.T) {
	t.Parallel()
	p, err := prompt.Read([]byte(`{"name": "p", "predictors": [
		{"name": "a", "inputs": [{"name": "style", "default": "short"}, {"name": "q"}, {"name": "n", "type": "int", "default": "7"}],
			"outputs": [{"name": "x", "type": "optional", "items": {"type": "str"}, "default": null}]},
		{"name": "b", "inputs": [{"name": "style"}, {"name": "x"}], "outputs": [{"name": "y"}]}]}`))
	require.NoError(t, err)
	inputs := p.Inputs()
	require.Len(t, inputs, 3)
	require.Nil(t, inputs[0].Default, "b needs it")
	require.NotNil(t, inputs[2].Default)
	run := p.Start(python.NewObject("q", "?"), prompt.Server{})
	require.Contains(t, run.Next().Messages[1].Content, "[[ ## style ## ]]\nshort\n\n[[ ## q ## ]]\n?\n\n[[ ## n ## ]]\n7\n\n")
	run.Take("nothing of use")
	require.Equal(t, `{"augmented": true, "q": "?", "style": "short", "n": 7, "x": null}`, python.Dumps(run.Trace()[0].Demo()))
	for text, want := range map[string]string{
		`"type": "int", "default": "many"`:                `field "q": its default`,
		`"type": "literal", "options": [1], "default": 2`: `field "q": its default`,
		`"default": 5`:                                        `field "q": its default`,
		`"type": "float", "default": 1e999`:                   `field "q": its default: a number is out of range`,
		`"type": "image", "default": "photo.png"`:             `field "q": its default: an image must be`,
		`"type": "list", "items": {}, "default": null`:        `field "q": its default`,
		`"type": "list", "items": {}, "default": ["a", null]`: `field "q": its default`,
	} {
		_, err := prompt.Read([]byte(`{"name": "p", "predictors": [{"name": "a", "inputs": [{"name": "q", ` + text + `}], "outputs": [{"name": "x"}]}]}`))
		require.ErrorContains(t, err, want)
	}
}

// TestDefaultInYAML: a default is a value in YAML as well.
func TestDefaultInYAML(t *testing.T) {
	t.Parallel()
	text, err := yaml.JSON([]byte("name: p\npredictors:\n  - name: self\n    inputs: [{name: q, type: optional, items: {type: str}, default: null}, {name: n, type: int, default: 5}]\n"+
		"    outputs:\n      - name: a\n        type: list\n        default: [x, 'y']\n"), reflect.TypeFor[prompt.Program]())
	require.NoError(t, err)
	p, err := prompt.Read(text)
	require.NoError(t, err)
	require.JSONEq(t, "null", string(p.Predictors[0].Inputs[0].Default))
	require.JSONEq(t, "5", string(p.Predictors[0].Inputs[1].Default))
	require.JSONEq(t, `["x", "y"]`, string(p.Predictors[0].Outputs[0].Default))
}
