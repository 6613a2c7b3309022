package ingest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

// lone makes a chunk of one frame the last of the video, or the only one, and refuses it.
func (v *askedVideo) lone(index, frames int, why error) ChunkInput {
	v.t.Helper()
	f := video.Frame{PTSMS: 0, SHA256: "frame-0"}
	v.json(video.ChunkKey(v.prefix, index), video.Chunk{Index: index, Frames: []video.Frame{f}})
	v.json(video.ExtractionKey(v.prefix), video.Extraction{Frames: frames, Chunks: index + 1, AudioPieces: 1})
	v.models.say(func(context.Context, string) error { return why })
	in := v.in()
	in.Chunk = index
	return in
}

func contentFilter() error {
	return fault.New(fault.Input, "ask", "model", "the content filter refuses it")
}

// TestRefusedAlone: a refused frame or audio segment that is alone in its chunk does not mean
// that the model is at fault. It is omitted and reported.
func TestRefusedAlone(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{
		"refused":  contentFilter(),
		"given up": money.GiveUp("ask", "model", money.MaxCharged, errors.New("an empty answer")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyKind(t, func(v *askedVideo) {
				out, err := activitytest.Run(v.t, v.do, v.lone(1, 65, why))
				require.NoError(v.t, err)
				require.Equal(v.t, 1, out.Refused)
				n := 0
				require.NoError(v.t, v.store.List(v.t.Context(), v.prefix+"refused-", countInto(&n)))
				require.Equal(v.t, 1, n)
			})
		})
	}
}

// TestNotRequestedAlone: if the only frame of a chunk was not sent to a model, the worker or
// the profile is at fault.
func TestNotRequestedAlone(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{
		"no endpoint": money.NeverSent(fault.New(fault.Input, "ask", "model", "no endpoint serves it")),
		"no model":    fault.Wrap(fault.Input, "ask", "model", fault.ErrNotServed),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyKind(t, func(v *askedVideo) {
				_, err := activitytest.Run(v.t, v.do, v.lone(1, 65, why))
				require.Equal(v.t, fault.Input, activitytest.ClassOf(err), "%v", err)
			})
		})
	}
}

// TestOnlyFrameRefused: a video whose only frame is refused fails, also during extraction, even
// if its audio is transcribed.
func TestOnlyFrameRefused(t *testing.T) {
	t.Parallel()
	everyKind(t, func(v *askedVideo) {
		in := v.lone(0, 1, contentFilter())
		_, err := activitytest.Run(v.t, v.do, in)
		if v.speech {
			require.NoError(v.t, err)
			return
		}
		require.ErrorContains(v.t, err, "the content filter refuses it")
		require.NoError(v.t, v.store.Delete(v.t.Context(), video.ExtractionKey(v.prefix)))
		_, err = activitytest.Run(v.t, v.do, in)
		require.ErrorContains(v.t, err, "the content filter refuses it")
	})
}

// TestAllFramesRefused: a video of chunks with one frame each, all refused, is not published.
func TestAllFramesRefused(t *testing.T) {
	t.Parallel()
	c := newClaimTest(t)
	prefix := video.FramesPrefix("default", claimedVideo, c.p.ExtractFingerprint(claimedVideo))
	require.NoError(t, activities.WriteJSON(t.Context(), c.a.Store, video.ExtractionKey(prefix), video.Extraction{Frames: 2, Chunks: 2}))
	refuse := func(chunk int, at string) {
		key := c.p.RefusedKey(prefix, video.KindDescribe, chunk)
		require.NoError(t, activities.WriteJSON(t.Context(), c.a.Store, key, map[string]string{at: "the content filter refuses it"}))
	}
	refuse(0, "0")
	refuse(1, "1000")
	_, err := c.env.ExecuteActivity(c.a.PublishVideo, c.in)
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "the content filter refuses it")
	require.NoError(t, c.a.Store.Delete(t.Context(), c.p.RefusedKey(prefix, video.KindDescribe, 1)))
	_, err = c.env.ExecuteActivity(c.a.PublishVideo, c.in)
	require.NoError(t, err)
}

func countInto(n *int) func(object.Info) error {
	return func(object.Info) error { *n++; return nil }
}

func keysInto(keys *[]string) func(object.Info) error {
	return func(o object.Info) error { *keys = append(*keys, o.Key); return nil }
}

// TestRefusedByAModel: a frame or audio segment that a model refuses is omitted and recorded. If
// two of six are refused, the model is at fault. Once none is refused, none is recorded.
func TestRefusedByAModel(t *testing.T) {
	t.Parallel()
	everyKind(t, func(v *askedVideo) {
		refuse := func(which ...string) {
			v.models.say(func(_ context.Context, shown string) error {
				if slices.ContainsFunc(which, func(end string) bool { return strings.HasSuffix(shown, end) }) {
					return fault.New(fault.Input, "ask", "model", "the content filter refuses it")
				}
				return nil
			})
		}
		recorded := func() (n int) {
			require.NoError(v.t, v.store.List(v.t.Context(), v.prefix+"refused-", countInto(&n)))
			return n
		}
		refuse("2", "3")
		_, err := v.run()
		require.Equal(v.t, fault.Input, activitytest.ClassOf(err), "%v", err)
		require.ErrorContains(v.t, err, "the content filter refuses it")
		require.Zero(v.t, recorded())
		refuse("2")
		out, err := v.run()
		require.NoError(v.t, err)
		require.Equal(v.t, 1, out.Refused)
		require.Equal(v.t, 1, recorded())
		refuse()
		require.Zero(v.t, v.completes().Refused)
		require.Zero(v.t, recorded())
	})
}
