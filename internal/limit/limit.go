// Package limit discovers how many calls a service takes at once. It knows no
// protocol: an adapter tells it when each call begins and how it ended, and asks
// how many may be open.
//
// It begins small and doubles while the latency holds, where latencies are much
// alike once a round trip; when calls begin to wait at the service it settles a little above what Little's law says is in work
// there (the gradient of Netflix's concurrency-limits). A refusal (429, 503, a
// timeout) halves it, once a round trip; it then comes back quickly to just
// below where it was refused and probes beyond rarely (as CUBIC does for TCP),
// so that a service which refuses is kept nearly as busy as one which queues.
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
	Start int              // calls at once to begin with; 0 = 4
	Max   int              // never more; 0 = 1024
	Fixed bool             // always Max
	Now   func() time.Time // 0 = time.Now
}

const (
	defaultStart = 4
	defaultMax   = 1024
	leastWindow  = 24   // answers that a decision rests on, unless their latencies are alike
	alike        = 0.2  // standard deviation of the logarithms of such, at most
	sure         = 0.07 // standard error of their mean, at most
	tolerance    = 1.5  // latency, over that of an idle service, that counts as waiting
	hardly       = 1.2  // the same, that does not count but is no idle service's either
	safe         = 0.95 // of where the service refused, where it is left in peace
	probeEvery   = 6    // windows between steps towards where it refused
)

// Limit is the limit of one service. Its methods may be called at once.
type Limit struct {
	mu      sync.Mutex
	options Options
	limit   float64
	open    int

	begun    int     // counts calls
	filled   int     // the last call that found or made the limit used up
	epoch    int     // counts changes of the limit
	doubling bool    // nothing has waited or been refused yet
	proven   float64 // while doubling: so many may be open without waiting
	ceiling  float64 // where it was refused last; 0 = never
	calm     int     // windows since it was last refused or probed

	idle   tally // latencies while nothing waited
	shrunk shrink
	window tally // latencies of calls begun in this epoch
	full   int   // how many of them saw the limit used up
}

// shrink remembers where the limit was when calls began to wait.
type shrink struct {
	limit float64 // 0 = they do not wait
	mean  float64 // of the latencies then
}

// tally is a geometric mean: latencies of models are about lognormal.
type tally struct {
	n            int
	sum, squares float64 // of logarithms
}

func (t *tally) add(d time.Duration) {
	x := math.Log(max(d.Seconds(), 1e-6))
	t.n++
	t.sum += x
	t.squares += x * x
}

// alike says whether few latencies are enough to know the mean.
func (t tally) alike() bool {
	if t.n < 4 {
		return false
	}
	n := float64(t.n)
	deviation := math.Sqrt(max(t.squares/n-t.mean()*t.mean(), 0) * n / (n - 1))
	return deviation < alike && deviation < sure*math.Sqrt(n)
}

func (t tally) mean() float64 { return t.sum / float64(max(t.n, 1)) }

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

// Begin notes that a call begins. The returned function notes how it ended; it
// must be called once.
func (l *Limit) Begin() (done func(Outcome)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
	l.begun++
	if l.open >= l.now() {
		l.filled = l.begun
	}
	start, epoch, number := l.options.Now(), l.epoch, l.begun
	news := !l.doubling || float64(l.open) > l.proven // else there are no more open than were before
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
	if l.ceiling > 0 && l.limit < safe*l.ceiling {
		l.limit = min(l.limit+1, safe*l.ceiling) // on the way back
		return
	}
	if !news || l.doubling && !full {
		return // it began under another limit, or needed less, and says nothing about this one
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
	if 2*l.full >= l.window.n { // else something else was the bottleneck
		l.decide()
	}
	l.window, l.full = tally{}, 0
}

// decide looks at a whole window of answers.
func (l *Limit) decide() {
	if by := math.Log(l.shrunk.limit / l.limit); l.shrunk.limit > 0 && by > 0.6 && l.shrunk.mean-l.window.mean() < by/3 {
		// Fewer calls did not make it faster, so they were not waiting: the
		// service has become slower by itself. Begin anew from here.
		l.idle, l.doubling, l.proven, l.shrunk = tally{}, true, 0, shrink{}
	}
	waits := l.idle.n > 0 && l.window.mean() > l.idle.mean()+math.Log(tolerance)
	if !waits {
		l.shrunk = shrink{}
	} else if l.shrunk.limit == 0 {
		l.shrunk = shrink{l.limit, l.window.mean()}
	}
	if calm := l.window.mean() < l.idle.mean()+math.Log(hardly); !waits && (l.doubling || calm && l.idle.n < 1000) {
		l.idle.n += l.window.n
		l.idle.sum += l.window.sum // its squares are never asked for
	}
	switch {
	case waits:
		l.doubling = false
		// What is in work at the service by Little's law, and half as much again.
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

// refused halves the limit. Of the calls that began before that, more may be
// refused: those are no news.
func (l *Limit) refused(others int) {
	l.doubling = false
	l.ceiling = min(l.limit, float64(max(others, 1)))
	l.calm = 0
	l.change(l.ceiling / 2)
}

func (l *Limit) change(to float64) {
	l.limit = min(max(to, 1), float64(l.options.Max))
	l.epoch++
	l.window, l.full = tally{}, 0
}
