package sandbox

import (
	"time"
)

// watchEvery is how often the watch looks at a child that no control group bounds.
const watchEvery = 250 * time.Millisecond

// ownProcesses are those of a sandbox beside the child's: see tie and Wrap.
const ownProcesses = 4

// usage is what a child and all its descendants use.
type usage struct {
	processes uint64        // threads included
	memory    uint64        // bytes; what several of them share counts for each
	exact     func() uint64 // bytes; what several share counts once
}

// watch returns the limit that the child of this process id exceeds, or nil when the
// child has ended. It is for hosts without control groups, so what grows fast may be over
// the limit for an instant. Where it cannot look, nothing is bounded.
func (w *Wrapped) watch(pid int) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.ended:
			return nil
		case <-tick.C:
		}
		now, err := usageOf(pid)
		switch {
		case err != nil:
		case w.limits.Processes > 0 && now.processes > w.limits.Processes+ownProcesses:
			return ErrProcesses
		case w.limits.Total > 0 && now.memory > w.limits.Total && now.exact() > w.limits.Total:
			return ErrMemory
		}
	}
}
