package zootest_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/answer/zootest"
	"github.com/cogniverse/cogflow/internal/lm"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/video"
)

// TestSources: each behaviour has its own name and a source.
func TestSources(t *testing.T) {
	t.Parallel()
	all := zootest.All()
	require.GreaterOrEqual(t, len(all), 40)
	source, names := regexp.MustCompile(`^(https://\S+|[\w.-]+/[\w.-]+#\d+)$`), map[string]bool{}
	for _, b := range all {
		require.Regexp(t, source, b.Source, b.Name)
		require.False(t, names[b.Name], b.Name)
		names[b.Name] = true
		same, found := zootest.Named(b.Name)
		require.True(t, found)
		require.Equal(t, b.Source, same.Source)
	}
}

// Bounds of a call: the timeout of its endpoint, and an allowance for a loaded machine.
const (
	patient = 30 * time.Second
	grace   = 30 * time.Second
)

// ended calls a server, and requires that the call ends. If only the timeout ends it, that is short,
// but the call is sent within it.
func ended(t *testing.T, b zootest.Behaviour, call func(ctx context.Context, timeout time.Duration) error) error {
	t.Helper()
	once := func(timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), timeout+grace)
		defer cancel()
		err := call(ctx, timeout)
		require.NoError(t, ctx.Err(), "the call ends")
		return err
	}
	if b.Endless {
		return answertest.SentInTime(once)
	}
	return once(patient)
}

// roles returns a completion of each role: student, teacher and judge.
func roles(text string) map[string]prompt.Completion {
	of := func(c prompt.Completion) prompt.Completion {
		c.Model, c.Messages = "served", []prompt.Message{{Role: prompt.System, Content: "Answer."}, {Role: prompt.User, Content: text}}
		return c
	}
	return map[string]prompt.Completion{
		"student": of(prompt.Completion{Temperature: new(0.7), MaxTokens: 100, Seed: new(int64(1))}),
		"teacher": of(prompt.Completion{Temperature: new(1.0), MaxTokens: 400, Rollout: 3}),
		"judge":   of(prompt.Completion{Temperature: new(0.0), MaxTokens: 50, Format: python.NewObject("type", "json_object")}),
	}
}

// check compares the end of a call and its charge with the behaviour and the server's account.
func check(t *testing.T, s *zootest.Server, b zootest.Behaviour, want zootest.Outcome, entry string, err error, charge, reserved int64) {
	t.Helper()
	switch want {
	case zootest.Answered, zootest.Empty:
		require.NoError(t, err)
	case zootest.Filtered:
		require.True(t, err == nil || fault.ClassOf(err) == fault.Input, "%v", err)
	case zootest.TooLong, zootest.Refused:
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
		require.NotErrorIs(t, err, fault.ErrNotServed)
		require.Equal(t, want == zootest.TooLong, tooLong(err), "%v", err)
	case zootest.NotServed:
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
		require.ErrorIs(t, err, fault.ErrNotServed)
	case zootest.Denied:
		require.Equal(t, fault.Auth, fault.ClassOf(err), "%v", err)
	case zootest.Busy:
		require.Equal(t, fault.Overload, fault.ClassOf(err), "%v", err)
		require.Equal(t, b.Wait, fault.RetryAfter(err))
	case zootest.Broken:
		require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
	}
	if err != nil {
		require.ErrorContains(t, err, b.Reason)
	}
	var seen []zootest.Request
	require.Eventually(t, func() bool { // the server may read what was sent after the caller gave up
		seen = slices.DeleteFunc(s.Requests(), func(r zootest.Request) bool { return r.Entry != entry })
		return len(seen) > 0
	}, time.Minute, time.Millisecond)
	var billed int64
	for _, r := range seen {
		billed += r.Billed
	}
	switch b.Bill {
	case zootest.Exact, zootest.Free:
		require.Equal(t, billed, charge, "%v", err)
	case zootest.Estimated:
		require.GreaterOrEqual(t, charge, billed)
		require.LessOrEqual(t, charge, reserved)
	case zootest.Unknown:
		require.Equal(t, reserved, charge, "%v", err)
		require.GreaterOrEqual(t, charge, billed)
	}
}

// TestLanguageModels calls a server with every behaviour in every role.
func TestLanguageModels(t *testing.T) {
	t.Parallel()
	s := zootest.Start(t)
	for i, b := range zootest.All() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			for role, c := range roles("What is it? " + zootest.Mark(i)) {
				entry := fmt.Sprint(role, i)
				var reserved int64
				var said prompt.CompletionAnswer
				err := ended(t, b, func(ctx context.Context, timeout time.Duration) (err error) {
					m := lm.New(lm.Options{URL: s.URL + "/v1", Timeout: timeout, KeyVariable: "LM_KEY", Prices: map[string]prompt.Price{"served": s.Price}})
					reserved, _ = m.Reserve(c)
					said, err = m.Complete(money.WithEntry(ctx, entry), c)
					return err
				})
				charge := said.CostMicroUSD
				if err != nil {
					charge = money.ChargeOf(err, reserved)
				}
				check(t, s, b, b.Outcome, entry, err, charge, reserved)
				switch b.Outcome {
				case zootest.Answered:
					require.Contains(t, said.Text, zootest.Text, role)
				case zootest.Empty, zootest.Filtered:
					require.NoError(t, err)
					require.Empty(t, prompt.Spoken(said.Text), role)
					require.Contains(t, said.Reason, b.Reason)
				default:
					continue
				}
				require.Equal(t, b.Finish, said.Finish, role)
			}
		})
	}
}

// tooLong reports whether an error marks a prompt that does not fit.
func tooLong(err error) bool {
	return errors.Is(err, prompt.ErrTooLong) || errors.Is(err, answer.ErrTooLong)
}

// TestCaptions requests captions of a server with every behaviour.
func TestCaptions(t *testing.T) {
	t.Parallel()
	s := zootest.Start(t)
	frame := vlmtest.Picture(t, 1)
	for i, b := range zootest.All() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			stage := video.Stage{Model: "served", Prompt: "What is there? " + zootest.Mark(i)}
			entry := fmt.Sprint("caption", i)
			var reserved int64
			var said video.Caption
			err := ended(t, b, func(ctx context.Context, timeout time.Duration) (err error) {
				d := vlm.NewOpenAI(vlm.Options{URL: s.URL + "/v1", Timeout: timeout, KeyVariable: "VLM_KEY", Prices: map[string]money.Price{"served": s.Price}})
				reserved, _ = d.Reserve(stage, 1)
				said, err = d.Describe(money.WithEntry(ctx, entry), video.DescribeRequest{Stage: stage, JPEG: frame})
				return err
			})
			charge := said.CostMicroUSD
			if err != nil {
				charge = money.ChargeOf(err, reserved)
			}
			check(t, s, b, b.OfCaption(), entry, err, charge, reserved)
			if b.OfCaption() == zootest.Answered {
				require.Equal(t, zootest.Text, said.Text)
			}
			why, _ := errors.AsType[*outcome.UnusableError](err)
			if b.OfCaption().OfRequest() && b.OfCaption() != zootest.Answered {
				require.Equal(t, b.Unusable() != "", why != nil, "%v", err)
			}
			if b.Unusable() != "" {
				require.Equal(t, b.Unusable(), why.Reason, "%v", err)
			}
		})
	}
}
