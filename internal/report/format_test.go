package report

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/video"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "0", count(0))
	assert.Equal(t, "999", count(999))
	assert.Equal(t, "1,234,567", count(1234567))
	assert.Equal(t, "-123,456", count(-123456))
	assert.Equal(t, "1 frame", plural(1, "frame"))
	assert.Equal(t, "1,200 frames", plural(1200, "frame"))
	assert.Equal(t, "$0.00", usd(0))
	assert.Equal(t, "$0.0042", usd(0.0042))
	assert.Equal(t, "$12.50", usd(12.5))
	assert.Equal(t, "$12,346", usd(12345.6))
	assert.Equal(t, absent, usd(math.NaN()))
	assert.Equal(t, "9.47", rate(9.47))
	assert.Equal(t, "12.9", rate(12.94))
	assert.Equal(t, "1,234", rate(1234.4))
	assert.Equal(t, absent, rate(0))
	assert.Equal(t, absent, rate(math.Inf(1)))
}

func TestTimes(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "00:00.000", stamp(-1))
	assert.Equal(t, "02:05.007", stamp(125_007))
	assert.Equal(t, "1:00:00.000", stamp(3_600_000))
	for ms, want := range map[int64]string{
		-4: "0 ms", 850: "850 ms", 8000: "8 s", 12_340: "12.3 s", 59_949: "59.9 s", 59_990: "1 min 00 s",
		245_000: "4 min 05 s", 3_599_600: "1 h 00 min", 7_380_000: "2 h 03 min", 90_000_000: "1 d 1 h",
	} {
		assert.Equal(t, want, span(ms), "%d ms", ms)
	}
	assert.Equal(t, absent, moment(time.Time{}))
	east := time.FixedZone("", 7200)
	assert.Equal(t, "2026-01-02 01:04:05 UTC", moment(time.Date(2026, 1, 2, 3, 4, 5, 6, east)))
}

func TestAgain(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"ingest-a:b_1": "cogflow redrive ingest-a:b_1",
		"x y":          "cogflow redrive 'x y'",
		"a'; rm -rf ~": `cogflow redrive 'a'\''; rm -rf ~'`,
		"-x":           "cogflow redrive -- -x",
		"":             "",
		"a\u202eb":     "",
		"a\nb":         "",
	} {
		assert.Equal(t, want, again(id), "%q", id)
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	assert.Empty(t, ticks(0))
	for _, total := range []int64{1, 7, 950, 9400, 59_999, 61_000, 3_700_000, 86_400_001, 1e12, math.MaxInt64} {
		got := ticks(total)
		assert.GreaterOrEqual(t, len(got), 2, "%d", total)
		assert.LessOrEqual(t, len(got), maxTicks+1, "%d", total)
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
