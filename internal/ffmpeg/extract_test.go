package ffmpeg

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

const keepAll = -1

func TestFixedRateFollowsTheGrid(t *testing.T) {
	t.Parallel()
	e := extract(t, moving(t), video.Sampling{Strategy: video.FixedRate, FPS: 1, DedupDistance: keepAll})
	require.Equal(t, []int64{0, 1000, 2000, 3000, 4000, 5000}, e.times())
	require.Equal(t, [2]int64{5000, 6000}, e.ranges()[5])
	require.EqualValues(t, 6000, e.DurationMS)
	require.Zero(t, e.DecodeErrors)
	require.FileExists(t, e.dir+"/"+AudioFile)
}
