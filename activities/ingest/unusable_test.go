package ingest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
)

const cutUS = 7 // cost of an answer that is not a caption

// unusable is the failure of an answer that is not a caption.
func unusable(class fault.Class, reason outcome.Reason, sample string) error {
	return money.Charge(&outcome.UnusableError{
		Reason: reason, Sample: sample, Err: fault.New(class, "describe frame", "d", "not a caption: "+string(reason)),
	}, cutUS)
}

// described is a video whose describer has unusable answers to some frames.
func described(t *testing.T, whole bool, says map[string]error) *askedVideo {
	t.Helper()
	v := newAskedVideo(t, func(v *askedVideo) { kinds()["describe"](v); v.p.WholeCaptions = whole })
	v.json(video.SourceKey("default", "v"), video.Source{Name: "harbour.mp4"})
	v.models.say(func(_ context.Context, shown string) error { return says[shown] })
	return v
}

func (v *askedVideo) count(prefix string) (n int) {
	v.t.Helper()
	require.NoError(v.t, v.store.List(v.t.Context(), prefix, countInto(&n)))
	return n
}

// TestCutCaptions: a caption that max_tokens cut is not stored as one. It is paid once, counted
// with an example, and not requested again by this run or another.
func TestCutCaptions(t *testing.T) {
	t.Parallel()
	v := described(t, true, map[string]error{
		"frame-1": unusable(fault.Input, outcome.Truncated, "A boat on"), "frame-2": unusable(fault.Input, outcome.Truncated, "A man who"),
		"frame-4": unusable(fault.Input, outcome.Filter, ""),
	})
	groups := []outcome.Group{
		{Role: "describe", Reason: outcome.Truncated, Answers: 2, Of: items, Samples: []string{"harbour.mp4 at 1ms: A boat on", "harbour.mp4 at 2ms: A man who"}},
		{Role: "describe", Reason: outcome.Filter, Answers: 1, Of: items, Samples: []string{"harbour.mp4 at 4ms: describe frame \"d\": not a caption: content_filter"}},
	}
	out, err := v.run()
	require.NoError(t, err)
	require.Equal(t, 3, out.Refused)
	require.Equal(t, items, out.Calls)
	require.EqualValues(t, 3*microUS+3*cutUS, out.CostMicroUSD)
	require.EqualValues(t, 3*microUS+3*cutUS, *out.SpentMicroUSD)
	require.Equal(t, groups, out.Unusable)
	require.Equal(t, items-3, v.answers(), "only whole captions are stored as captions")
	require.Equal(t, 3, v.count("default/refusals/"))

	before := v.models.calls()
	for _, job := range []string{"job", "another job"} {
		in := v.in()
		in.Job = job
		again, err := activitytest.Run(t, v.do, in)
		require.NoError(t, err)
		require.Equal(t, 3, again.Refused)
		require.Equal(t, groups, again.Unusable)
		require.Zero(t, again.Calls+int(again.CostMicroUSD))
	}
	require.Equal(t, before, v.models.calls())

	embedded, err := activitytest.Run(t, v.a.EmbedChunk, v.in())
	require.NoError(t, err)
	require.Equal(t, items-3, embedded.Frames, "a frame without a caption is not embedded")
	v.models.mu.Lock()
	defer v.models.mu.Unlock()
	for text := range v.models.asked {
		require.False(t, strings.HasPrefix(text, "what frame-1"), text)
	}
}

// TestChangedRequest: a frame whose caption was cut is described again with another max_tokens.
func TestChangedRequest(t *testing.T) {
	t.Parallel()
	says := map[string]error{"frame-1": unusable(fault.Input, outcome.Truncated, "A boat on")}
	v := described(t, true, says)
	_, err := v.run()
	require.NoError(t, err)
	delete(says, "frame-1")
	p := v.p
	p.Describe.MaxTokens = 2000
	in := v.in()
	in.Recipe = "another"
	v.json(video.RecipeKey("default", in.Recipe), p)
	out, err := activitytest.Run(t, v.do, in)
	require.NoError(t, err)
	require.Zero(t, out.Refused)
	require.Equal(t, items, out.Calls)
}

// TestRecipeOfAnEarlierBuild: a run that an earlier build began uses cut texts, as that build does.
func TestRecipeOfAnEarlierBuild(t *testing.T) {
	t.Parallel()
	v := described(t, false, map[string]error{"frame-1": unusable(fault.Input, outcome.Truncated, "A boat on")})
	out, err := v.run()
	require.NoError(t, err)
	require.Zero(t, out.Refused)
	require.Equal(t, items, v.answers())
	require.Zero(t, v.count("default/refusals/"))

	// What it stored is used by a run of this build, which has the same fingerprints.
	p := v.p
	p.WholeCaptions = true
	in := v.in()
	in.Recipe = "another"
	v.json(video.RecipeKey("default", in.Recipe), p)
	out, err = activitytest.Run(t, v.do, in)
	require.NoError(t, err)
	require.Zero(t, out.Refused+out.Calls)
}

// TestEmptyCaptions: an empty answer is requested again up to the limit of billed calls. The
// result is remembered, with its reason.
func TestEmptyCaptions(t *testing.T) {
	t.Parallel()
	v := described(t, true, map[string]error{"frame-1": unusable(fault.Transport, outcome.Empty, "")})
	out, err := v.run()
	require.NoError(t, err)
	require.Equal(t, 1, out.Refused)
	require.Len(t, out.Unusable, 1)
	require.Equal(t, outcome.Empty, out.Unusable[0].Reason)
	require.Equal(t, items-1+money.MaxCharged, v.models.calls())
	in := v.in()
	in.Job = "another job"
	again, err := activitytest.Run(t, v.do, in)
	require.NoError(t, err)
	require.Equal(t, out.Unusable, again.Unusable)
	require.Equal(t, items-1+money.MaxCharged, v.models.calls())
}

// TestModelAtFault: if many answers cannot be used, the chunk fails, unless max_tokens cut some
// of many. No answer is paid twice.
func TestModelAtFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reasons []outcome.Reason
		fails   bool
	}{
		"most are cut":            {slices.Repeat([]outcome.Reason{outcome.Truncated}, items-1), false},
		"two are refused":         {[]outcome.Reason{outcome.Refusal, outcome.Refusal}, true},
		"one of them and cut":     {[]outcome.Reason{outcome.Refusal, outcome.Truncated, outcome.Truncated}, false},
		"all of them, none whole": {slices.Repeat([]outcome.Reason{outcome.Filter}, items), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			says := map[string]error{}
			for i, r := range c.reasons {
				says["frame-"+string(rune('0'+i))] = unusable(fault.Input, r, "x")
			}
			v := described(t, true, says)
			for range 2 {
				out, err := v.run()
				require.Equal(t, c.fails, err != nil, "%v", err)
				if !c.fails {
					require.Equal(t, len(c.reasons), out.Refused)
					require.Equal(t, items, out.Unusable[0].Of)
				} else {
					require.Equal(t, fault.Input, activitytest.ClassOf(err))
				}
			}
			require.Equal(t, items, v.models.calls())
		})
	}
}
