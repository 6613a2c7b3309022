// Package flowtest holds what tests of workflows share. It knows no workflow.
package flowtest

import (
	"math"
	"time"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
)

// NewEnvironment is a test environment with the interceptors of a worker. The SDK's
// deadlock detector reads the wall clock: one second is too short under the race detector
// on a busy machine.
func NewEnvironment() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{
		Interceptors:             activities.Interceptors(0, nil),
		DeadlockDetectionTimeout: math.MaxInt64,
	})
	env.SetTestTimeout(10 * time.Minute)
	return env
}
