package refusal_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
)

func cut() error {
	return money.Charge(&outcome.UnusableError{
		Reason: outcome.Truncated, Sample: "A boat on the", Err: fault.New(fault.Input, "describe frame", "d", "max_tokens cut the caption off"),
	}, 7)
}

// TestSettleCut: captions that max_tokens cut fail a chunk only if it has no other, and enough
// frames to tell.
func TestSettleCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		frames, cut, filtered int
		fails                 string
	}{
		"most":                     {frames: 64, cut: 63},
		"all":                      {frames: 64, cut: 64, fails: "max_tokens cut"},
		"all of a few":             {frames: 9, cut: 9},
		"all of ten":               {frames: 10, cut: 10, fails: "max_tokens cut"},
		"the last frame":           {frames: 1, cut: 1},
		"all, some by a filter":    {frames: 9, cut: 8, filtered: 1, fails: "a filter refuses it"},
		"many, and a few filtered": {frames: 64, cut: 40, filtered: 6},
		"many, and many filtered":  {frames: 64, cut: 40, filtered: 7, fails: "a filter refuses it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := open(t), profile()
			l := refusal.List{Key: p.RefusedKey(prefix, video.KindDescribe, 0), Outcomes: p.UnusableKey(prefix, video.KindDescribe, 0)}
			for i := range c.cut {
				require.NoError(t, l.Take("frame", frame(i), cut()))
			}
			for i := range c.filtered {
				require.NoError(t, l.Take("frame", frame(c.cut+i), filtered()))
			}
			err := l.Settle(t.Context(), s, c.frames)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			groups, err := refusal.Account(t.Context(), s, p, prefix, "v.mp4", c.frames)
			require.NoError(t, err)
			require.Equal(t, outcome.Group{
				Role: "describe", Reason: outcome.Truncated, Answers: c.cut, Of: c.frames, Samples: groups[0].Samples,
			}, groups[0])
			require.Equal(t, "v.mp4 at 0s: A boat on the", groups[0].Samples[0])
			require.Equal(t, l.Groups("v.mp4", c.frames), groups)

			again := refusal.List{Key: l.Key, Outcomes: l.Outcomes} // another attempt has all captions
			require.NoError(t, again.Settle(t.Context(), s, c.frames))
			groups, err = refusal.Account(t.Context(), s, p, prefix, "v.mp4", c.frames)
			require.NoError(t, err)
			require.Empty(t, groups)
		})
	}
}

// TestAccountOfAnEarlierBuild: earlier builds recorded a text per refused frame, and no reason
// by kind. Every refused frame is counted once.
func TestAccountOfAnEarlierBuild(t *testing.T) {
	t.Parallel()
	s, p := open(t), profile()
	write := func(key string, value any) { require.NoError(t, activities.WriteJSON(t.Context(), s, key, value)) }
	write(p.RefusedKey(prefix, video.KindDescribe, 0), refusal.Record{"12000": "the model refuses this frame", "3000": "a filter"})
	write(p.RefusedKey(prefix, video.KindDescribe, 1), refusal.Record{"65000": "cut"})
	write(p.UnusableKey(prefix, video.KindDescribe, 1), map[string]outcome.Answer{
		"65000": {Role: "describe", Reason: outcome.Truncated, Sample: "A man"},
		"66000": {Role: "describe", Reason: outcome.Truncated, Sample: "of an attempt that an earlier build repeated"},
	})
	groups, err := refusal.Account(t.Context(), s, p, prefix, "v.mp4", 70)
	require.NoError(t, err)
	require.Equal(t, []outcome.Group{
		{Role: "describe", Reason: outcome.Rejected, Answers: 2, Of: 70, Samples: []string{"v.mp4 at 3s: a filter", "v.mp4 at 12s: the model refuses this frame"}},
		{Role: "describe", Reason: outcome.Truncated, Answers: 1, Of: 70, Samples: []string{"v.mp4 at 1m5s: A man"}},
	}, groups)
}

// TestFinal: an answer is final if it is billed and a retry cannot be better.
func TestFinal(t *testing.T) {
	t.Parallel()
	a, ok := refusal.Final(fmt.Errorf("frame: %w", cut()), 50)
	require.True(t, ok)
	require.Equal(t, refusal.Answer{Reason: outcome.Truncated, Why: `frame: describe frame "d": max_tokens cut the caption off`, Sample: "A boat on the", CostMicroUSD: 7}, a)
	require.Equal(t, fault.Input, fault.ClassOf(a.Err()))
	require.EqualError(t, a.Err(), a.Why)
	for name, err := range map[string]error{
		"not billed": &outcome.UnusableError{Reason: outcome.Filter, Err: filtered()},
		"no answer":  money.Charge(filtered(), 7),
		"passes":     money.Charge(&outcome.UnusableError{Reason: outcome.Empty, Err: fault.New(fault.Transport, "describe", "d", "empty")}, 7),
	} {
		_, ok := refusal.Final(err, 50)
		require.False(t, ok, name)
	}
	require.NoError(t, refusal.Stored(t.Context(), open(t), "default/refusals/x.json"))
}
