package vlm_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
)

// TestOnlyAWholeTextIsACaption: whatever says that a text is not complete, it is not a caption.
// The reason and the end of the text are kept, and the answer costs what it says.
func TestOnlyAWholeTextIsACaption(t *testing.T) {
	t.Parallel()
	const whole, parts = "A cat on a chair.", `{\"caption\":\"A cat\",\"on_screen_text\":\"\",\"objects\":[],\"actions\":[]}`
	for name, c := range map[string]struct {
		content, finish string
		tokens          int
		structured      bool
		reason          outcome.Reason
		class           fault.Class
		sample          string
	}{
		"stop":                       {content: whole, finish: `"stop"`, tokens: 7},
		"no reason":                  {content: whole, finish: `null`, tokens: 7},
		"length":                     {content: "A cat on a", finish: `"length"`, tokens: 7, reason: outcome.Truncated, class: fault.Input, sample: "A cat on a"},
		"Gemini's length":            {content: "A cat on a", finish: `"MAX_TOKENS"`, tokens: 7, reason: outcome.Truncated, class: fault.Input, sample: "A cat on a"},
		"no reason, all its tokens":  {content: "A cat on a", finish: `null`, tokens: 40, reason: outcome.Truncated, class: fault.Input, sample: "A cat on a"},
		"stop, all its tokens":       {content: "A cat on a", finish: `"stop"`, tokens: 40, reason: outcome.Truncated, class: fault.Input, sample: "A cat on a"},
		"stop at the last token":     {content: whole, finish: `"stop"`, tokens: 40},
		"within its thoughts":        {content: "<think>Is it a cat", finish: `"length"`, tokens: 40, reason: outcome.Truncated, class: fault.Input, sample: "<think>Is it a cat"},
		"thoughts without an end":    {content: "<think>Is it a cat", finish: `"stop"`, tokens: 7, reason: outcome.Empty, class: fault.Input, sample: "<think>Is it a cat"},
		"a filter after some text":   {content: "A cat on a", finish: `"content_filter"`, tokens: 7, reason: outcome.Filter, class: fault.Input, sample: "A cat on a"},
		"a refusal after some text":  {content: "I cannot", finish: `"refusal"`, tokens: 7, reason: outcome.Refusal, class: fault.Input, sample: "I cannot"},
		"a tool call after a text":   {content: "Let me see.", finish: `"tool_calls"`, tokens: 7, reason: outcome.Other, class: fault.Input, sample: "Let me see."},
		"nothing":                    {content: "", finish: `"stop"`, tokens: 0, reason: outcome.Empty, class: fault.Transport},
		"an error as text":           {content: "Error: CUDA", finish: `"stop"`, tokens: 7, reason: outcome.Unreadable, class: fault.Transport},
		"JSON":                       {content: parts, finish: `"stop"`, tokens: 7, structured: true},
		"JSON that max_tokens cut":   {content: `{\"caption\":\"A cat`, finish: `"length"`, tokens: 7, structured: true, reason: outcome.Truncated, class: fault.Input, sample: `{"caption":"A cat`},
		"whole JSON, cut after it":   {content: parts, finish: `"length"`, tokens: 7, structured: true, reason: outcome.Truncated, class: fault.Input, sample: `{"caption":"A cat","on_screen_text":"","objects":[],"actions":[]}`},
		"no JSON":                    {content: whole, finish: `"stop"`, tokens: 7, structured: true, reason: outcome.Unreadable, class: fault.Transport, sample: whole},
		"JSON with an empty caption": {content: `{\"caption\":\" \"}`, finish: `"stop"`, tokens: 7, structured: true, reason: outcome.Empty, class: fault.Transport},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"choices":[{"message":{"content":"%s"},"finish_reason":%s}],"usage":{"prompt_tokens":9,"completion_tokens":%d}}`, c.content, c.finish, c.tokens)
			}))
			t.Cleanup(s.Close)
			d := vlm.NewOpenAI(vlm.Options{URL: s.URL, Prices: map[string]money.Price{"test/vlm": {Input: 1, Output: 10}}})
			st := stage()
			st.Structured, st.MaxTokens = c.structured, 40
			got, err := d.Describe(t.Context(), video.DescribeRequest{Stage: st, JPEG: vlmtest.Picture(t, 1)})
			if c.reason == "" {
				require.NoError(t, err)
				require.EqualValues(t, 9+10*c.tokens, got.CostMicroUSD)
				return
			}
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			u, ok := errors.AsType[*outcome.UnusableError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.reason, u.Reason, "%v", err)
			require.Equal(t, c.sample, u.Sample)
			require.True(t, money.IsCharged(err), "%v", err)
			if c.tokens > 0 {
				require.EqualValues(t, 9+10*c.tokens, money.ChargeOf(err, 1e6))
			}
			if c.reason == outcome.Filter || c.structured {
				require.Empty(t, got.Text, "earlier builds have no caption of it either")
			}
		})
	}
}
