package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// TestPaidChecksKeepTheReason: after the last paid attempt of a check, the check keeps
// reporting the reason of that attempt, even if each request was answered. A failure before
// any request does not replace the reason.
func TestPaidChecksKeepTheReason(t *testing.T) {
	t.Parallel()
	stage := video.Stage{Model: "m", Dim: 3}
	paid, stages := 0, map[video.Fingerprint]bool{}
	m := &models{profiles: []video.Profile{{Embed: stage}}, book: func(c video.Call) money.Payer {
		stages[c.Fingerprint] = true
		return func(ctx context.Context, _ string, ask func(context.Context) error) error {
			if paid == 2 {
				return money.GiveUp("check model", c.Model, paid, nil)
			}
			paid++
			return ask(ctx)
		}
	}}
	blind := fault.New(fault.Transport, "check endpoint", "m", "its vectors mean nothing")
	asked := 0
	for i, why := range []string{"mean nothing", "mean nothing", "it is away", "mean nothing", "mean nothing"} {
		err := m.checkStages(t.Context(), config.Endpoint{Name: "e", Models: []string{"m"}}, func(ctx context.Context, _ video.Stage) error {
			if i == 2 {
				return fault.New(fault.Transport, "list models", "m", "it is away")
			}
			if err := money.Pay(ctx, "a text", func(context.Context) error { asked++; return nil }); err != nil {
				return err
			}
			return blind
		})
		require.ErrorContains(t, err, why)
		if i > 2 {
			require.ErrorIs(t, err, money.ErrGivenUp)
		}
	}
	require.Equal(t, 2, asked)
	require.Len(t, stages, 1)
	require.NotContains(t, stages, video.Fingerprint(""))
}
