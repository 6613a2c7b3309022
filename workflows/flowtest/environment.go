// Package flowtest holds what tests of workflows share. It knows no workflow.
package flowtest

import (
	"math"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
)

// NewEnvironment is a test environment with the interceptors of a worker.
func NewEnvironment() *testsuite.TestWorkflowEnvironment {
	return NewEnvironmentWith(activities.Interceptors(0, nil)...)
}

// NewEnvironmentWith is a test environment with only these interceptors. The SDK's deadlock
// detector and its limit of a test without progress read the wall clock: one second and
// three are too short under the race detector on a busy machine.
func NewEnvironmentWith(interceptors ...interceptor.WorkerInterceptor) *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetWorkerOptions(worker.Options{
		Interceptors:             interceptors,
		DeadlockDetectionTimeout: math.MaxInt64,
	})
	env.SetTestTimeout(10 * time.Minute)
	return env
}
