// Package throttle decides how many feed operations are in flight. It knows no protocol.
package throttle

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Throttle decides how many operations are in flight, as Vespa's own feed clients do. Two
// caps apply. The first is halved on each 429 and rises by a tenth with each success. The
// second moves to the number with the best throughput, discounted by latency.
type Throttle struct {
	mu          sync.Mutex
	freed       *sync.Cond
	inFlight    int
	least, most int
	tenfold     int // ten times the first cap
	target      int // the second cap
	throughputs [buckets]float64
	sent, done  int
	since       time.Time
	now         func() time.Time
}

const (
	buckets = 128 // buckets of in-flight counts from least to most, on a log scale
	span    = 256 // most ÷ least
	weight  = 0.7 // weight of throughput against latency
)

// New makes a Throttle for a number of connections; now is its clock.
func New(connections int, now func() time.Time) *Throttle {
	least := 2 * connections
	t := &Throttle{
		least: least, most: span * least, tenfold: 10 * span * least, target: least,
		since: now(), now: now,
	}
	t.freed = sync.NewCond(&t.mu)
	return t
}

func (t *Throttle) limit() int { return max(t.least, min(t.target, t.most, t.tenfold/10)) }

// Acquire waits for a slot.
func (t *Throttle) Acquire(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.inFlight >= t.limit() {
		defer context.AfterFunc(ctx, func() {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.freed.Broadcast()
		})()
	}
	for t.inFlight >= t.limit() && ctx.Err() == nil {
		t.freed.Wait()
	}
	if err := ctx.Err(); err != nil {
		t.freed.Signal() // the next waiter may take its slot
		return err
	}
	t.inFlight++
	t.measure()
	return nil
}

// Release returns the slot; ok = the operation succeeded.
func (t *Throttle) Release(ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ok {
		t.tenfold++
		t.done++
	}
	t.inFlight--
	for range max(1, t.limit()-t.inFlight) {
		t.freed.Signal()
	}
}

// Throttled halves the first cap.
func (t *Throttle) Throttled() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tenfold = max(5*t.inFlight, 10*t.least)
}

// measure chooses a better target after enough operations at the current one.
func (t *Throttle) measure() {
	t.sent++
	current := t.limit()
	if t.sent*t.sent*t.sent < 1000*current*current {
		return
	}
	now := t.now()
	elapsed := max(now.Sub(t.since), time.Microsecond)
	at := int(buckets * math.Log(max(1, min(span-1, float64(current)/float64(t.least)))) / math.Log(span))
	t.throughputs[at] = float64(t.done) / elapsed.Seconds()
	t.sent, t.done, t.since = 0, 0, now

	best, choice, highest := t.best(current)
	t.smooth()
	t.target = int((0.84+0.40*rand.Float64())*best + 4*rand.Float64() - 1)
	if choice == highest && choice+1 < buckets {
		t.target = int(1 + t.inFlightOf(choice+1))
	}
	t.target = max(t.least, min(t.most, t.target))
}

func (t *Throttle) inFlightOf(bucket int) float64 {
	return float64(t.least) * math.Pow(span, (float64(bucket)+0.5)/buckets)
}

// best returns the measured bucket with the best throughput for its latency.
func (t *Throttle) best(current int) (inFlight float64, choice, highest int) {
	inFlight, top := float64(current), -1.0
	for i, throughput := range t.throughputs {
		if throughput == 0 {
			continue
		}
		highest = i
		n := t.inFlightOf(i)
		if objective := throughput * math.Pow(n, weight-1); objective > top {
			top, inFlight, choice = objective, n, i
		}
	}
	return inFlight, choice, highest
}

// smooth averages each measured throughput with its measured neighbours, weighted 1:18:1.
func (t *Throttle) smooth() {
	var known []int
	for i, throughput := range t.throughputs {
		if throughput > 0 {
			known = append(known, i)
		}
	}
	before := t.throughputs
	for k := 1; k+1 < len(known); k++ {
		t.throughputs[known[k]] = (before[known[k-1]] + 18*before[known[k]] + before[known[k+1]]) / 20
	}
}
