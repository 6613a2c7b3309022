// Package limit discovers how many concurrent calls a service takes. It knows no protocol:
// an adapter reports when each call begins and how it ended, and asks how many may be open.
//
// It starts small and doubles while the latency stays the same, once per round trip if
// latencies are similar. When calls begin to queue at the service it settles slightly above
// the number in progress by Little's law (the gradient algorithm of Netflix's
// concurrency-limits). A refusal (429, 503, a timeout) halves it, once per round trip; it
// then returns quickly to just below the refused limit and rarely probes above it (as CUBIC
// does for TCP), so that a refusing service is kept nearly as busy as a queueing one.
package limit

import (
	"math"
	"sync"
	"time"
)

// Outcome says how a call ended.
type Outcome int

// The outcomes. Failed calls say nothing about capacity.
const (
	Answered Outcome = iota
	Refused          // 429, 503, or no answer in time
	Failed           // any other way
)

// Options of a Limit. The zero value discovers, from 4 up to 1024.
type Options struct {
	Start int              // initial limit; 0 = 4
	Max   int              // maximum; 0 = 1024
	Fixed bool             // always Max
	Now   func() time.Time // 0 = time.Now
}

const (
	defaultStart  = 4
	defaultMax    = 1024
	leastWindow   = 24   // answers per decision, unless their latencies are similar
	maxLogStdDev  = 0.2  // maximum standard deviation of the logarithms of similar latencies
	maxStdErr     = 0.07 // maximum standard error of their mean
	tolerance     = 1.5  // latency, relative to an idle service, that counts as queueing
	idleTolerance = 1.2  // latency, relative to an idle service, that still counts as idle
	refusalMargin = 0.95 // share of the refused limit at which it stays
	probeEvery    = 6    // windows between steps towards the refused limit
)

// Limit is the limit of one service. It is safe for concurrent use.
type Limit struct {
	mu      sync.Mutex
	options Options
	limit   float64
	open    int

	begun    int     // counts calls
	filled   int     // the last call that used up the limit
	epoch    int     // counts changes of the limit
	doubling bool    // nothing has queued or been refused yet
	proven   float64 // while doubling: this many may be open without queueing
	ceiling  float64 // limit at the last refusal; 0 = none
	calm     int     // windows since the last refusal or probe

	idle   geomean // latencies without queueing
	shrunk shrink
	window geomean // latencies of calls begun in this epoch
	full   int     // how many of them used up the limit
}

// shrink remembers the limit at which calls began to queue.
type shrink struct {
	limit float64 // 0 = they do not queue
	mean  float64 // of the latencies then
}

// geomean is a geometric mean: latencies of models are about lognormal.
type geomean struct {
	n            int
	sum, squares float64 // of logarithms
}

func (t *geomean) add(d time.Duration) {
	x := math.Log(max(d.Seconds(), 1e-6))
	t.n++
	t.sum += x
	t.squares += x * x
}

// alike reports whether the latencies are so similar that a few of them determine the mean.
func (t geomean) alike() bool {
	if t.n < 4 {
		return false
	}
	n := float64(t.n)
	deviation := math.Sqrt(max(t.squares/n-t.mean()*t.mean(), 0) * n / (n - 1))
	return deviation < maxLogStdDev && deviation < maxStdErr*math.Sqrt(n)
}

func (t geomean) mean() float64 { return t.sum / float64(max(t.n, 1)) }

// New makes a Limit.
func New(o Options) *Limit {
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	if o.Start <= 0 {
		o.Start = defaultStart
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Limit{options: o, limit: float64(min(o.Start, o.Max)), doubling: true}
	if o.Fixed {
		l.limit = float64(o.Max)
	}
	return l
}

// Limit is how many calls may be open now; at least 1.
func (l *Limit) Limit() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now()
}

func (l *Limit) now() int { return max(1, int(l.limit+0.5)) }

// Begin records the begin of a call. Call the returned function once, with how it ended.
func (l *Limit) Begin() (done func(Outcome)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	l.begun++
	if l.open >= l.now() {
		l.filled = l.begun
	}
	start, epoch, number := l.options.Now(), l.epoch, l.begun
	news := !l.doubling || float64(l.open) > l.proven // otherwise no more are open than before
	return func(o Outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		others := l.open - 1
		l.open--
		if l.options.Fixed {
			return
		}
		switch o {
		case Answered:
			l.answered(l.options.Now().Sub(start), news && epoch == l.epoch, l.filled >= number)
		case Refused:
			if epoch == l.epoch {
				l.refused(others)
			}
		case Failed:
		}
	}
}

func (l *Limit) answered(latency time.Duration, news, full bool) {
	if l.ceiling > 0 && l.limit < refusalMargin*l.ceiling {
		l.limit = min(l.limit+1, refusalMargin*l.ceiling) // on the way back
		return
	}
	if !news || l.doubling && !full {
		return // it began under another limit, or did not use it up
	}
	l.window.add(latency)
	if full {
		l.full++
	}
	enough := max(l.now(), leastWindow)
	if l.doubling && l.window.alike() {
		enough = l.now() - int(l.proven)
	}
	if l.window.n < enough {
		return
	}
	if 2*l.full >= l.window.n { // otherwise something else was the bottleneck
		l.decide()
	}
	l.window, l.full = geomean{}, 0
}

// decide evaluates a whole window of answers.
func (l *Limit) decide() {
	if by := math.Log(l.shrunk.limit / l.limit); l.shrunk.limit > 0 && by > 0.6 && l.shrunk.mean-l.window.mean() < by/3 {
		// Fewer calls did not make it faster, so they were not queueing: the service itself
		// has become slower. Start again from here.
		l.idle, l.doubling, l.proven, l.shrunk = geomean{}, true, 0, shrink{}
	}
	waits := l.idle.n > 0 && l.window.mean() > l.idle.mean()+math.Log(tolerance)
	if !waits {
		l.shrunk = shrink{}
	} else if l.shrunk.limit == 0 {
		l.shrunk = shrink{l.limit, l.window.mean()}
	}
	if calm := l.window.mean() < l.idle.mean()+math.Log(idleTolerance); !waits && (l.doubling || calm && l.idle.n < 1000) {
		l.idle.n += l.window.n
		l.idle.sum += l.window.sum // its squares are never used
	}
	switch {
	case waits:
		l.doubling = false
		// The number in progress at the service by Little's law, and half as much again.
		inWork := l.limit * math.Exp(l.idle.mean()-l.window.mean())
		l.change(max(inWork*tolerance, l.limit/2))
	case l.doubling:
		l.proven = l.limit
		l.change(2 * l.limit)
	case l.ceiling > 0 && l.limit < l.ceiling+2:
		if l.calm++; l.calm >= probeEvery {
			l.calm = 0
			l.change(l.limit + max(1, l.ceiling/64))
		}
	default:
		l.change(l.limit + math.Sqrt(l.limit))
	}
}

// refused halves the limit. Further refusals of calls that began earlier change nothing.
func (l *Limit) refused(others int) {
	l.doubling = false
	l.ceiling = min(l.limit, float64(max(others, 1)))
	l.calm = 0
	l.change(l.ceiling / 2)
}

func (l *Limit) change(to float64) {
	l.limit = min(max(to, 1), float64(l.options.Max))
	l.epoch++
	l.window, l.full = geomean{}, 0
}
