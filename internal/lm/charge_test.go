package lm_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
)

// priced is an LM whose tokens cost 1 and 10 micro-USD.
func priced(s *lmtest.Server, o lm.Options) *lm.LM {
	o.Prices = map[string]prompt.Price{"test/lm": {Input: 1, Output: 10}}
	return open(s, o)
}

// TestOddUsage: every answer has a cost, even if its usage is missing or wrong, and the cost
// is at most the reservation.
func TestOddUsage(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	m := priced(s, lm.Options{})
	ask := lmtest.Ask("x") // max_tokens 100
	input := int64(prompt.Tokens(ask.Messages))
	for usage, want := range map[string]int64{
		`{"prompt_tokens":9,"completion_tokens":4}`:                   49,
		`{"prompt_tokens":9.0,"completion_tokens":"4"}`:               49,
		`{"prompt_tokens":9,"completion_tokens":0}`:                   9 + 10*7, // a text of six bytes, and the end-of-turn token
		`{"prompt_tokens":9,"completion_tokens":null}`:                9 + 10*7,
		`{"prompt_tokens":9,"completion_tokens":-4}`:                  9 + 10*7,
		`{"prompt_tokens":9,"completion_tokens":9000000000000000000}`: 9 + 10*(100+1024),
		`{"prompt_tokens":9,"completion_tokens":1124}`:                9 + 10*1124, // reasoning tokens beyond max_tokens
		`{"prompt_tokens":9,"completion_tokens":1125}`:                9 + 10*1124,
		`{"prompt_tokens":9e18,"completion_tokens":4}`:                int64(ask.Bounds().MaxInput) + 40,
		`{"prompt_tokens":-5,"completion_tokens":4}`:                  input + 40,
		`"none"`: input + 10*7,
		`null`:   input + 10*7,
	} {
		s.Next(answertest.Status(http.StatusOK, `{"created":1.5,"choices":[{"message":{"content":"answer"},"finish_reason":"stop"}],"usage":`+usage+`}`))
		said, err := m.Complete(t.Context(), ask)
		require.NoError(t, err, usage)
		require.Equal(t, want, said.CostMicroUSD, usage)
		require.LessOrEqual(t, said.CostMicroUSD, ask.Reserved(prompt.Price{Input: 1, Output: 10}))
	}
}

// TestReserve: the reservation of a completion uses the same prices as its charge.
func TestReserve(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	ask := lmtest.Ask("x")
	reserved, known := priced(s, lm.Options{}).Reserve(ask)
	require.True(t, known)
	require.Equal(t, ask.Reserved(prompt.Price{Input: 1, Output: 10}), reserved)
	_, known = open(s, lm.Options{}).Reserve(ask)
	require.False(t, known)
}

// TestCharges: calls that a provider bills without a usable answer are charged.
func TestCharges(t *testing.T) {
	t.Parallel()
	s := lmtest.Start(t)
	ask := lmtest.Ask("x")
	complete := func(timeout time.Duration) error {
		_, err := priced(s, lm.Options{Timeout: timeout}).Complete(t.Context(), ask)
		return err
	}
	reserved := ask.Reserved(prompt.Price{Input: 1, Output: 10})
	for name, c := range map[string]struct {
		answer lmtest.Answer
		want   int64
	}{
		"no choice":            {answertest.Status(http.StatusOK, `{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}`), 49},
		"no choice, no usage":  {answertest.Status(http.StatusOK, `{"choices":[]}`), reserved},
		"empty, with usage":    {answertest.Status(http.StatusOK, `{"choices":[{"message":{"content":""}}],"usage":{"prompt_tokens":9,"completion_tokens":0}}`), 9},
		"empty, without usage": {answertest.Status(http.StatusOK, `{"choices":[{"message":{"content":""}}]}`), reserved},
		"absurd":               {answertest.Status(http.StatusOK, `{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":9e18}}`), reserved},
		"too long":             {answertest.Status(http.StatusOK, `{"usage":{"prompt_tokens":9,"completion_tokens":4},"x":"`+strings.Repeat("x", 9<<20)+`"}`), 49},
		"hangs":                {lmtest.Hang, reserved},
		"drips":                {lmtest.Drip, reserved},
		"reset":                {answertest.Reset, reserved},
		"429":                  {lmtest.TooMany, 0},
		"500":                  {lmtest.Broken, 0},
		"too long a prompt":    {answertest.Status(http.StatusBadRequest, `{"error":{"message":"prompt is too long"}}`), 0},
	} {
		s.Next(c.answer)
		var err error
		if name == "hangs" || name == "drips" {
			err = answertest.SentInTime(complete)
		} else {
			err = complete(0)
		}
		require.Error(t, err, name)
		require.Equal(t, c.want, money.ChargeOf(err, reserved), "%s: %v", name, err)
	}
}
