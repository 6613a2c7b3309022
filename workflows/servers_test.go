package workflows_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/flowtest"
)

// TestModelServers: a worker process that fails is named, and the others are heard. Nothing is
// tried again.
func TestModelServers(t *testing.T) {
	t.Parallel()
	env := flowtest.NewEnvironment()
	register(env, "ListModelServers")
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.ServerInput) (activities.WorkerHost, error) {
		if activity.GetInfo(ctx).TaskQueue == "host/b/2" {
			return activities.WorkerHost{}, workflows.Typed(fault.New(fault.Input, "find model server", in.Server, "unknown"))
		}
		return activities.WorkerHost{Host: "a", Servers: []activities.ModelServer{{Server: in.Server}}}, nil
	}, activity.RegisterOptions{Name: "ModelServers"})
	env.ExecuteWorkflow("ListModelServers", workflows.ModelServersInput{Queues: []string{"host/a/1", "host/b/2"}, Server: "qwen"})
	require.NoError(t, env.GetWorkflowError())
	var out workflows.ModelServersResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, []string{`b/2: find model server "qwen": unknown`}, out.Silent)
	require.Equal(t, []activities.WorkerHost{{Host: "a", Queue: "host/a/1", Servers: []activities.ModelServer{{Server: "qwen"}}}}, out.Hosts)

	for _, c := range []struct{ kind, input, text string }{
		{"ListModelServers", `{}`, `"queues": is required`},
		{"ListModelServers", `{"queues":["media"]}`, `which begin with host/`},
		{"ListModelServers", `{"queues":["host/a/1"],"log_lines":501}`, `must be 0 to 500`},
		{"WarmModelServer", `{"queues":["host/a/1"]}`, `"server": is required`},
		{"ReleaseModelServer", `{"queues":["host/a/1"]}`, `"server": is required`},
	} {
		require.ErrorContains(t, started(t, c.kind, c.input, nil), c.text)
	}
}
