package door

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// guesses limits how many requests of one address are refused with an answer and a line of the log
// each. Valid keys never count: a proxy sends the requests of many callers from one address.
type guesses struct {
	now func() time.Time

	mu  sync.Mutex
	by  map[string]*guess
	all guess // lines of the log, of all addresses
}

// guess is what an address may still try; the tries fill up in a minute.
type guess struct {
	left     float64
	at       time.Time
	unlogged int // refusals without a line of the log
}

const (
	guessesPerMinute = 60
	linesPerMinute   = 1200   // of all addresses: an attacker may have many
	mostAddresses    = 10_000 // bounds the memory
)

// refused counts a refusal. It returns how long the address should wait, and whether the refusal is
// logged, with the number of those before it that were not.
func (g *guesses) refused(address string) (wait time.Duration, logged bool, unlogged int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, key := g.now(), network(address)
	one := g.by[key]
	if one == nil {
		g.forget(now)
		one = &guess{left: guessesPerMinute, at: now}
		g.by[key] = one
	}
	if !one.take(now, guessesPerMinute) {
		one.unlogged++
		return max(time.Duration((1-one.left)*float64(time.Minute)/guessesPerMinute), time.Second), false, 0
	}
	if g.all.at.IsZero() {
		g.all.left, g.all.at = linesPerMinute, now
	}
	if !g.all.take(now, linesPerMinute) {
		g.all.unlogged++
		return 0, false, 0
	}
	unlogged = one.unlogged + g.all.unlogged
	one.unlogged, g.all.unlogged = 0, 0
	return 0, true, unlogged
}

// take takes one of the tries, of which so many fill up in a minute.
func (g *guess) take(now time.Time, perMinute float64) bool {
	g.left = min(g.left+float64(now.Sub(g.at))*perMinute/float64(time.Minute), perMinute)
	g.at = now
	if g.left < 1 {
		return false
	}
	g.left--
	return true
}

// forget makes room for an address.
func (g *guesses) forget(now time.Time) {
	if g.by == nil {
		g.by = map[string]*guess{}
	}
	if len(g.by) < mostAddresses {
		return
	}
	for key, one := range g.by {
		if now.Sub(one.at) > time.Minute {
			g.drop(key, one)
		}
	}
	if len(g.by) >= mostAddresses {
		for key, one := range g.by {
			g.drop(key, one)
		}
	}
}

// drop forgets an address, but not its refusals.
func (g *guesses) drop(key string, one *guess) {
	g.all.unlogged += one.unlogged
	delete(g.by, key)
}

// network is what counts as one address: of IPv6, what one subscriber has.
func network(address string) string {
	const subscriber = 64
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	p, err := a.WithZone("").Prefix(subscriber)
	if err != nil {
		return address
	}
	return p.String()
}

func tooManyGuesses(wait time.Duration) error {
	return &api.Error{
		Status: http.StatusTooManyRequests, Code: "too_many_wrong_keys", RetryAfter: wait,
		Message: "this address has sent too many requests without a valid key; a valid key is still accepted",
	}
}
