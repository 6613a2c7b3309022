package limit

import "math"

// State is what a Limit has learned about a service: the start of a later Limit.
type State struct {
	Limit   int     // calls that may be open; at least 1
	Ceiling int     // open calls at the last refusal; 0 = none was refused
	Latency float64 // geometric mean of the latencies without a queue, in seconds
	Spread  float64 // standard deviation of their logarithms
}

// recalledCalls is how many latencies a recalled mean counts as. It is soon outweighed, because
// the service or the prompts may have changed.
const recalledCalls = leastWindow

// State returns what was learned; ok is false before the first decision, and for a fixed limit.
func (l *Limit) State() (s State, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.options.Fixed || !l.decided || l.idle.n == 0 {
		return State{}, false
	}
	s = State{Limit: l.now(), Ceiling: int(l.ceiling), Latency: math.Exp(l.idle.mean()), Spread: l.idle.deviation()}
	if l.growing {
		s.Limit = max(1, int(l.proven)) // what is open now may be too much
	}
	return s, true
}

// Recall starts with what another Limit has learned. It does nothing, and returns false, if this
// one has learned something itself, or is fixed.
func (l *Limit) Recall(s State) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.options.Fixed || l.decided || s.Limit < 1 || s.Latency <= 0 {
		return false
	}
	mean := math.Log(s.Latency)
	l.idle = geomean{n: recalledCalls, sum: recalledCalls * mean, squares: recalledCalls * (mean*mean + s.Spread*s.Spread*(recalledCalls-1)/recalledCalls)}
	l.first, l.ceiling = 0, float64(s.Ceiling)
	l.growing = s.Ceiling == 0
	// A settled limit is some more than the slots, so the calls beyond them show whether it fits.
	l.proven = math.Floor(float64(s.Limit) / l.tolerated())
	l.change(float64(s.Limit))
	return true
}

// Forget starts from the beginning, as if nothing had been learned. Calls in flight say nothing.
func (l *Limit) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.options.Fixed {
		return
	}
	l.decided, l.ceiling, l.calm = false, 0, 0
	l.search(float64(min(l.options.Start, l.options.Max)))
}
