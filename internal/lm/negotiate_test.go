package lm_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// full is a completion with every parameter.
func full() prompt.Completion {
	c := lmtest.Ask("the answer as json")
	c.Temperature, c.Seed, c.Stop, c.Thinking = new(0.7), new(int64(3)), []string{"END"}, new(false)
	c.Format = python.NewObject("type", "json_schema", "json_schema", python.NewObject("name", "out", "schema", python.NewObject("type", "object")))
	return c
}

func formatOf(c lmtest.Call) any {
	if c.Format == nil {
		return nil
	}
	kind, _ := c.Format.Get("type")
	return kind
}

// TestRefusedParameters: an unsupported parameter is omitted in the next attempt and in all
// later calls; no other parameter is omitted.
func TestRefusedParameters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  int
		refusal string
		without func(t *testing.T, c lmtest.Call)
	}{
		"OpenAI's reasoning models, max_tokens": {400, `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`, func(t *testing.T, c lmtest.Call) {
			t.Helper()
			require.Nil(t, c.MaxTokens)
			require.Equal(t, new(100), c.NewMax)
		}},
		"OpenAI's reasoning models, temperature": {400, `{"error":{"message":"Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.","param":"temperature","code":"unsupported_value"}}`, func(t *testing.T, c lmtest.Call) { t.Helper(); require.Nil(t, c.Heat) }},
		"Claude's thinking":                      {400, "{\"error\":{\"message\":\"`temperature` may only be set to 1 when thinking is enabled.\"}}", func(t *testing.T, c lmtest.Call) { t.Helper(); require.Nil(t, c.Heat) }},
		"Moonshot":                               {400, `{"error":{"message":"invalid temperature: only 1 is allowed for this model"}}`, func(t *testing.T, c lmtest.Call) { t.Helper(); require.Nil(t, c.Heat) }},
		"pydantic, seed":                         {422, `{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":3}]}`, func(t *testing.T, c lmtest.Call) { t.Helper(); require.Nil(t, c.Seed) }},
		"Gemini, seed":                           {400, `[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"seed\": Cannot find field.","status":"INVALID_ARGUMENT"}}]`, func(t *testing.T, c lmtest.Call) { t.Helper(); require.Nil(t, c.Seed) }},
		"stop":                                   {400, `{"error":{"message":"Unsupported parameter: 'stop' is not supported with this model."}}`, func(t *testing.T, c lmtest.Call) { t.Helper(); require.Empty(t, c.Stop) }},
		"the template's arguments":               {400, `{"error":{"message":"Unrecognized request argument supplied: chat_template_kwargs"}}`, func(t *testing.T, c lmtest.Call) { t.Helper(); require.Empty(t, c.Template) }},
		"OpenAI, a strict schema":                {400, `{"error":{"message":"Invalid schema for response_format 'out': In context=('properties', 'a'), $ref cannot have keywords {'description'}."}}`, func(t *testing.T, c lmtest.Call) { t.Helper(); require.Equal(t, "json_object", formatOf(c)) }},
		"DeepSeek":                               {400, `{"error":{"message":"This response_format type is unavailable now","type":"invalid_request_error"}}`, func(t *testing.T, c lmtest.Call) { t.Helper(); require.Equal(t, "json_object", formatOf(c)) }},
		"Groq":                                   {400, "{\"error\":{\"message\":\"This model does not support response format `json_schema`.\"}}", func(t *testing.T, c lmtest.Call) { t.Helper(); require.Equal(t, "json_object", formatOf(c)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := lmtest.Start(t)
			m := open(s, lm.Options{})
			s.Next(answertest.Status(c.status, c.refusal))
			said, err := m.Complete(t.Context(), full())
			require.NoError(t, err)
			require.Equal(t, "the answer as json", said.Text)
			if name == "OpenAI, a strict schema" { // refers to this schema only; see TestOneSchemaIsRefused
				s.Next(answertest.Status(c.status, c.refusal))
			}
			_, err = m.Complete(t.Context(), full())
			require.NoError(t, err)
			calls := slices.DeleteFunc(s.Calls(), func(c lmtest.Call) bool { return name == "OpenAI, a strict schema" && formatOf(c) == "json_schema" })
			first := s.Calls()[0]
			if name == "OpenAI, a strict schema" {
				calls = append([]lmtest.Call{first}, calls...)
			}
			require.Len(t, calls, 3, "the third call succeeds at the first attempt")
			for _, after := range calls[1:] {
				c.without(t, after)
				same := 0
				for _, equal := range []bool{
					(after.MaxTokens == nil) == (first.MaxTokens == nil), (after.Heat == nil) == (first.Heat == nil), (after.Seed == nil) == (first.Seed == nil),
					len(after.Stop) == len(first.Stop), len(after.Template) == len(first.Template), formatOf(after) == formatOf(first),
				} {
					if equal {
						same++
					}
				}
				require.Equal(t, 5, same, "one parameter is omitted")
			}
			require.NotEqual(t, first.Fingerprint, calls[1].Fingerprint, "an idempotent server has stored the refusal under the first key")
			require.Equal(t, calls[1].Fingerprint, calls[2].Fingerprint)
		})
	}
}

