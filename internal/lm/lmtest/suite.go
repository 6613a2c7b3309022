package lmtest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// LM is the port of the activities; see activities.LM.
type LM interface {
	Limit(model string) int
	Complete(ctx context.Context, c prompt.Completion) (prompt.CompletionAnswer, error)
}

// Ask makes a completion with one question.
func Ask(question string) prompt.Completion {
	return prompt.Completion{
		Model: "test/lm", MaxTokens: 100, Temperature: new(0.0),
		Messages: []prompt.Message{{Role: prompt.System, Content: "Be brief."}, {Role: prompt.User, Content: question}},
	}
}

// Run tests an adapter. open connects an adapter to a server, with a timeout for its calls.
func Run(t *testing.T, open func(t *testing.T, s *Server, timeout time.Duration) LM) {
	for name, test := range map[string]func(t *testing.T, s *Server, open func(time.Duration) LM){
		"an answer":     anAnswer,
		"what is sent":  whatIsSent,
		"each its own":  eachItsOwn,
		"cut off":       cutOff,
		"refusals":      refusals,
		"empty":         empty,
		"shapes":        shapes,
		"too long":      tooLong,
		"refused here":  refusedHere,
		"cancelled":     cancelled,
		"no answer yet": noAnswerYet,
		"too large":     tooLarge,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := Start(t)
			test(t, s, func(timeout time.Duration) LM { return open(t, s, timeout) })
		})
	}
	for _, f := range Faults() {
		t.Run("fault/"+f.Name, func(t *testing.T) {
			t.Parallel()
			s := Start(t)
			m := open(t, s, 0)
			s.Next(f.Answer)
			_, err := m.Complete(t.Context(), Ask("x"))
			require.Equal(t, f.Class, fault.ClassOf(err), "%v", err)
			require.NotContains(t, err.Error(), "sk-topsecret")
			require.Empty(t, s.Answered())
			if f.Name == "429" {
				require.Equal(t, time.Second, fault.RetryAfter(err))
			}
			said, err := m.Complete(t.Context(), Ask("x"))
			require.NoError(t, err, "the next call")
			require.Equal(t, "x", said.Text)
		})
	}
}

func anAnswer(t *testing.T, s *Server, open func(time.Duration) LM) {
	s.Say = func(Call) Reply { return Reply{Text: "  [[ ## answer ## ]]\n4 <b> “ü”\n"} }
	m := open(0)
	require.GreaterOrEqual(t, m.Limit("test/lm"), 1)
	said, err := m.Complete(t.Context(), Ask("2+2?"))
	require.NoError(t, err)
	require.Equal(t, "  [[ ## answer ## ]]\n4 <b> “ü”\n", said.Text, "as it is")
	require.Equal(t, prompt.FinishStop, said.Finish)
	require.Equal(t, "test/lm", said.Model)
	require.Equal(t, tokens("Be brief.\n2+2?\n"), said.PromptTokens)
	require.Equal(t, tokens(said.Text)+1, said.CompletionTokens)
	require.False(t, said.Estimated)
}

// whatIsSent: the server receives all parameters of the completion unchanged, and no others.
func whatIsSent(t *testing.T, s *Server, open func(time.Duration) LM) {
	m := open(0)
	plain := Ask("Say JSON.")
	full := plain
	full.Temperature, full.Seed, full.Stop, full.Thinking, full.MaxTokens = new(0.7), new(int64(5)), []string{"END"}, new(false), 7
	full.Format = python.NewObject("type", "json_schema", "json_schema", python.NewObject("strict", true, "name", "z", "schema", python.NewObject("b", int64(1), "a", int64(2))))
	bare := prompt.Completion{Model: "test/lm", Messages: plain.Messages, Rollout: 3}
	for _, c := range []prompt.Completion{plain, full, bare} {
		_, err := m.Complete(t.Context(), c)
		require.NoError(t, err)
	}
	got := s.Calls()
	require.Equal(t, new(0.0), got[0].Heat, "a temperature of 0 must be sent")
	require.Equal(t, plain.Messages, got[0].Messages)
	require.Equal(t, new(100), got[0].MaxTokens)
	require.Nil(t, got[0].Seed)
	require.Nil(t, got[0].Template)
	require.Equal(t, new(0.7), got[1].Heat)
	require.Equal(t, new(int64(5)), got[1].Seed)
	require.Equal(t, []string{"END"}, got[1].Stop)
	require.Equal(t, map[string]any{"enable_thinking": false}, got[1].Template)
	require.Equal(t, python.Dumps(full.Format), python.Dumps(got[1].Format), "in its order")
	require.Nil(t, got[2].Heat)
	require.Nil(t, got[2].MaxTokens)
	require.Nil(t, got[2].Seed, "a rollout must not be sent as a seed")
	require.Equal(t, map[string]int{
		string(plain.Fingerprint()): 1, string(full.Fingerprint()): 1, string(bare.Fingerprint()): 1,
	}, s.Answered())
}

