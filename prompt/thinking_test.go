package prompt_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

func TestSpoken(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"An answer.":                         "An answer.",
		"  An answer.\n":                     "  An answer.\n",
		"<think>\nHm.\n</think>\n\nAnswer.":  "Answer.",
		"\n <think></think>Answer.":          "Answer.",
		"Hm, so it is.\n</think>\n\nAnswer.": "Answer.",
		"<think>a</think><think>b</think> c": "c",
		"<think>cut off within":              "",
		"<think>":                            "",
		"[THINK]Hm.[/THINK]Answer.":          "Answer.",
		"<reasoning>Hm.</reasoning> Answer.": "Answer.",
		"◁think▷Hm.◁/think▷Answer.":          "Answer.",
		"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Answer.": "Answer.",
		"<think>[[ ## answer ## ]]\nno\n</think>\n[[ ## answer ## ]]\nyes":                             "[[ ## answer ## ]]\nyes",
		"Write <think> and </think> around it.":                                                        "Write <think> and </think> around it.",
		"Use <think>.":                                                                                 "Use <think>.",
		"":                                                                                             "",
	} {
		require.Equal(t, want, prompt.Spoken(text), text)
	}
}

// TestThoughtsAreNoFields: fields in the thoughts are not outputs, in both forms.
func TestThoughtsAreNoFields(t *testing.T) {
	t.Parallel()
	e := read(t, `{"name": "p", "inputs": [{"name": "q"}], "outputs": [{"name": "answer"}, {"name": "confidence", "type": "int"}]}`).Start(python.NewObject("q", "?"), prompt.Server{})
	e.Take("<think>\n[[ ## answer ## ]]\nno\n[[ ## confidence ## ]]\n0\n\nor nothing\n</think>")
	require.NotNil(t, e.Next(), "it only thought")
	e.Take(`<think>{"answer": "no", "confidence": 0}</think>{"answer": "yes", "confidence": 1}`)
	outputs, err := e.Result()
	require.NoError(t, err)
	require.Equal(t, `{"answer": "yes", "confidence": 1}`, python.Dumps(outputs))
}

func FuzzSpoken(f *testing.F) {
	f.Add("<think>a</think>b")
	f.Add("a</think><think>")
	f.Fuzz(func(t *testing.T, text string) {
		said := prompt.Spoken(text)
		if !strings.HasSuffix(text, said) {
			t.Fatalf("%q is not the end of %q", said, text)
		}
		if again := prompt.Spoken(said); again != said {
			t.Fatalf("%q has a thought left: %q", said, again)
		}
	})
}
