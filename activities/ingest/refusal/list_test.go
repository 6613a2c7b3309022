package refusal_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

const prefix = "default/videos/v/frames/f/"

func open(t *testing.T) activities.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	return s
}

func frame(i int) video.Frame { return video.Frame{PTSMS: int64(1000 * i), SHA256: fmt.Sprint(i)} }

func profile() video.Profile {
	p := video.Profile{Name: "p", Describe: video.Stage{Model: "d"}, Embed: video.Stage{Model: "e"}, ChunkFrames: 64}
	return p.Normal()
}

func filtered() error { return fault.New(fault.Input, "describe frame", "d", "a filter refuses it") }

// TestSettle: a few refused frames are recorded; many fail the chunk with the first reason.
func TestSettle(t *testing.T) {
	t.Parallel()
	yes := func(context.Context) (bool, error) { return true, nil }
	for name, c := range map[string]struct {
		frames, refused int
		why             error
		only            func(context.Context) (bool, error)
		fails           bool
	}{
		"none":                   {64, 0, nil, nil, false},
		"one of two":             {2, 1, filtered(), nil, false},
		"both":                   {2, 2, filtered(), nil, true},
		"a tenth":                {64, 6, filtered(), nil, false},
		"more than a tenth":      {64, 7, filtered(), nil, true},
		"the only one of many":   {1, 1, filtered(), nil, false},
		"the only one":           {1, 1, filtered(), yes, true},
		"a model that is absent": {1, 1, fmt.Errorf("%w: %w", filtered(), fault.ErrNotServed), nil, true},
		"not sent":               {1, 1, money.NeverSent(filtered()), nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, p := open(t), profile()
			l := refusal.List{Key: p.RefusedKey(prefix, video.KindDescribe, 0), Only: c.only}
			require.NoError(t, activities.WriteJSON(t.Context(), s, l.Key, refusal.Record{"77": "of a former attempt"}))
			for i := range c.refused {
				require.NoError(t, l.Take("frame", frame(i), c.why))
			}
			require.Equal(t, c.refused, l.Len())
			err := l.Settle(t.Context(), s, c.frames)
			require.Equal(t, c.fails, err != nil, "%v", err)
			if c.fails {
				require.ErrorContains(t, err, "frame at 0 ms: ")
				return
			}
			record, err := refusal.Read(t.Context(), s, l.Key)
			require.NoError(t, err)
			require.Len(t, record, c.refused)
			require.Equal(t, c.refused > 0, record.Has(frame(0)))
		})
	}
}

// TestOtherErrors: an error of the server or of the account does not concern one frame.
func TestOtherErrors(t *testing.T) {
	t.Parallel()
	var l refusal.List
	for _, err := range []error{fault.New(fault.Transport, "describe", "d", "cut"), fault.New(fault.Auth, "describe", "d", "no key"), errors.New("odd")} {
		require.Equal(t, err, l.Take("frame", frame(0), err))
	}
	require.Zero(t, l.Len())
}

// TestLost counts the frames without a document, by what is embedded.
func TestLost(t *testing.T) {
	t.Parallel()
	s, p := open(t), profile()
	write := func(kind string, chunk int, r refusal.Record) {
		require.NoError(t, activities.WriteJSON(t.Context(), s, p.RefusedKey(prefix, kind, chunk), r))
	}
	write(video.KindDescribe, 0, refusal.Record{"0": "filtered"})
	write(video.OfTexts, 1, refusal.Record{"2000": "too long"})
	lost, err := refusal.Lost(t.Context(), s, p, prefix, "v", 4)
	require.NoError(t, err)
	require.Equal(t, 2, lost)
	kept, err := refusal.Kept(t.Context(), s, p, prefix, video.Chunk{Frames: []video.Frame{frame(0), frame(1)}})
	require.NoError(t, err)
	require.Equal(t, []video.Frame{frame(1)}, kept.Frames)
	_, err = refusal.Lost(t.Context(), s, p, prefix, "v", 2)
	require.ErrorContains(t, err, "the model refused each of its 2 frames")

	p.Embed.Of = video.OfFrame // a frame without a caption has a document
	lost, err = refusal.Lost(t.Context(), s, p, prefix, "v", 4)
	require.NoError(t, err)
	require.Zero(t, lost)
	write(video.KindDescribe, 2, refusal.Record{"3000": "filtered"})
	_, err = refusal.Lost(t.Context(), s, p, prefix, "v", 2)
	require.ErrorContains(t, err, "the model refused each of its 2 frames: filtered")
}
