package simulated

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/tenant"
)

// TestSoakStarving: thousands of jobs of one tenant raise the waits of another at most to twice what they are without
// them. A wait is the number of tasks until a job is served, so a busy machine changes nothing. At full size, tasks take a
// time until all of the other tenant's are served, so that waits in seconds say the same. The rest is served at once.
func TestSoakStarving(t *testing.T) {
	t.Parallel()
	few, many := 10, 30
	f := newFleet(t)
	if atFullSize() {
		few, many = 100, 5000
		f.gpuTime.Store(int64(200 * time.Millisecond))
	}
	f.searches("h200", "few", 3, few)
	f.serve(embed("h200"), 1)
	f.awaitServed("h200", "few", few)
	alone := waits(f.on(embed("h200")), "few")
	f.searches("h100", "many", 3, many)
	f.searches("h100", "few", 3, few) // they come last
	f.serve(embed("h100"), 1)
	f.awaitServed("h100", "few", few)
	both := waits(f.on(embed("h100")), "few")
	t.Logf("%d jobs, p95 of their waits: %d tasks, %s alone; %d tasks, %s behind %d jobs of another tenant", few,
		p95(alone).tasks, p95(alone).time, p95(both).tasks, p95(both).time, many)
	require.LessOrEqual(t, p95(both).tasks, 2*p95(alone).tasks)
	f.gpuTime.Store(0)
	f.awaitServed("h100", "many", many)
}

// wait is how long a job waited from the first task of its queue on.
type wait struct {
	tasks int
	time  time.Duration
}

// waits of the jobs of a tenant, the shortest first.
func waits(order []task, owner tenant.ID) (out []wait) {
	for i, one := range order {
		if one.owner == owner {
			out = append(out, wait{i + 1, one.at.Sub(order[0].at).Round(time.Millisecond)})
		}
	}
	return out
}

func p95(sorted []wait) wait { return sorted[(len(sorted)*95+99)/100-1] }
