package video_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

func TestChunkSizes(t *testing.T) {
	t.Parallel()
	from := 0
	for i := range 200 {
		require.Equal(t, from, video.ChunkStart(64, i), i)
		from += video.ChunkSize(64, i)
	}
	for index, want := range map[int]int{0: 64, 15: 64, 16: 128, 31: 128, 32: 192, 150: 192} {
		require.Equal(t, want, video.ChunkSize(64, index), index)
	}
}
