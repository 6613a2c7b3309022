package main

import (
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/workers/polling"
	"github.com/cogniverse/cogflow/workflows"
)

// A draining worker takes no new tasks and starts no paid calls. Running activities get a
// grace period that depends on their pool; see activities.Lifecycle.
const (
	// uploadGrace is the time to upload the checkpoint of a stopped trainer.
	uploadGrace = 30 * time.Second
	// closeGrace is the time for a drained worker to close its files.
	closeGrace = 10 * time.Second
)

// graceOf returns the time for which running activities of a pool may continue.
func (p pool) graceOf(c config.Config) time.Duration {
	switch {
	case p.name == workflows.StemTrain:
		return c.Training.Grace + uploadGrace
	case p.pays:
		return c.Drain.Calls
	default:
		return activities.ShortGrace
	}
}

// setGraces sets the grace period of each pool. It rejects a drain limit that is too short:
// the worker would be killed while paid calls are in flight.
func setGraces(pools []pool, c config.Config) error {
	for i := range pools {
		pools[i].grace = pools[i].graceOf(c)
	}
	need := drainTime(pools)
	if c.Drain.Limit == 0 || c.Drain.Limit >= need {
		return nil
	}
	return fault.New(fault.Input, "start worker", "", fmt.Sprintf(
		"it needs up to %s to drain (cogflow.drain.calls_seconds, cogflow.training.grace_seconds), but is killed after %s; "+
			"raise stop_grace_period (or the equivalent of your supervisor) and COGFLOW_DRAIN_LIMIT_SECONDS", need, c.Drain.Limit))
}

// drainTime returns the maximum time that these pools take to stop; they drain concurrently.
func drainTime(pools []pool) time.Duration {
	longest := time.Duration(0)
	for _, p := range pools {
		longest = max(longest, p.grace)
	}
	return longest + polling.ReportGrace + closeGrace
}

// supervisedTime returns the maximum time that a worker takes to stop, whatever its pools.
func supervisedTime(c config.Config) time.Duration {
	all := pools()
	for i := range all {
		all[i].grace = all[i].graceOf(c)
	}
	return drainTime(all)
}
