package ingest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/video"
)

// byTokens is a describer whose model "tokens" is priced per token.
type byTokens struct{ Describer }

func (byTokens) Reserve(s video.Stage, pictures int) (int64, bool) {
	return int64(pictures) * 5625, s.Model == "tokens"
}

// TestStillsOfAShot: one call shows all stills of a shot in order of time. It is paid once, and
// its embedding finds the caption.
func TestStillsOfAShot(t *testing.T) {
	t.Parallel()
	v := newAskedVideo(t, func(v *askedVideo) {
		kinds()["describe"](v)
		v.p.Sampling.Strategy, v.p.Sampling.Stills, v.p.Describe.Of = video.Shots, 3, video.OfSegment
	})
	shots := [][]int64{{10, 20, 30}, {40, 50}, {60}, {}}
	var chunk video.Chunk
	for i, stills := range shots {
		f := video.Frame{PTSMS: int64(20 + 30*i), SHA256: fmt.Sprint("frame-", i)}
		v.put(video.FrameKey(v.prefix, f), f.SHA256)
		for _, ms := range stills {
			f.Stills = append(f.Stills, video.Still{PTSMS: ms, SHA256: fmt.Sprint("still-", ms)})
			v.put(video.PictureKey(v.prefix, ms), fmt.Sprint("still-", ms, " "))
		}
		chunk.Frames = append(chunk.Frames, f)
	}
	v.json(video.ChunkKey(v.prefix, 0), chunk)
	for range 2 { // the second run repeats the first
		out, err := v.run()
		require.NoError(t, err)
		require.Equal(t, len(shots), out.Frames)
		require.EqualValues(t, len(shots)*microUS, *out.SpentMicroUSD)
	}
	require.Equal(t, map[string]int{"still-10 still-20 still-30 ": 1, "still-40 still-50 ": 1, "still-60 ": 1, "frame-3": 1}, v.models.asked)

	v.do = v.a.EmbedChunk
	out, err := v.run()
	require.NoError(t, err)
	require.Equal(t, len(shots), out.Frames)
	require.Equal(t, 1, v.models.asked["what still-10 still-20 still-30  shows"])
}

// TestReservesAllStills: what a call about several pictures may cost is reserved for all of them.
func TestReservesAllStills(t *testing.T) {
	t.Parallel()
	v := newAskedVideo(t, func(v *askedVideo) {
		kinds()["describe"](v)
		v.p.Sampling.Strategy, v.p.Sampling.Stills = video.Shots, 3
		v.p.Describe.Of, v.p.Describe.Model = video.OfSegment, "tokens"
	})
	v.a.Describer = byTokens{v.models}
	in := v.in()
	in.LimitMicroUSD = 3*5625 - 1
	_, err := activitytest.Run(t, v.do, in)
	require.ErrorContains(t, err, "budget")
	require.Zero(t, v.models.calls())
	in.LimitMicroUSD = 3*5625 + (items-1)*microUS
	_, err = activitytest.Run(t, v.do, in)
	require.NoError(t, err)
}
