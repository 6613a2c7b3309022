package video

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	assert.Nil(t, Spread(0, 5))
	assert.Nil(t, Spread(5, 0))
	assert.Equal(t, []int{3}, Spread(7, 1))
	assert.Equal(t, []int{0, 1, 2}, Spread(3, 10))
	assert.Equal(t, []int{0, 33, 66, 99}, Spread(100, 4))
}

func TestSheetFrames(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 24, SheetFrames(0))
	assert.Equal(t, 24, SheetFrames(3))
	assert.Equal(t, 10, SheetFrames(20))
	assert.Equal(t, 1, SheetFrames(5000))
}

func TestStageTime(t *testing.T) {
	t.Parallel()
	s := StageTime{Frames: 100, BusyMS: 12_000, StartMS: 1000, EndMS: 5000}
	assert.EqualValues(t, 4000, s.WallMS())
	assert.InDelta(t, 3.0, s.Parallel(), 1e-9)
	assert.InDelta(t, 25.0, s.FramesPerSecond(), 1e-9)
	assert.Zero(t, StageTime{Frames: 1, BusyMS: 1}.Parallel())
	assert.Zero(t, StageTime{StartMS: 9, EndMS: 3}.FramesPerSecond())
}
