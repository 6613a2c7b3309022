package limit

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func clocked(s *service) Options {
	return Options{Now: func() time.Time { return time.Unix(0, int64(s.now)) }}
}

// learned is what a limit has learned of a service.
func learned(t *testing.T, slots int, refuses bool, sigma float64) State {
	t.Helper()
	s := newService(slots, refuses, sigma, 99)
	l := New(clocked(s))
	s.drive(l, 1500, 500)
	state, ok := l.State()
	require.True(t, ok)
	return state
}

// job makes calls, and returns how long they take and how many were open at most.
func (s *service) job(l *Limit, calls int) (took time.Duration, most int) {
	from := s.now
	for begun, answered := 0, 0; answered < calls; {
		for ; l.open < l.Limit() && begun < calls; begun++ {
			s.call(l.Begin())
		}
		most = max(most, l.open)
		if s.step() == Answered {
			answered++
		} else {
			begun--
		}
	}
	return s.now - from, most
}

// TestColdAndWarm: a job of 1,184 calls of a service with 64 slots, which lasts 19 round trips if
// the slots are known.
func TestColdAndWarm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		sigma      float64
		refuses    bool
		cold, warm float64 // share of the service alone, at least
		most       int     // open at most
	}{
		{"constant", 0, false, 0.94, 0.99, 96},
		{"constant, refuses", 0, true, 0.90, 0.94, 96},
		{"narrow", 0.05, false, 0.90, 0.98, 108},
		{"wide", 0.5, false, 0.75, 0.96, 192},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			state := learned(t, 64, c.refuses, c.sigma)
			cold, warm, peak := math.Inf(1), math.Inf(1), 0
			for seed := range uint64(20) {
				ask := func(of func(*service) *Limit) float64 {
					s := newService(64, c.refuses, c.sigma, seed)
					took, most := s.job(of(s), 1184)
					peak = max(peak, most)
					return took.Seconds()
				}
				alone := ask(func(*service) *Limit { return New(Options{Max: 64, Fixed: true}) })
				cold = min(cold, alone/ask(func(s *service) *Limit { return New(clocked(s)) }))
				warm = min(warm, alone/ask(func(s *service) *Limit { return recalled(t, s, state) }))
			}
			t.Logf("cold %.3f, warm %.3f of the service alone, at most %d open; learned %+v", cold, warm, peak, state)
			require.GreaterOrEqual(t, cold, c.cold)
			require.GreaterOrEqual(t, warm, c.warm)
			require.LessOrEqual(t, peak, c.most)
		})
	}
}

func recalled(t *testing.T, s *service, state State) *Limit {
	t.Helper()
	l := New(clocked(s))
	require.True(t, l.Recall(state))
	return l
}

// TestChangedService: what was learned does not fit any more. It is corrected.
func TestChangedService(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		slots   int
		refuses bool
		factor  float64
	}{
		{"smaller", 16, false, 1},
		{"smaller, refuses", 16, true, 1},
		{"larger", 256, false, 1},
		{"slower", 64, false, 3},
		{"faster", 64, false, 0.4},
	} {
		for _, sigma := range []float64{0, 0.1, 0.5} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				state := learned(t, 64, false, sigma)
				for seed := range uint64(5) {
					alone := newService(c.slots, c.refuses, sigma, seed)
					alone.factor = c.factor
					best, _ := alone.drive(New(Options{Max: c.slots, Fixed: true}), 1500, 3000)
					s := newService(c.slots, c.refuses, sigma, seed)
					s.factor = c.factor
					l := recalled(t, s, state)
					rate, most := s.drive(l, 1500, 3000)
					require.GreaterOrEqual(t, rate/best, 0.9, "sigma %v", sigma)
					require.LessOrEqual(t, most, max(7*c.slots/2, state.Limit+1))
					require.LessOrEqual(t, l.Limit(), 3*c.slots)
				}
			})
		}
	}
}

// TestSharedService: processes that share a service, all of which start with what one of them has
// learned alone, come to use it together.
func TestSharedService(t *testing.T) {
	t.Parallel()
	for _, refuses := range []bool{false, true} {
		for _, sigma := range []float64{0, 0.1, 0.5} {
			state := learned(t, 64, refuses, sigma)
			s := newService(64, refuses, sigma, 5)
			limits := []*Limit{recalled(t, s, state), recalled(t, s, state), recalled(t, s, state)}
			open := 0
			answer := func(n int) {
				for answered := 0; answered < n; {
					open = 0
					for _, l := range limits {
						for l.open < l.Limit() {
							s.call(l.Begin())
						}
						open += l.open
					}
					if s.step() == Answered {
						answered++
					}
				}
			}
			answer(2000)
			from := s.now
			answer(3000)
			best, _ := newService(64, refuses, sigma, 5).drive(New(Options{Max: 64, Fixed: true}), 600, 3000)
			require.GreaterOrEqual(t, 3000/(s.now-from).Seconds()/best, 0.9)
			require.LessOrEqual(t, open, 2*64, "refuses %v, sigma %v", refuses, sigma)
		}
	}
}

// TestLatencyRisesWithLoad: a GPU that computes more calls at once takes longer for each. Its
// latency is no queue at first; the limit must not stay at the start.
func TestLatencyRisesWithLoad(t *testing.T) {
	t.Parallel()
	s := newService(1024, false, 0.05, 1)
	s.load = 64
	l := New(clocked(s))
	s.drive(l, 1500, 2000)
	require.GreaterOrEqual(t, l.Limit(), 40)
	require.LessOrEqual(t, l.Limit(), 160)
}

func TestRecallHasLimits(t *testing.T) {
	t.Parallel()
	state := State{Limit: 80, Latency: 2}
	fixed := New(Options{Max: 3, Fixed: true})
	require.False(t, fixed.Recall(state))
	_, ok := fixed.State()
	require.False(t, ok)
	require.Equal(t, 3, fixed.Limit())
	few := New(Options{Max: 10})
	require.True(t, few.Recall(state))
	require.Equal(t, 10, few.Limit())
	l := New(Options{})
	_, ok = l.State()
	require.False(t, ok, "nothing is learned yet")
	require.False(t, l.Recall(State{}))
	l.Begin()(Refused)
	require.False(t, l.Recall(state), "it has learned something itself")
	l.Forget()
	require.Equal(t, DefaultStart, l.Limit())
	require.True(t, l.Recall(state))
}
