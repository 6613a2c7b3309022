package main

import (
	"runtime"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// speed samples the speed of the CPU during a benchmark. The host of a virtual machine may slow all its cores
// down for a tenth of a second, without reporting steal time. A sample is the CPU time of a fixed computation,
// so waiting for a core does not count. The computation needs only registers, so the caches do not matter.
type speed struct {
	at   []time.Time
	took []time.Duration
	stop chan struct{}
	done chan struct{}
}

const (
	samplePeriod = 2 * time.Millisecond
	// slowFactor is how many times as long as usual a slow sample takes.
	slowFactor = 2
	// drainTime is how long after a slow sample a queue may still delay requests.
	drainTime = 100 * time.Millisecond
)

func sampleSpeed(b *testing.B) *speed {
	b.Helper()
	s := &speed{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		runtime.LockOSThread() // threadTime is that of one thread
		defer runtime.UnlockOSThread()
		tick := time.NewTicker(samplePeriod)
		defer tick.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
			s.at = append(s.at, time.Now())
			before := threadTime()
			compute()
			s.took = append(s.took, threadTime()-before)
		}
	}()
	b.Cleanup(s.end)
	return s
}

// end ends the sampling. The samples can be read after it.
func (s *speed) end() {
	select {
	case <-s.done:
	default:
		close(s.stop)
		<-s.done
	}
}

func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}

var computed uint64 = 1 // keeps the compiler from removing compute

// compute takes about 10 µs.
//
//go:noinline
func compute() {
	x := computed
	for range 5000 { // xorshift64
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	computed = x
}

// slow returns the times of slow samples. A sample is slow if it and a neighbour, or both its neighbours, took
// too long: a single one may include an interrupt.
func (s *speed) slow() (at []time.Time) {
	usual := slices.Sorted(slices.Values(s.took))[len(s.took)/10]
	for i := 1; i+1 < len(s.took); i++ {
		if three := slices.Sorted(slices.Values(s.took[i-1 : i+2])); three[1] > slowFactor*usual {
			at = append(at, s.at[i])
		}
	}
	return at
}

// steady returns the requests without a slow sample between drainTime before they were due and their response.
func (s *speed) steady(all []took) (steady []took) {
	slow := s.slow()
	for _, t := range all {
		from, to := t.due.Add(-drainTime), t.due.Add(t.last)
		next := sort.Search(len(slow), func(i int) bool { return slow[i].After(from) })
		if next == len(slow) || slow[next].After(to) {
			steady = append(steady, t)
		}
	}
	return steady
}

// BenchmarkSpeed measures how often an idle machine is slow.
func BenchmarkSpeed(b *testing.B) {
	s := sampleSpeed(b)
	for b.Loop() {
		<-time.After(benchIt)
	}
	s.end()
	require.NotEmpty(b, s.took)
	b.ReportMetric(100*float64(len(s.slow()))/float64(len(s.took)), "slow-%")
	b.ReportMetric(float64(slices.Max(s.took))/float64(slices.Min(s.took)), "slowest-ratio")
}