// TestRefusedAgain: for a model that supports only its defaults, parameters are omitted one
// by one, and a schema becomes a plain JSON object before it is omitted.
func TestRefusedAgain(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Models = append(s.Models, "another")
	for _, text := range []string{
		"Unsupported parameter: 'temperature'", "response_format json_schema is not supported", "'response_format' of type json_object is not supported",
		"Unsupported parameter: 'seed'", "Unsupported parameter: 'stop'", "Unsupported parameter: 'max_tokens', use 'max_completion_tokens'", "unknown field chat_template_kwargs",
	} {
		s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":`+strconv.Quote(text)+`}}`))
	}
	m := open(s, lm.Options{})
	_, err := m.Complete(t.Context(), full())
	require.NoError(t, err)
	calls := s.Calls()
	require.Len(t, calls, 8)
	require.Equal(t, []any{"json_schema", "json_schema", "json_object", nil}, []any{formatOf(calls[0]), formatOf(calls[1]), formatOf(calls[2]), formatOf(calls[3])})
	last := calls[7]
	require.Nil(t, last.Heat)
	require.Nil(t, last.Seed)
	require.Nil(t, last.MaxTokens)
	require.Empty(t, last.Stop)
	require.Empty(t, last.Template)

	other := full()
	other.Model = "another"
	_, err = m.Complete(t.Context(), other)
	require.NoError(t, err)
	require.NotNil(t, s.Calls()[8].Heat, "another model has refused nothing")
}

// TestMistakesAreNotLeftOut: values out of range, too long prompts and refusals of parameters
// that were not sent remain errors, and attempts end.
func TestMistakesAreNotLeftOut(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"temperature: range: 0..1", "Invalid 'temperature': must be less than or equal to 1", "max_tokens is too large: 99999. This model supports at most 8192 completion tokens",
		"This model's maximum context length is 8192 tokens; max_completion_tokens is not supported beyond it", "seed must be an integer", "Unsupported parameter: 'top_k'", "Unknown model",
		"content_filter: the temperature is not supported",
	} {
		s := lmtest.Start(t)
		s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":`+strconv.Quote(text)+`}}`))
		c := full()
		c.Format = nil
		_, err := open(s, lm.Options{}).Complete(t.Context(), c)
		if err != nil {
			require.Equal(t, fault.Input, fault.ClassOf(err), text)
		}
		require.Len(t, s.Calls(), 1, text)
	}
	s := lmtest.Start(t)
	m := open(s, lm.Options{})
	for range 9 {
		s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":"temperature, seed, stop, response_format, max_completion_tokens, enable_thinking: not supported"}}`))
	}
	_, err := m.Complete(t.Context(), full())
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.Len(t, s.Calls(), 8, "seven refusals and the first attempt")
}

