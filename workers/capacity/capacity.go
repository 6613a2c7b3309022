// Package capacity asks Temporal whether a GPU class has workers.
package capacity

import (
	"context"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows"
)

// Of returns a function that reports whether workers have polled the queue of a pool and a class
// in the last minutes.
func Of(c client.Client) func(ctx context.Context, pool, class string) (bool, error) {
	return func(ctx context.Context, pool, class string) (bool, error) {
		queue := workflows.ClassQueue(pool, class)
		d, err := c.DescribeTaskQueue(ctx, queue, enums.TASK_QUEUE_TYPE_ACTIVITY)
		if err != nil {
			return false, fault.Wrap(fault.Transport, "ask for workers of", queue, err)
		}
		return len(d.GetPollers()) > 0, nil
	}
}
