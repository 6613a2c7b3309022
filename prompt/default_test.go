package prompt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
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
		`"default": 5`: `field "q": its default`,
		`"type": "image", "default": "photo.png"`:             `field "q": its default: an image must be`,
		`"type": "list", "items": {}, "default": null`:        `field "q": its default`,
		`"type": "list", "items": {}, "default": ["a", null]`: `field "q": its default`,
	} {
		_, err := prompt.Read([]byte(`{"name": "p", "predictors": [{"name": "a", "inputs": [{"name": "q", ` + text + `}], "outputs": [{"name": "x"}]}]}`))
		require.ErrorContains(t, err, want)
	}
}
