package report

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNumbers(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "0", Count(0))
	assert.Equal(t, "999", Count(999))
	assert.Equal(t, "1,234,567", Count(1234567))
	assert.Equal(t, "-123,456", Count(-123456))
	assert.Equal(t, "1 frame", Plural(1, "frame"))
	assert.Equal(t, "1,200 frames", Plural(1200, "frame"))
	assert.Equal(t, "$0.00", USD(0))
	assert.Equal(t, "$0.0042", USD(0.0042))
	assert.Equal(t, "$12.50", USD(12.5))
	assert.Equal(t, "$0.25", USD(0.25))
	assert.Equal(t, "$0.0250", USD(0.025))
	assert.Equal(t, "$12,345.60", USD(12345.6))
	assert.Equal(t, "< $0.0001", USD(0.00001))
	assert.Equal(t, "−$1.50", USD(-1.5))
	assert.Equal(t, "2 queries", Plural(2, "query"))
	assert.Equal(t, Absent, USD(math.NaN()))
	assert.Equal(t, "9.47", Rate(9.47))
	assert.Equal(t, "12.9", Rate(12.94))
	assert.Equal(t, "1,234", Rate(1234.4))
	assert.Equal(t, Absent, Rate(0))
	assert.Equal(t, Absent, Rate(math.Inf(1)))
	assert.Equal(t, "p = 0.04", PValue(0.04))
}

// TestUSDs: for any amounts, the shown amounts of a column add up to the shown total, or
// exact is false.
func TestUSDs(t *testing.T) {
	t.Parallel()
	parse := func(text string) int64 {
		if strings.HasPrefix(text, "< ") {
			return 0 // less than half of the last digit
		}
		whole, rest, _ := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(text, "$"), ",", ""), ".")
		n, err := strconv.ParseInt(whole+rest, 10, 64)
		require.NoError(t, err, text)
		return n
	}
	rng := rand.New(rand.NewPCG(3, 4))
	agreed := 0
	for range 5000 {
		column, total := make([]float64, rng.IntN(6)), 0.0
		for i := range column {
			column[i] = float64(rng.Int64N(1<<rng.IntN(40))) / 1e6
			total += column[i]
		}
		texts, sum, exact := USDs(column, total)
		shown := int64(0)
		for _, text := range texts {
			shown += parse(text)
		}
		require.Equal(t, exact, shown == parse(sum), "%v: %v = %s", column, texts, sum)
		if exact {
			agreed++
		}
	}
	require.Greater(t, agreed, 1000)
	texts, sum, exact := USDs([]float64{0.25, 0.0042, math.NaN()}, 0.2542)
	assert.Equal(t, []string{"$0.2500", "$0.0042", Absent}, texts)
	assert.Equal(t, "$0.2542", sum)
	assert.True(t, exact)
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]string{
		-4: "0 ms", 850: "850 ms", 8000: "8 s", 12_340: "12.3 s", 59_949: "59.9 s", 59_990: "1 min 00 s",
		245_000: "4 min 05 s", 3_599_600: "1 h 00 min", 7_380_000: "2 h 03 min", 90_000_000: "1 d 1 h",
	} {
		assert.Equal(t, want, Span(ms), "%d ms", ms)
	}
	assert.Equal(t, Absent, Moment(time.Time{}))
	east := time.FixedZone("", 7200)
	assert.Equal(t, "2026-01-02 01:04:05 UTC", Moment(time.Date(2026, 1, 2, 3, 4, 5, 6, east)))
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
		assert.Equal(t, want, Again(id), "%q", id)
	}
}
