package main

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/drain"
	"github.com/cogniverse/cogflow/internal/supervisor"
	"github.com/cogniverse/cogflow/workers/draining"
	"github.com/cogniverse/cogflow/workflows"
)

// A draining worker takes no new tasks and starts no paid calls. Running activities get a
// grace period that depends on their pool; see activities.Lifecycle.

// graceOf returns the time for which running activities of a pool may continue.
func (p pool) graceOf(c config.Config) time.Duration {
	switch {
	case p.name == workflows.StemTrain:
		return c.Training.Grace + drain.UploadGrace
	case p.pays:
		return c.Drain.Calls
	default:
		return activities.ShortGrace
	}
}

// setGraces sets the grace period of each pool. It returns the maximum time that they take to
// stop; they drain concurrently.
func setGraces(pools []pool, c config.Config) time.Duration {
	longest := time.Duration(0)
	for i := range pools {
		pools[i].grace = pools[i].graceOf(c)
		longest = max(longest, pools[i].grace)
	}
	return drain.Total(longest)
}

// drainLimit compares the time that these pools take to stop with the time that they get.
func drainLimit(ctx context.Context, needs time.Duration, c config.Config, getenv func(string) string) (draining.Limit, error) {
	manager, err := supervisor.Find(ctx, supervisor.System{Getenv: getenv})
	return draining.Compare(needs, c.Drain, manager, err)
}

// supervisedTime returns the maximum time that a worker takes to stop, whatever its pools.
func supervisedTime(c config.Config) time.Duration { return setGraces(pools(), c) }