// TestMaxTokensOfTheModel: a max_tokens above the maximum that the model names is lowered to it, for
// all requests to that model, and a refusal that was billed is not sent again at once.
func TestMaxTokensOfTheModel(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Models = append(s.Models, "another")
	m := open(s, lm.Options{})
	s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":"max_tokens: 100 > 64, which is the maximum allowed number of output tokens"}}`))
	for range 2 {
		_, err := m.Complete(t.Context(), full())
		require.NoError(t, err)
	}
	c := full()
	c.Model = "another"
	_, err := m.Complete(t.Context(), c)
	require.NoError(t, err)
	calls := s.Calls()
	require.Len(t, calls, 4)
	require.Equal(t, []int{100, 64, 64, 100}, []int{*calls[0].MaxTokens, *calls[1].MaxTokens, *calls[2].MaxTokens, *calls[3].MaxTokens})
	require.NotEqual(t, calls[0].Fingerprint, calls[1].Fingerprint, "the server may have stored the refusal")

	m = open(s, lm.Options{Prices: map[string]prompt.Price{"test/lm": {Input: 1, Output: 1}}})
	s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":"max_tokens: 100 > 64, which is the maximum allowed"},"usage":{"prompt_tokens":7,"completion_tokens":2}}`))
	_, err = m.Complete(t.Context(), full())
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.Len(t, s.Calls(), 5)
}

// TestOneSchemaIsRefused: a schema that a server refuses is an error of its program. Other
// schemas, also of other tenants, are still sent.
func TestOneSchemaIsRefused(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	m := open(s, lm.Options{})
	for _, text := range []string{
		"Invalid schema for response_format 'out': In context=('properties', 'a'), $ref cannot have keywords {'description'}.",
		"'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
	} {
		s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":`+strconv.Quote(text)+`}}`))
	}
	_, err := m.Complete(t.Context(), full())
	require.NoError(t, err)
	require.Nil(t, formatOf(s.Calls()[2]))
	_, err = m.Complete(t.Context(), full())
	require.NoError(t, err)
	require.Equal(t, "json_schema", formatOf(s.Calls()[3]))
}

// TestBilledRefusals: usage that a server reports with a refusal is charged. The next request
// is a separate call.
func TestBilledRefusals(t *testing.T) {
	t.Parallel()
	const usage = `"usage":{"prompt_tokens":9,"completion_tokens":4}}`
	for _, body := range []string{
		`{"error":{"code":"content_filter","message":"content management policy"},` + usage,
		`{"error":{"code":"content_filter","status":400,"message":"content management policy"},` + usage,
	} {
		s := lmtest.Start(t)
		s.Next(answertest.Status(http.StatusBadRequest, body))
		said, err := priced(s, lm.Options{}).Complete(t.Context(), lmtest.Ask("x"))
		require.NoError(t, err)
		require.Equal(t, prompt.FinishFilter, said.Finish)
		require.EqualValues(t, 9+4*10, said.CostMicroUSD)
	}
	s := lmtest.Start(t)
	m := priced(s, lm.Options{})
	s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":"Unsupported parameter: 'seed'"},`+usage))
	_, err := m.Complete(t.Context(), full())
	require.EqualValues(t, 9+4*10, money.ChargeOf(err, 1000), "%v", err)
	require.Len(t, s.Calls(), 1)
}

// TestRefusedAtOnce: all concurrent calls handle the refusal.
func TestRefusedAtOnce(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	behind, err := url.Parse(s.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || bytes.Contains(body, []byte(`"seed"`)) {
			answertest.Status(http.StatusBadRequest, `{"error":{"message":"Unsupported parameter: 'seed'"}}`)(w)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	m := lm.New(lm.Options{URL: front.URL + "/v1", MaxInFlight: 8})
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			c := lmtest.Ask(strconv.Itoa(i))
			c.Seed = new(int64(1))
			said, err := m.Complete(t.Context(), c)
			if err != nil || said.Text != strconv.Itoa(i) {
				t.Errorf("%d: %v %v", i, said.Text, err)
			}
		})
	}
	all.Wait()
	require.Len(t, s.Answered(), 32)
}
