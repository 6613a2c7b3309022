// Package limit discovers how many concurrent calls a service takes. It knows no protocol:
// an adapter reports when each call begins and how it ended, and asks how many may be open.
//
// It starts with a guess, or with what another process has learned (Recall), and grows while the
// latency stays the same, once per round trip if latencies are similar. A round trip can only show
// that the calls of its beginning did not queue, so a step is small enough that the calls in flight
// stay below 1.5 times those in progress at the service. When calls begin to queue it settles
// slightly above the number in progress by Little's law (the gradient algorithm of Netflix's
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

// DefaultStart is the initial limit of a service about which nothing is known.
const DefaultStart = 16

// Options of a Limit. The zero value discovers, from DefaultStart up to 1024.
type Options struct {
	Start int              // initial limit; 0 = DefaultStart
	Max   int              // maximum; 0 = 1024
	Fixed bool             // always Max
	Now   func() time.Time // nil = time.Now
}

const (
	defaultMax    = 1024
	leastWindow   = 24   // answers per decision, unless their latencies are similar
	maxLogStdDev  = 0.2  // maximum standard deviation of the logarithms of similar latencies
	maxStdErr     = 0.07 // maximum standard error of their mean
	tolerance     = 1.15 // latency, relative to an idle service, that counts as queueing
	wideTolerance = 1.4  // the same if latencies are not similar
	refusalMargin = 0.95 // share of the refused limit at which it stays
	probeEvery    = 6    // windows between steps towards the refused limit

	wideGrowth  = 1.35 // the same if latencies are not similar, and a queue shows late
	growth      = 1.5  // of the limit in a step; see the package comment
	doubling    = 2    // the same up to atOnce calls, if latencies are similar, or up to DefaultStart
	atOnce      = 32   // so few calls do not harm a service that has fewer slots
	stragglers  = 10   // a decision is made while one in so many of its calls is still open
	laggards    = 50   // the same if latencies are similar, and the slow calls are those that queued
	leastRise   = 1.05 // latency, relative to an idle service, that ends the growth, if it is significant
	mostRise    = 2    // the same, significant or not
	significant = 3.5  // standard errors of a rise that is not chance
	saturated   = 0.75 // share of a step by which latencies rise if the service was full before it
	backTo      = 4    // divides the first limit if the service was full already
	overrun     = 2.2  // latency, relative to an idle service, that only fewer slots than proven explain
)

// Limit is the limit of one service. It is safe for concurrent use.
type Limit struct {
	mu      sync.Mutex
	options Options
	limit   float64
	open    int

	begun   int     // counts calls
	filled  int     // the last call that used up the limit
	epoch   int     // counts changes of the limit
	growing bool    // nothing has queued or been refused yet
	first   float64 // the limit at which the growth began; 0 = the latency without a queue was known
	proven  float64 // while growing: this many may be open without queueing
	doubt   geomean // latencies of the step that rose; a second cohort confirms it
	ceiling float64 // limit at the last refusal; 0 = none
	calm    int     // windows since the last refusal or probe
	drains  bool    // the limit was lowered: the next calls still wait behind those of before
	decided bool    // an answer or a refusal has confirmed or changed the limit

	idle   geomean // latencies without queueing
	shrunk shrink
	before shrink // the previous decision after the growth
	window cohort
}

// cohort is the calls that decide about the limit: the first ones that began under it; while
// growing, only those that began with more calls open than are proven. All of them count, not
// the first answers, which are of the calls that did not queue.
type cohort struct {
	open    int // begun and not ended
	full    int // how many answered ones used up the limit
	latency geomean
}

// shrink remembers a limit and its latencies, such as those at which calls began to queue.
type shrink struct {
	limit float64 // 0 = nothing is remembered
	mean  float64 // of the logarithms of the latencies then
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
	return t.n >= 4 && t.deviation() < maxLogStdDev && t.deviation() < maxStdErr*math.Sqrt(float64(t.n))
}

// deviation is the standard deviation of the logarithms; 0 if there are fewer than two.
func (t geomean) deviation() float64 {
	n := float64(t.n)
	return math.Sqrt(max(t.squares/max(n, 1)-t.mean()*t.mean(), 0) * n / max(n-1, 1))
}

