package lm_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

func open(s *lmtest.Server, o lm.Options) *lm.LM {
	o.URL = s.URL + "/v1/"
	return lm.New(o)
}

func TestLM(t *testing.T) {
	t.Parallel()
	lmtest.Run(t, func(_ *testing.T, s *lmtest.Server, timeout time.Duration) lmtest.LM {
		return open(s, lm.Options{Timeout: timeout, Key: "sk-topsecret", KeyVariable: "LM_KEY"})
	})
}

func TestCost(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Say = func(lmtest.Call) lmtest.Reply { return lmtest.Reply{Text: "12345678"} }
	m := open(s, lm.Options{Prices: map[string]prompt.Price{"test/lm": {Input: 0.5, Output: 5}}})
	said, err := m.Complete(t.Context(), lmtest.Ask("x"))
	require.NoError(t, err)
	require.Equal(t, prompt.Price{Input: 0.5, Output: 5}.Cost(3, 3), said.CostMicroUSD)
}

func TestKey(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Key = "sk-topsecret"
	_, err := open(s, lm.Options{Key: "sk-other", KeyVariable: "LM_KEY"}).Complete(t.Context(), lmtest.Ask("x"))
	require.Equal(t, fault.Auth, fault.ClassOf(err))
	require.ErrorContains(t, err, "LM_KEY")
	require.NotContains(t, err.Error(), "sk-other")
	_, err = open(s, lm.Options{Key: "sk-topsecret"}).Complete(t.Context(), lmtest.Ask("x"))
	require.NoError(t, err)
}

// TestNames: the name of a model in cogflow and on its server may differ.
func TestNames(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Models = []string{"gemma3:latest", "claude"}
	m := open(s, lm.Options{Names: map[string]string{"ollama_chat/gemma3": "gemma3:latest"}})
	c := lmtest.Ask("x")
	c.Model = "ollama_chat/gemma3"
	said, err := m.Complete(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, "gemma3:latest", said.Model, "as served")
	assert.Equal(t, map[string]int{string(c.Fingerprint()): 1}, s.Answered())
	require.NoError(t, m.Check(t.Context(), []string{"ollama_chat/gemma3", "claude", "gemma3"}))
	require.ErrorContains(t, m.Check(t.Context(), []string{"gpt"}), `"gpt": the server does not serve it; it serves gemma3:latest, gemma3, claude`)
}

func TestCheckWithoutServer(t *testing.T) {
	t.Parallel()
	err := lm.New(lm.Options{URL: "http://127.0.0.1:1/v1"}).Check(t.Context(), []string{"x"})
	require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
}

// TestAnthropic: parameters that Anthropic ignores are not sent, and required ones are.
func TestAnthropic(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Key = "sk-ant"
	m := open(s, lm.Options{Dialect: lm.Anthropic, Key: "sk-ant"})
	c := lmtest.Ask("x")
	c.Temperature, c.Seed, c.Format = new(1.4), new(int64(1)), python.NewObject("type", "json_object")
	_, err := m.Complete(t.Context(), c)
	require.NoError(t, err)
	got := s.Calls()[0]
	assert.InDelta(t, 1, *got.Heat, 0)
	assert.Nil(t, got.Seed)
	assert.Nil(t, got.Format)
	require.NoError(t, m.Check(t.Context(), []string{"test/lm"}), "by its own header")

	c.MaxTokens = 0
	_, err = m.Complete(t.Context(), c)
	require.ErrorContains(t, err, "requires max_tokens")
	c.MaxTokens, c.Thinking = 5, new(true)
	_, err = m.Complete(t.Context(), c)
	require.ErrorContains(t, err, "no enable_thinking")
	require.Len(t, s.Calls(), 1)
}

func TestMaxCompletionTokens(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	_, err := open(s, lm.Options{MaxCompletionTokens: true}).Complete(t.Context(), lmtest.Ask("x"))
	require.NoError(t, err)
	assert.Equal(t, new(100), s.Calls()[0].NewMax)
	assert.Nil(t, s.Calls()[0].MaxTokens)
}

// TestServerIsDown: after a few failures, the circuit breaker refuses calls as overload,
// which is retried; when the server is back, calls succeed again.
func TestServerIsDown(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	m := open(s, lm.Options{})
	s.Stop()
	overloaded := false
	for range 8 {
		_, err := m.Complete(t.Context(), lmtest.Ask("x"))
		require.Error(t, err)
		overloaded = overloaded || fault.ClassOf(err) == fault.Overload
	}
	require.True(t, overloaded)
	s.Start()
	require.Eventually(t, func() bool {
		_, err := m.Complete(t.Context(), lmtest.Ask("x"))
		return err == nil
	}, 20*time.Second, 50*time.Millisecond)
}

// TestBursts: the limit adapts to a server that refuses calls beyond its slots, and every
// call gets exactly one answer.
func TestBursts(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Slots, s.Refuse = 16, true
	s.Latency = func() time.Duration { return 4 * time.Millisecond }
	m := open(s, lm.Options{})
	type ending struct {
		question int
		err      error
	}
	ended := make(chan ending)
	refused, inFlight, left := 0, 0, []int{}
	for i := range 400 {
		left = append(left, i)
	}
	for len(left)+inFlight > 0 {
		for len(left) > 0 && inFlight < m.Limit("") { // as the gate of the activities does
			i := left[0]
			left = left[1:]
			inFlight++
			go func() {
				_, err := m.Complete(t.Context(), lmtest.Ask(strconv.Itoa(i)))
				ended <- ending{i, err}
			}()
		}
		e := <-ended
		inFlight--
		if e.err != nil {
			assert.Equal(t, fault.Overload, fault.ClassOf(e.err), "%v", e.err)
			left = append(left, e.question)
			refused++
		}
	}
	require.Len(t, s.Answered(), 400)
	for _, n := range s.Answered() {
		require.Equal(t, 1, n)
	}
	require.Less(t, refused, 200)
}

func TestSayings(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	s.Say = lmtest.Following(lmtest.InOrder("first"))
	m := open(s, lm.Options{})
	ask := func(messages ...prompt.Message) string {
		said, err := m.Complete(t.Context(), prompt.Completion{Model: "test/lm", Messages: messages})
		require.NoError(t, err)
		return said.Text
	}
	user := func(text string) prompt.Message { return prompt.Message{Role: prompt.User, Content: text} }
	assert.Equal(t, "first", ask(user("q")))
	assert.Equal(t, "a", ask(user("q"), prompt.Message{Role: prompt.Assistant, Content: "a"}, user("q, please")))
	assert.Equal(t, "No more responses", ask(user("q")))
	s.Say = lmtest.Containing("apple", "red", "banana", "yellow")
	assert.Equal(t, "yellow", ask(user("a banana")))
	s.Decide = func(call int) lmtest.Answer {
		return answertest.Status(http.StatusTeapot, strconv.Itoa(call))
	}
	_, err := m.Complete(t.Context(), lmtest.Ask("x"))
	require.ErrorContains(t, err, `status 418: "5"`)
}
