package simulated

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// atOnce is how many jobs are started before all of them wait. A development server keeps its tasks in one SQLite file, and
// it takes the server up to five seconds to count them again.
func atOnce() int {
	if atFullSize() {
		return 500
	}
	return 100
}

// searches starts n jobs of a tenant that need a GPU of a class, which has no worker yet, and returns when all of them
// wait for it.
func (f *fleet) searches(class, owner string, priority, n int) {
	f.t.Helper()
	queue := embed(class)
	waiting := -1
	await(f.t, "the server says what waits", func() bool { waiting = f.backlog(queue); return waiting >= 0 })
	common := workflows.Common{Tenant: owner, Priority: priority}
	var starts errgroup.Group
	starts.SetLimit(8)
	for i := range n {
		starts.Go(func() error {
			return f.start(fmt.Sprintf("%s-%s-%d-%05d", class, owner, priority, i), "SearchVideos", common, ingest.SearchInput{
				Common: common, Query: "harbour", Profile: profile(never, class),
			})
		})
		if (i+1)%atOnce() == 0 || i+1 == n {
			require.NoError(f.t, starts.Wait())
			// A server that is restarted counts tasks twice that it was about to write.
			await(f.t, "all jobs wait", func() bool { return f.backlog(queue) >= waiting+i+1 })
		}
	}
}

// embed is the queue of searches that need a GPU of a class.
func embed(class string) string { return workflows.ClassQueue(workflows.StemEmbed, class) }

// awaitServed waits until a class has taken n tasks of a tenant.
func (f *fleet) awaitServed(class string, owner tenant.ID, n int) {
	f.t.Helper()
	await(f.t, "all jobs were served", func() bool {
		return len(f.which(func(one task) bool { return one.queue == embed(class) && one.owner == owner })) == n
	})
}

// dispatched serves the jobs that wait for the only GPU of a class, and returns their tasks in the order in which its
// worker takes them.
func (f *fleet) dispatched(class string, jobs int) []task {
	f.t.Helper()
	f.serve(embed(class), 1)
	await(f.t, "all jobs were served", func() bool { return len(f.on(embed(class))) == jobs })
	return f.on(embed(class))
}

// TestPriorities: of the jobs that wait for a GPU, those of priority 1 come first, whatever the order of their start.
func TestPriorities(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const each = 2
	for _, priority := range []int{5, 3, 1, 4, 2} {
		f.searches("h100", "acme", priority, each)
		f.searches("h100", "bolt", priority, each)
	}
	order := f.dispatched("h100", 5*2*each)
	for i, one := range order {
		require.Equal(t, 1+i/(2*each), one.priority.PriorityKey, "task %d of %v", i, order)
		require.Equal(t, string(one.owner), one.priority.FairnessKey)
	}
}

// TestFairShares: tenants whose jobs wait for the same GPU get equal shares of it, whatever the number of their jobs and
// the order of their start, until one has none left.
func TestFairShares(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	jobs := map[string]int{"large": 35, "medium": 25, "small": 12}
	for _, owner := range []string{"large", "medium", "small"} {
		f.searches("h100", owner, 3, jobs[owner])
	}
	order := f.dispatched("h100", 72)
	requireShares(t, order, 10, "large", "medium", "small")
	requireShares(t, order[lastOf(order, "small")+1:], 10, "large", "medium")
}

// requireShares checks that in every window of the order in which all tenants still have tasks, each
// tenant has its share within 10 %.
func requireShares(t *testing.T, order []task, each int, owners ...tenant.ID) {
	t.Helper()
	waiting := len(order) // until then, all tenants have tasks
	for _, owner := range owners {
		waiting = min(waiting, lastOf(order, owner)+1)
	}
	size := each * len(owners)
	require.Greater(t, waiting, size, "too few windows in %v", order)
	for from := range waiting - size + 1 {
		got := map[tenant.ID]int{}
		for _, one := range order[from : from+size] {
			got[one.owner]++
		}
		for _, owner := range owners {
			require.InDelta(t, each, got[owner], float64(each)/10, "shares of tasks %d to %d: %v", from, from+size-1, got)
		}
	}
}

// lastOf is where the last task of a tenant is.
func lastOf(order []task, owner tenant.ID) int {
	for i, one := range slices.Backward(order) {
		if one.owner == owner {
			return i
		}
	}
	return -1
}
