package upstream

import (
	"sync"
	"time"
)

// gpuClock divides the time of a server's GPUs among the requests in progress: each moment counts in
// equal parts for all of them, so the parts add up to the time in which the server was busy. It sees
// only the requests of this process.
type gpuClock struct {
	gpus int
	now  func() time.Time

	mu    sync.Mutex
	busy  int       // requests in progress
	at    time.Time // when total was counted last
	total float64   // GPU seconds that a request would have got that was always in progress
}

// begin counts a request; end returns its part of the GPU time. It is called once.
func (c *gpuClock) begin() (end func() time.Duration) {
	if c.gpus == 0 {
		return func() time.Duration { return 0 }
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count()
	c.busy++
	before := c.total
	return func() time.Duration {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.count()
		c.busy--
		return time.Duration((c.total - before) * float64(time.Second)).Round(time.Millisecond)
	}
}

func (c *gpuClock) count() {
	now := c.now()
	if c.busy > 0 {
		c.total += now.Sub(c.at).Seconds() * float64(c.gpus) / float64(c.busy)
	}
	c.at = now
}