func (t *geomean) merge(other geomean) {
	t.n += other.n
	t.sum += other.sum
	t.squares += other.squares
}

func (t geomean) mean() float64 { return t.sum / float64(max(t.n, 1)) }

// New makes a Limit.
func New(o Options) *Limit {
	if o.Max <= 0 {
		o.Max = defaultMax
	}
	if o.Start <= 0 {
		o.Start = DefaultStart
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Limit{options: o, limit: float64(min(o.Start, o.Max)), growing: true}
	l.first = l.limit
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
	member := (!l.growing || float64(l.open) > l.proven) && l.window.open+l.window.latency.n < l.wanted()
	if member {
		l.window.open++
	}
	return func(o Outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		others := l.open - 1
		l.open--
		if l.options.Fixed {
			return
		}
		if member = member && epoch == l.epoch; member {
			l.window.open--
		}
		switch o {
		case Answered:
			l.answered(l.options.Now().Sub(start), member, l.filled >= number)
		case Refused:
			if epoch == l.epoch {
				l.refused(others)
			}
		case Failed:
		}
	}
}

// wanted is the number of calls that decide about the limit.
func (l *Limit) wanted() int {
	if !l.growing {
		return max(l.now(), leastWindow)
	}
	n := max(l.now()-int(l.proven), 4)
	if l.similar() {
		return n
	}
	return max(n, leastWindow)
}

// similar reports whether latencies without a queue are so similar that a few of them determine
// the mean.
func (l *Limit) similar() bool {
	if l.idle.n > 0 {
		return l.idle.alike()
	}
	return l.window.latency.n+l.window.open < l.now() || l.window.latency.alike()
}

func (l *Limit) answered(latency time.Duration, member, full bool) {
	if l.ceiling > 0 && l.limit < refusalMargin*l.ceiling {
		l.limit = min(l.limit+1, refusalMargin*l.ceiling) // on the way back
		return
	}
	if !member || l.growing && !full {
		return // it began under another limit, or did not use it up
	}
	l.window.latency.add(latency)
	if full {
		l.window.full++
	}
	want := l.wanted()
	if l.similar() {
		want -= want / laggards
	} else {
		want -= want / stragglers
	}
	if l.window.latency.n < want {
		return
	}
	seen, enough := l.window.latency, 2*l.window.full >= l.window.latency.n // otherwise something else was the bottleneck
	l.window = cohort{}
	l.epoch++
	switch {
	case !enough:
	case l.growing:
		l.grow(seen)
	default:
		l.settle(seen)
	}
}

// grow evaluates the calls of a step.
func (l *Limit) grow(seen geomean) {
	l.decided = true
	if l.moved(seen) {
		return
	}
	sure := l.doubt.n > 0
	seen.merge(l.doubt)
	l.doubt = geomean{}
	rise := seen.mean() - l.idle.mean()
	switch {
	case l.idle.n == 0 || rise <= l.chance(seen, leastRise):
		if l.idle.n < 1000 {
			l.idle.merge(seen)
		}
		l.shrunk = shrink{}
		l.proven = l.limit
		by := growth
		if !l.similar() {
			by = wideGrowth
		}
		to := by * l.limit
		if l.limit < DefaultStart || l.similar() {
			to = max(to, min(doubling*l.limit, atOnce))
		}
		l.change(max(to, l.limit+1))
	case !sure && !l.idle.alike() && rise < math.Log(overrun):
		l.doubt = seen
	case l.first > 1 && l.proven == l.first && rise > saturated*math.Log(l.limit/l.proven):
		// The service was full at the first limit already, so the latency without a queue is
		// not known. Measure it with fewer calls.
		l.search(l.first / backTo)
	case rise > math.Log(overrun):
		l.growing = false
		l.littles(seen)
	default:
		// A call that queued took up to twice as long, so the rise tells how many did.
		l.growing = false
		queued := min(rise/math.Ln2, 1) * (l.limit - l.proven)
		l.change(min(tolerance*(l.limit-queued), l.limit))
	}
}

// search looks for the limit again, from here on.
func (l *Limit) search(from float64) {
	l.idle, l.growing, l.drains, l.proven, l.shrunk, l.before = geomean{}, true, false, 0, shrink{}, shrink{}
	l.change(from)
	l.first = l.limit
}

// chance is the largest rise of the latency that may be chance: at least the given factor. A queue
// makes latencies dissimilar, so only those without one tell how much they vary by chance.
func (l *Limit) chance(seen geomean, least float64) float64 {
	stdErr := l.idle.deviation() * math.Sqrt(1/float64(max(seen.n, 1))+1/float64(max(l.idle.n, 1)))
	return min(max(significant*stdErr, math.Log(least)), math.Log(mostRise))
}

// moved reports whether the service itself has become slower or faster, which is no queue. The
// search then starts again from here.
func (l *Limit) moved(seen geomean) bool {
	by := math.Log(l.shrunk.limit / l.limit)
	slower := l.shrunk.limit > 0 && by > 0.6 && l.shrunk.mean-seen.mean() < by/3 // fewer calls did not make them faster
	faster := l.idle.n > 0 && l.idle.mean()-seen.mean() > l.chance(seen, wideTolerance)
	if !slower && !faster {
		return false
	}
	l.search(l.limit)
	l.idle.merge(seen)
	l.proven = l.limit
	l.change(growth * l.limit)
	return true
}

// tolerated is the latency, relative to an idle service, that counts as queueing.
func (l *Limit) tolerated() float64 {
	if l.similar() {
		return tolerance
	}
	return wideTolerance
}

// settle evaluates a whole window of answers after the growth.
func (l *Limit) settle(seen geomean) {
	l.decided = true
	if l.drains {
		l.drains = false
		return
	}
	if l.moved(seen) {
		return
	}
	rise := seen.mean() - l.idle.mean()
	waits := rise > l.chance(seen, l.tolerated()) && !l.gains(seen)
	l.before = shrink{l.limit, seen.mean()}
	if waits {
		l.littles(seen)
		return
	}
	l.shrunk = shrink{}
	if !l.similar() && rise < l.chance(seen, l.tolerated())/2 && l.idle.n < 1000 {
		l.idle.merge(seen)
	}
	if l.ceiling == 0 || l.limit >= l.ceiling+2 {
		// The closer latencies are to those of a queue, the smaller is the step.
		l.change(l.limit + math.Sqrt(l.limit)*max(0.5, min(1, 1-rise/l.chance(seen, l.tolerated()))))
		return
	}
	if l.calm++; l.calm >= probeEvery {
		l.calm = 0
		l.change(l.limit + max(1, l.ceiling/64))
	}
}

// gains reports whether more calls have more throughput although each takes longer, as on a GPU
// that computes them at once. Latencies that vary do not show it, and those beyond mostRise are
// rather a queue that other processes make.
func (l *Limit) gains(seen geomean) bool {
	by := math.Log(l.limit / l.before.limit)
	return l.similar() && l.before.limit > 0 && seen.mean() < l.idle.mean()+math.Log(mostRise) && math.Abs(by) > 0.05 && (seen.mean()-l.before.mean)/by < saturated
}

// littles sets the limit to the number in progress at the service by Little's law, and some more.
func (l *Limit) littles(seen geomean) {
	if l.shrunk.limit == 0 {
		l.shrunk = shrink{l.limit, seen.mean()}
	}
	l.drains = true
	inWork := l.limit * math.Exp(l.idle.mean()-seen.mean())
	l.change(max(inWork*math.Exp(l.chance(seen, l.tolerated())), l.limit/2))
}

// refused halves the limit. Further refusals of calls that began earlier change nothing.
func (l *Limit) refused(others int) {
	l.growing, l.decided = false, true
	l.ceiling = min(l.limit, float64(max(others, 1)))
	l.calm = 0
	l.change(l.ceiling / 2)
}

func (l *Limit) change(to float64) {
	l.limit = min(max(to, 1), float64(l.options.Max))
	l.epoch++
	l.window, l.doubt = cohort{}, geomean{}
}