func eachItsOwn(t *testing.T, s *Server, open func(time.Duration) LM) {
	s.Slots, s.Latency = 8, func() time.Duration { return time.Millisecond }
	m := open(0)
	var wg sync.WaitGroup
	texts := make([]string, 64)
	for i := range texts {
		wg.Go(func() {
			if said, err := m.Complete(t.Context(), Ask(fmt.Sprint(i))); err == nil {
				texts[i] = said.Text
			}
		})
	}
	wg.Wait()
	for i, text := range texts {
		require.Equal(t, fmt.Sprint(i), text)
	}
	require.Len(t, s.Answered(), len(texts))
}

// cutOff: a text that max_tokens truncated is an answer, even if it is empty.
func cutOff(t *testing.T, s *Server, open func(time.Duration) LM) {
	m := open(0)
	c := Ask(strings.Repeat("word ", 50))
	c.MaxTokens = 3
	said, err := m.Complete(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, prompt.FinishLength, said.Finish)
	require.Equal(t, "word word wo", said.Text)

	s.Next(answertest.Status(http.StatusOK, `{"choices":[{"message":{"role":"assistant","content":null,"reasoning_content":"Hmm"},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":100}}`))
	said, err = m.Complete(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, prompt.CompletionAnswer{Finish: prompt.FinishLength, PromptTokens: 9, CompletionTokens: 100}, cheap(said))
}

// cheap removes the fields that depend on the endpoint.
func cheap(a prompt.CompletionAnswer) prompt.CompletionAnswer {
	a.CostMicroUSD = 0
	return a
}

// refusals of a model or its filter are answers: a retry would get the same.
func refusals(t *testing.T, s *Server, open func(time.Duration) LM) {
	s.Say = func(Call) Reply { return Reply{Refusal: "I'm sorry, I can't help with that."} }
	m := open(0)
	said, err := m.Complete(t.Context(), Ask("x"))
	require.NoError(t, err)
	require.Empty(t, said.Text)
	require.Equal(t, prompt.FinishRefusal, said.Finish)
	require.Equal(t, "I'm sorry, I can't help with that.", said.Reason)
	s.Next(
		answertest.Status(http.StatusOK, `{"choices":[{"message":{"content":""},"finish_reason":"content_filter"}],"usage":{"prompt_tokens":9,"completion_tokens":0}}`),
		answertest.Status(http.StatusBadRequest, `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","code":"content_filter"}}`),
	)
	for range 2 {
		said, err = m.Complete(t.Context(), Ask("x"))
		require.NoError(t, err)
		require.Empty(t, said.Text)
		require.Equal(t, prompt.FinishFilter, said.Finish)
	}
	require.Contains(t, said.Reason, "content management policy")
}

// empty: an empty text with a generated token is an answer; a response without generated
// tokens is a fault.
func empty(t *testing.T, s *Server, open func(time.Duration) LM) {
	s.Say = func(Call) Reply { return Reply{} }
	m := open(0)
	said, err := m.Complete(t.Context(), Ask("x"))
	require.NoError(t, err)
	require.Empty(t, said.Text)
	require.Equal(t, 1, said.CompletionTokens)
	for _, body := range []string{
		`{"choices":[{"message":{"content":""},"finish_reason":"load"}],"usage":{"prompt_tokens":0,"completion_tokens":0}}`,
		`{"choices":[{"message":{"content":" \n"},"finish_reason":"stop"}]}`,
		`{"choices":[{"message":{"content":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":0}}`,
	} {
		s.Next(answertest.Status(http.StatusOK, body))
		_, err = m.Complete(t.Context(), Ask("x"))
		require.ErrorIs(t, err, prompt.ErrNoText)
		require.Equal(t, fault.Transport, fault.ClassOf(err))
	}
}

