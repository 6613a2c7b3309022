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

	mu sync.Mutex
	by map[string]*guess
}

// guess is what an address may still try; the tries fill up in a minute.
type guess struct {
	left     float64
	at       time.Time
	unlogged int // refusals without a line of the log
}

const (
	guessesPerMinute = 60
	mostAddresses    = 10_000 // bounds the memory
)

// refused counts a refusal. It returns how long the address should wait, and whether the refusal is
// logged, with the number of those before it that were not.
func (g *guesses) refused(address string) (wait time.Duration, logged bool, unlogged int) {
	const rate = guessesPerMinute / float64(time.Minute)
	g.mu.Lock()
	defer g.mu.Unlock()
	now, key := g.now(), network(address)
	one := g.by[key]
	if one == nil {
		g.forget(now)
		one = &guess{left: guessesPerMinute, at: now}
		g.by[key] = one
	}
	one.left = min(one.left+float64(now.Sub(one.at))*rate, guessesPerMinute)
	one.at = now
	if one.left < 1 {
		one.unlogged++
		return max(time.Duration((1-one.left)/rate), time.Second), false, 0
	}
	one.left--
	unlogged, one.unlogged = one.unlogged, 0
	return 0, true, unlogged
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
			delete(g.by, key)
		}
	}
	if len(g.by) >= mostAddresses {
		clear(g.by)
	}
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
