package sandbox

import (
	"time"
)

// watchEvery is the interval at which a child without a control group is checked.
const watchEvery = 250 * time.Millisecond

// ownProcesses is the number of processes of a sandbox besides the child's: see endWithParent and Wrap.
const ownProcesses = 4

// usage is what a child and all its descendants use.
type usage struct {
	processes uint64        // threads included
	memory    uint64        // bytes; shared memory counts for each process
	exact     func() uint64 // bytes; shared memory counts once
}

// watch returns the limit that the child exceeds, or nil when the child has ended. It is
// for hosts without control groups. A child that grows fast can exceed the limit for an
// instant. Where the usage cannot be read, no limit is enforced.
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
