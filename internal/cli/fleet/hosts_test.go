package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
)

func TestMain(m *testing.M) {
	fleet.AnswerIn(time.Second)
	m.Run()
}

// TestHostsWithoutWorkers: the question ends soon, and says what to do, also if no worker runs it, and if
// one that was killed still counts as alive.
func TestHostsWithoutWorkers(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	app := &cli.App{Quiet: true}
	app.Use(b.Client, submit.Server{Address: b.Address(), Namespace: "default"})
	ask := func() fleet.Answers {
		out, err := fleet.Hosts(t.Context(), app, b.Client, []string{"host/a/1"}, workflows.ModelServersInput{Common: workflows.Common{Priority: 1}})
		require.NoError(t, err)
		require.Empty(t, out.Hosts)
		require.Equal(t, []string{out.Problem}, out.Problems())
		return out
	}
	require.Contains(t, ask().Problem, "no worker serves the task queue cogflow")
	for _, command := range [][]string{{"models", "list"}, {"pools"}} { // nothing has a queue of its own
		code, _, stderr := b.Run(command...)
		require.Zero(t, code, stderr)
	}

	alone := worker.New(b.Client, workflows.HostQueue("a", "1"), worker.Options{})
	alone.RegisterActivity((&activities.Servers{}).ModelServers)
	require.NoError(t, alone.Start())
	t.Cleanup(alone.Stop)
	const unknown = "no worker serves the task queue cogflow, through which worker processes are asked; start one by `make up`"
	for command, word := range map[string]string{"list": "The state of model servers is unknown: ", "pools": "Not known: "} {
		args := []string{"models", command}
		if command == "pools" {
			args = args[1:]
		}
		code, out, stderr := b.Run(args...)
		require.Zero(t, code, stderr)
		require.Contains(t, out, word+unknown)
	}
	for _, command := range []string{"status", "warm", "release", "logs"} {
		code, _, stderr := b.Run("models", command, "qwen")
		require.Equal(t, cli.ExitFailed, code)
		require.Contains(t, stderr, `the state of model server "qwen" is unknown: `+unknown, command)
	}

	b.Serve() // it polls, and never ends this workflow
	require.Eventually(t, func() bool {
		p, err := app.AskPool(t.Context(), b.Client, workflows.QueueMain, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		return err == nil && p.Workers > 0
	}, time.Minute, 10*time.Millisecond)
	require.Contains(t, ask().Problem, "answered within 1s; its workers may have been killed")
}

// TestMemory: each GPU of a host is one row, whatever number of processes tell of it, and a model server has
// the memory of the GPUs that it has leased.
func TestMemory(t *testing.T) {
	t.Parallel()
	gpu := func(uuid string, used *int64, held string) activities.HostGPU {
		return activities.HostGPU{Name: "NVIDIA L40S", UUID: uuid, Total: 45 << 30, Used: used, Held: held}
	}
	server := activities.ModelServer{Server: "qwen", State: fleet.StateIdle, Devices: []string{"GPU-1", "GPU-2"}}
	hosts := []activities.WorkerHost{
		{Host: "b", Class: "l40s", GPUs: []activities.HostGPU{gpu("GPU-1", new(int64(30<<30)), ""), gpu("GPU-2", new(int64(3<<30)), ""), gpu("GPU-3", nil, "")}, Servers: []activities.ModelServer{server}},
		{Host: "b", Class: "l40s", GPUs: []activities.HostGPU{gpu("GPU-1", new(int64(31<<30)), "is leased by model server qwen")}},
		{Host: "a", Class: "l40s", GPUs: []activities.HostGPU{{UUID: "GPU-1", Aside: "GPU is lost"}}},
		{Host: "c", Class: "cpu"},
		{Host: "d", Class: "h100", Problem: "the driver hangs"},
		{Host: "d", Class: "h100", Problem: "the driver hangs"},
	}
	all := fleet.GPUs(hosts)
	texts := map[string][]string{}
	for _, g := range all {
		texts[g.Host+" "+g.UUID] = []string{g.MemoryText(), g.StateText()}
	}
	require.Len(t, all, 4)
	require.Equal(t, map[string][]string{
		"a GPU-1": {"–", "set aside: GPU is lost"}, "b GPU-1": {"31.0 of 45.0 GiB", "is leased by model server qwen"},
		"b GPU-2": {"3.0 of 45.0 GiB", "free"}, "b GPU-3": {"unknown of 45.0 GiB", "free"},
	}, texts)
	require.Equal(t, "33.0 of 90.0 GiB", fleet.Servers(hosts, "")[0].MemoryText())
	require.Equal(t, []string{"GPUs of d: the driver hangs"}, fleet.Answers{ModelServersResult: workflows.ModelServersResult{Hosts: hosts}}.Problems())

	hosts[0].GPUs[1].Used = nil
	require.Equal(t, "unknown of 90.0 GiB", fleet.Servers(hosts, "")[0].MemoryText())
	hosts[0].Servers[0].Devices = nil
	require.Equal(t, "–", fleet.Servers(hosts, "")[0].MemoryText())
}
