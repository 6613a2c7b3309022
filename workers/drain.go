package main

import (
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/workflows"
)

// A worker that is asked to stop takes no new work and begins no paid call. What
// runs gets a grace by its pool; see activities.Lifecycle.
const (
	// uploadGrace is for the checkpoint of a trainer that was stopped, on its way to the store.
	uploadGrace = 30 * time.Second
	// reportGrace is for an activity that was ended by its grace to tell the server.
	reportGrace = 5 * time.Second
	// closeGrace is for a worker that has drained to close its files.
	closeGrace = 10 * time.Second
)

// graceOf is how long activities of a pool may go on.
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

// setGraces gives each pool its grace. It refuses a limit that is too short for them:
// whoever stops this worker would kill it, and calls that are paid for with it.
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
			"raise stop_grace_period, or what else stops it, and COGFLOW_DRAIN_LIMIT_SECONDS with it", need, c.Drain.Limit))
}

// drainTime is the longest time that these pools, which drain together, take to stop.
func drainTime(pools []pool) time.Duration {
	longest := time.Duration(0)
	for _, p := range pools {
		longest = max(longest, p.grace)
	}
	return longest + reportGrace + closeGrace
}

// supervisedTime is how long a worker of any pools may take to stop.
func supervisedTime(c config.Config) time.Duration {
	all := pools()
	for i := range all {
		all[i].grace = all[i].graceOf(c)
	}
	return drainTime(all)
}