// shapes of responses that differ slightly from OpenAI's.
func shapes(t *testing.T, s *Server, open func(time.Duration) LM) {
	m := open(0)
	s.Dress = func(v map[string]any) {
		choice := v["choices"].([]any)[0].(map[string]any)
		choice["message"] = map[string]any{"role": "assistant", "tool_calls": []any{}, "content": []any{
			map[string]any{"type": "text", "text": "one "}, map[string]any{"type": "text", "text": "two"},
		}}
		delete(v, "usage")
		delete(v, "id")
		v["error"], v["extra"] = nil, map[string]any{"x": 1}
	}
	said, err := m.Complete(t.Context(), Ask("x"))
	require.NoError(t, err)
	require.Equal(t, "one two", said.Text)
	require.True(t, said.Estimated, "the server reports no usage")
	require.Equal(t, prompt.Tokens(Ask("x").Messages), said.PromptTokens)
	require.Equal(t, len(said.Text)+1, said.CompletionTokens, "includes the end-of-turn token")
}

// tooLong: a too long prompt is recognized by the messages of all servers.
func tooLong(t *testing.T, s *Server, open func(time.Duration) LM) {
	s.Context = 120
	m := open(0)
	_, err := m.Complete(t.Context(), Ask(strings.Repeat("demo ", 100)))
	require.ErrorIs(t, err, prompt.ErrTooLong)
	require.Equal(t, fault.Input, fault.ClassOf(err))
	for _, said := range []string{
		"This model's maximum context length is 8192 tokens. However, you requested 8203 tokens (7691 in the messages, 512 in the completion).",
		"The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
		"The input (9000 tokens) is longer than the model's context length (8192 tokens).",
		"the request exceeds the available context size",
		"prompt is too long: 205000 tokens > 200000 maximum",
	} {
		s.Next(answertest.Status(http.StatusBadRequest, `{"error":{"message":"`+said+`"}}`))
		_, err := m.Complete(t.Context(), Ask("x"))
		require.ErrorIs(t, err, prompt.ErrTooLong, said)
	}
	_, err = m.Complete(t.Context(), Ask("x"))
	require.NoError(t, err)
}

// refusedHere: an invalid completion is refused without a call.
func refusedHere(t *testing.T, s *Server, open func(time.Duration) LM) {
	m := open(0)
	for _, c := range []prompt.Completion{{}, {Model: "test/lm"}, {Model: "test/lm", Messages: Ask("x").Messages, Temperature: new(-1.0)}} {
		_, err := m.Complete(t.Context(), c)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	}
	require.Empty(t, s.Calls())
	other := Ask("x")
	other.Model = "test/other"
	_, err := m.Complete(t.Context(), other)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "does not exist")
}

func cancelled(t *testing.T, s *Server, open func(time.Duration) LM) {
	m := open(0)
	s.Next(Hang)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for len(s.Calls()) == 0 && t.Context().Err() == nil {
			<-time.After(time.Millisecond)
		}
		cancel()
	}()
	_, err := m.Complete(ctx, Ask("x"))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, fault.ClassOf(err), "not a failure")
}

func noAnswerYet(t *testing.T, s *Server, open func(time.Duration) LM) {
	m := open(200 * time.Millisecond)
	for name, f := range map[string]Answer{"hang": Hang, "drip": Drip} {
		s.Next(f)
		_, err := m.Complete(t.Context(), Ask("x"))
		require.Equal(t, fault.Transport, fault.ClassOf(err), name)
		require.ErrorContains(t, err, "no whole answer within 200ms", name)
	}
}

func tooLarge(t *testing.T, s *Server, open func(time.Duration) LM) {
	s.Say = func(Call) Reply { return Reply{Text: strings.Repeat("x", 9<<20)} }
	c := Ask("x")
	c.MaxTokens = 0
	_, err := open(0).Complete(t.Context(), c)
	require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "longer than")
}
