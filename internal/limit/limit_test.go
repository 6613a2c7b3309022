package limit

import (
	"cmp"
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// service is a model server in simulated time: so many slots, and beyond them
// a queue or a refusal.
type service struct {
	slots   int
	refuses bool
	sigma   float64
	factor  float64 // of latency; 0 = 1
	load    int     // so many calls at once double the latency; 0 = calls do not slow each other down
	random  *rand.Rand

	now    time.Duration
	begun  int
	busy   int
	queue  []*simulated
	events events
}

type simulated struct {
	at   time.Duration // when it ends
	turn int           // of calls that end at the same time, the first one to begin ends first
	done func(Outcome)
	out  Outcome
}

type events []*simulated

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].turn < e[j].turn
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(*simulated)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

func (s *service) latency() time.Duration {
	factor := cmp.Or(s.factor, 1)
	if s.load > 0 {
		factor *= 1 + float64(s.busy)/float64(s.load)
	}
	return time.Duration(factor * 2e9 * math.Exp(s.sigma*s.random.NormFloat64()))
}

func (s *service) call(done func(Outcome)) {
	s.begun++
	c := &simulated{done: done, turn: s.begun}
	switch {
	case s.busy < s.slots:
		s.busy++
		c.at = s.now + s.latency()
		heap.Push(&s.events, c)
	case s.refuses:
		c.at, c.out = s.now+20*time.Millisecond, Refused
		heap.Push(&s.events, c)
	default:
		s.queue = append(s.queue, c)
	}
}

// step lets time pass until the next call ends.
func (s *service) step() Outcome {
	c := heap.Pop(&s.events).(*simulated)
	s.now = c.at
	if c.out == Answered {
		s.busy--
		if len(s.queue) > 0 {
			next := s.queue[0]
			s.queue = s.queue[1:]
			s.busy++
			next.at = s.now + s.latency()
			heap.Push(&s.events, next)
		}
	}
	c.done(c.out)
	return c.out
}

// drive keeps as many calls open as the limit allows, for so many answers, and
// returns answers a second after the first warm ones.
func (s *service) drive(l *Limit, warm, answers int) (rate float64, most int) {
	var from time.Duration
	for n := 0; n < warm+answers; {
		for l.open < l.Limit() {
			s.call(l.Begin())
		}
		most = max(most, l.open)
		if s.step() == Answered {
			if n++; n == warm {
				from = s.now
			}
		}
	}
	return float64(answers) / (s.now - from).Seconds(), most
}

func newService(slots int, refuses bool, sigma float64, seed uint64) *service {
	return &service{slots: slots, refuses: refuses, sigma: sigma, random: rand.New(rand.NewPCG(seed, 7))}
}

// TestDiscovery: after 600 answers the limit is found, whatever the service is
// like, and the next 3,000 come at no less than 0.95 of what it can do.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		slots   int
		refuses bool
		sigma   float64
	}{
		{"queues", 64, false, 0.5},
		{"refuses", 64, true, 0.5},
		{"queues, narrow", 64, false, 0.1},
		{"refuses, narrow", 64, true, 0.1},
		{"queues, wide", 64, false, 0.8},
		{"refuses, wide", 64, true, 0.8},
		{"one slot", 1, false, 0.5},
		{"few slots", 8, false, 0.5},
		{"few slots, refuses", 8, true, 0.5},
		{"queues, constant", 64, false, 0},
		{"refuses, constant", 64, true, 0},
		{"one slot, constant", 1, false, 0},
		{"few slots, constant", 8, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			worst, most := math.Inf(1), 0
			for seed := range uint64(20) {
				fixed := New(Options{Max: c.slots, Fixed: true})
				alone, _ := newService(c.slots, c.refuses, c.sigma, seed).drive(fixed, 600, 3000)
				s := newService(c.slots, c.refuses, c.sigma, seed)
				l := New(Options{Now: func() time.Time { return time.Unix(0, int64(s.now)) }})
				rate, open := s.drive(l, 600, 3000)
				worst, most = min(worst, rate/alone), max(most, open)
			}
			t.Logf("worst of 20: %.3f of the service alone, at most %d open", worst, most)
			require.GreaterOrEqual(t, worst, 0.95)
			require.LessOrEqual(t, most, max(3*c.slots, 40))
		})
	}
}

// TestGrowsEveryRoundTrip: where all calls take equally long, each round trip says enough for the
// next step.
func TestGrowsEveryRoundTrip(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	l := New(Options{Now: func() time.Time { return now }})
	for _, want := range []int{16, 32, 48, 72, 108} {
		require.Equal(t, want, l.Limit())
		var calls []func(Outcome)
		for range want {
			calls = append(calls, l.Begin())
		}
		now = now.Add(200 * time.Millisecond)
		for _, done := range calls {
			done(Answered)
		}
	}
}

// TestIdleIsNoReason: a caller that has little to do does not move the limit.
func TestIdleIsNoReason(t *testing.T) {
	t.Parallel()
	s := newService(64, false, 0.5, 1)
	l := New(Options{Start: 16, Now: func() time.Time { return time.Unix(0, int64(s.now)) }})
	for range 500 {
		s.call(l.Begin())
		s.step()
	}
	require.Equal(t, 16, l.Limit())
}

// TestSlowerServiceIsNoQueue: prompts become longer, and every call takes three
// times as long. Calls do not wait then, and the limit stays what it was.
func TestSlowerServiceIsNoQueue(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		s := newService(64, false, 0.5, seed)
		l := New(Options{Now: func() time.Time { return time.Unix(0, int64(s.now)) }})
		before, _ := s.drive(l, 600, 2000)
		s.factor = 3
		after, _ := s.drive(l, 1500, 2000)
		require.GreaterOrEqual(t, 3*after/before, 0.9)
	}
}

func TestRefusalHalvesOnce(t *testing.T) {
	t.Parallel()
	l := New(Options{Start: 32})
	var calls []func(Outcome)
	for range 32 {
		calls = append(calls, l.Begin())
	}
	for _, done := range calls[:8] {
		done(Refused)
	}
	require.Equal(t, 16, l.Limit(), "eight refusals of one round trip are one")
	for _, done := range calls[8:] {
		done(Failed)
	}
	require.Equal(t, 16, l.Limit())
}

func TestFixed(t *testing.T) {
	t.Parallel()
	l := New(Options{Max: 3, Fixed: true})
	l.Begin()(Refused)
	require.Equal(t, 3, l.Limit())
	require.Equal(t, 1, New(Options{Start: 9, Max: 1}).Limit())
}
