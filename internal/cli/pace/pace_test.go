package pace

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// TestETA: the time left after a series of estimates, one per second.
func TestETA(t *testing.T) {
	t.Parallel()
	const s = time.Second
	constant := func(n int, left time.Duration) []time.Duration {
		out := make([]time.Duration, n)
		for i := range out {
			out[i] = left
		}
		return out
	}
	exact := func(n int, left time.Duration) []time.Duration { // only time passes
		out := make([]time.Duration, n)
		for i := range out {
			out[i] = left - time.Duration(i)*s
		}
		return out
	}
	for name, c := range map[string]struct {
		estimates []time.Duration
		want      time.Duration
		within    time.Duration
	}{
		"no estimate":                      {nil, 0, 0},
		"the first counts":                 {exact(1, 100*s), 100 * s, 0},
		"exact estimates":                  {exact(31, 100*s), 70 * s, 0},
		"higher estimates":                 {append(exact(10, 100*s), constant(5, 200*s)...), 91 * s, 0},
		"higher estimates for a long time": {append(exact(10, 100*s), constant(31, 200*s)...), 200 * s, 0},
		"slightly higher estimates":        {append(exact(10, 100*s), constant(60, 105*s)...), 91 * s, 0},
		"a lower estimate is approached":   {append(exact(10, 100*s), 40*s), 85 * s, s},
		"a lower estimate is reached":      {append(exact(10, 100*s), exact(50, 60*s)...), 11 * s, s},
		"a low estimate restarts patience": {append(append(exact(1, 100*s), constant(25, 200*s)...), append([]time.Duration{99 * s}, constant(20, 200*s)...)...), 99 * s, 0},
		"an unknown estimate resets":       {append(exact(10, 100*s), 0, 500*s), 500 * s, 0},
		"a pause":                          {append(exact(10, 100*s), 0), 0, 0},
	} {
		var e ETA
		for i, left := range c.estimates {
			e = e.Next(start.Add(time.Duration(i)*s), left)
		}
		require.InDelta(t, c.want.Seconds(), e.Left().Seconds(), c.within.Seconds()+1e-6, name)
	}
}

// TestETADoesNotRise: for steady work with a noisy rate, the time left never rises.
func TestETADoesNotRise(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // noise
		var e ETA
		before := time.Duration(1 << 62)
		for second := range 290 {
			now := start.Add(time.Duration(second) * time.Second)
			left := 300 - float64(second)
			e = e.Next(now, time.Duration(left*(0.9+0.25*random.Float64())*float64(time.Second)))
			require.LessOrEqual(t, e.Left(), before, "second %d of seed %d", second, seed)
			before = e.Left()
		}
	}
}

// TestMeter: a rate over a window; a decreasing count gives no rate.
func TestMeter(t *testing.T) {
	t.Parallel()
	m := Meter{Window: 10 * time.Second}
	require.Zero(t, m.Rate())
	m.Add(start, 5)
	require.Zero(t, m.Left(5))
	m.Add(start.Add(time.Second), 7)
	require.InDelta(t, 2, m.Rate(), 1e-9)
	require.Zero(t, m.Left(10), "the time of measurement is too short")
	m.Add(start.Add(2*time.Second), 3)
	require.InDelta(t, 1, m.Rate(), 1e-9)
	m.Add(start.Add(4*time.Second), 13)
	require.Equal(t, 5*time.Second, m.Left(10))
	require.Zero(t, m.Left(0))
	for i := range 20 {
		m.Add(start.Add(time.Duration(5+i)*time.Second), 13)
	}
	require.Zero(t, m.Rate())
	require.Zero(t, m.Left(10))
}
