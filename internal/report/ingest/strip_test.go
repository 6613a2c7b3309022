package ingest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/video"
)

func TestStamp(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "00:00.000", stamp(-1))
	assert.Equal(t, "02:05.007", stamp(125_007))
	assert.Equal(t, "1:00:00.000", stamp(3_600_000))
}

func TestTicks(t *testing.T) {
	t.Parallel()
	assert.Empty(t, ticks(0))
	for _, total := range []int64{1, 2, 3, 7, 29, 950, 2999, 9400, 17_000, 59_999, 61_000, 100_000, 3_700_000, 86_400_001, 259_199_999, 1e12, math.MaxInt64} {
		got := ticks(total)
		assert.GreaterOrEqual(t, len(got), int(min(4, total+1)), "%d", total)
		assert.LessOrEqual(t, len(got), report.MaxTicks, "%d", total)
		seen := map[string]bool{}
		for _, tick := range got {
			assert.False(t, seen[tick.Label], "%d: %q twice", total, tick.Label)
			seen[tick.Label] = true
		}
	}
}

func TestStrip(t *testing.T) {
	t.Parallel()
	assert.Nil(t, newStrip(video.Section{DurationMS: 5}))
	s := newStrip(video.Section{
		DurationMS: 10_000, Frames: 3, TakenMS: []int64{0, 5000, 9000},
		Sheet: []video.ContactFrame{{PTSMS: 5000, EndMS: 7000}},
	})
	assert.Equal(t, "M500 0v16", s.Shown)
	assert.Equal(t, "M0 0v16M500 0v16M900 0v16", s.Kept)
	assert.Equal(t, "3 frames taken between 00:00.000 and 00:09.000 of 00:10.000", s.Label)
	s = newStrip(video.Section{DurationMS: 10_000, Frames: 9, Sheet: []video.ContactFrame{{PTSMS: 5000}}})
	assert.Empty(t, s.Kept)
	assert.Equal(t, "The frames below were taken between 00:05.000 and 00:05.000 of 00:10.000", s.Label)
}
