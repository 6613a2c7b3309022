package prompt_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

func TestExecution(t *testing.T) {
	t.Parallel()
	p := read(t, route, reply)
	e := p.Start(python.NewObject("query", "q", "hint", "h", "extra", 1), prompt.Server{})
	first := e.Next()
	require.Contains(t, first.Messages[1].Content, "[[ ## hint ## ]]\nh")
	require.Nil(t, first.Format)
	e.Take("[[ ## reasoning ## ]]\nbecause\n[[ ## agent ## ]]\nA\n[[ ## confidence ## ]]\n0.5")
	second := e.Next()
	require.Contains(t, second.Messages[1].Content, "[[ ## why ## ]]\nbecause", "it reads another's output under its own name")
	e.Take("nothing to read")
	again := e.Next()
	require.Contains(t, again.Messages[1].Content, "Respond with a JSON object", "an unreadable answer is requested again in JSON")
	e.Take(`{"answer": "done", "confidence": 1}`)
	require.Nil(t, e.Next())
	outputs, err := e.Result()
	require.NoError(t, err)
	require.Equal(t, `{"reasoning": "because", "agent": "A", "answer": "done", "confidence": 1}`, python.Dumps(outputs))
	require.Len(t, e.Trace(), 2)
	require.Equal(t, `{"augmented": true, "query": "q", "hint": "h", "reasoning": "because", "agent": "A", "confidence": 0.5}`,
		python.Dumps(e.Trace()[0].Demo()))
}

// TestFallbackOrder: the forms of a request, in order, for each kind of server.
func TestFallbackOrder(t *testing.T) {
	t.Parallel()
	open := `{"name": "p", "inputs": [{"name": "q"}], "outputs": [{"name": "a", "type": "object"}]}`
	closed := `{"name": "p", "inputs": [{"name": "q"}], "outputs": [{"name": "a", "type": "int"}]}`
	for _, c := range []struct {
		predictor string
		server    prompt.Server
		want      []string
	}{
		{closed, prompt.Server{}, []string{"", ""}},
		{closed, prompt.Server{JSON: true}, []string{"", "json_object"}},
		{closed, prompt.Server{JSON: true, Schema: true}, []string{"", "json_schema"}},
		{closed, prompt.Server{JSON: true, Schema: true, JSONAfterSchema: true}, []string{"", "json_schema", "json_object"}},
		{open, prompt.Server{JSON: true, Schema: true}, []string{"", "json_object"}},
	} {
		e := read(t, c.predictor).Start(python.NewObject("q", "?"), c.server)
		var got []string
		for e.Next() != nil {
			kind, _ := e.Next().Format.Get("type")
			name, _ := kind.(string)
			got = append(got, name)
			e.Take("no answer")
		}
		require.Equal(t, c.want, got)
		_, err := e.Result()
		require.ErrorContains(t, err, `predictor "p": read json answer`)
		e.Take("too late")
		require.Empty(t, e.Trace())
	}
	e := read(t, closed).Start(python.NewObject("q", []any{int64(1)}), prompt.Server{})
	require.Nil(t, e.Next(), "a value that cannot be rendered makes no request")
	_, err := e.Result()
	require.ErrorContains(t, err, "given a list")
}

func TestSource(t *testing.T) {
	t.Parallel()
	p := read(t, route, reply)
	require.Equal(t, `class Route(dspy.Signature):
    """Given the fields `+"`query`, `hint`, produce the fields `agent`, `confidence`"+`."""

    query: str = dspy.InputField()
    hint: str = dspy.InputField()
    agent: str = dspy.OutputField()
    confidence: float = dspy.OutputField()


class Steps0(dspy.Signature):
    """Given the fields `+"`query`, `agent`, `why`, produce the fields `answer`, `confidence`"+`."""

    query: str = dspy.InputField()
    agent: str = dspy.InputField()
    why: str = dspy.InputField()
    answer: str = dspy.OutputField()
    confidence: int = dspy.OutputField()


class Test(dspy.Module):
    def __init__(self):
        super().__init__()
        self.route = dspy.ChainOfThought(Route)
        self.steps[0] = dspy.Predict(Steps0)

    def forward(self, query, hint):
        route_result = self.route(query=query, hint=hint)
        steps_0_result = self.steps[0](query=query, agent=route_result.agent, why=route_result.reasoning)
        return dspy.Prediction(reasoning=route_result.reasoning, agent=route_result.agent, answer=steps_0_result.answer, confidence=steps_0_result.confidence)
`, p.Source())
	p.Text = "own text"
	require.Equal(t, "own text", p.Source())
}

func TestShow(t *testing.T) {
	t.Parallel()
	span := prompt.Type{Kind: prompt.Dict, Class: "Span", Fields: []prompt.Property{{Name: "start", Type: prompt.Type{Kind: prompt.Int}}, {Name: "who"}}}
	v := python.NewObject("start", int64(1), "who", "it's")
	require.Equal(t, `start=1 who="it's"`, span.Show(v))
	list := prompt.Type{Kind: prompt.List, Items: &span}
	require.Equal(t, `[Span(start=1, who="it's")]`, list.Show([]any{v}))
	require.Equal(t, "None", span.Show(nil))
	require.Equal(t, "text", (&prompt.Type{}).Show("text"))
	require.Equal(t, `{'a': [1]}`, (&prompt.Type{Kind: prompt.Dict}).Show(python.NewObject("a", []any{int64(1)})))
}

// TestTruncated: a text that max_tokens truncated is an answer only if it has all outputs.
func TestTruncated(t *testing.T) {
	t.Parallel()
	p, err := prompt.Read([]byte(`{"name":"p","predictors":[{"name":"self","inputs":[{"name":"q"}],"outputs":[{"name":"a"}]}]}`))
	require.NoError(t, err)
	for _, c := range []struct {
		json  bool // in the JSON form, after an unreadable answer
		text  string
		whole bool
	}{
		{false, "[[ ## a ## ]]\nParis is the cap", false},
		{false, "[[ ## a ## ]]\nParis\n\n[[ ## completed ## ]]\nAnd I would li", true},
		{false, "<think>so</think>[[ ## a ## ]]\nParis\n[[ ## completed ## ]]", true},
		{true, `{"a": "Paris is the cap`, false},
		{true, `{"a": "Paris {}`, false},
		{true, `{"a": "Paris"} And I would li`, true},
	} {
		e := p.Start(python.NewObject("q", "?"), prompt.Server{})
		if c.json {
			e.Take("no")
		}
		var why error
		e.TakeSaid(prompt.Said{Text: c.text, Truncated: true, Unread: func(err error) { why = err }})
		require.Equal(t, c.whole, why == nil, "%s: %v", c.text, why)
		require.Equal(t, c.whole || c.json, e.Next() == nil, c.text)
	}
}
