package ondemand

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
)

// TestHostGPUs: a worker process tells the GPUs of its host with and without model servers, and its
// servers also when the driver fails or hangs.
func TestHostGPUs(t *testing.T) {
	t.Parallel()
	gpus := []activities.HostGPU{{Name: "NVIDIA L40S", UUID: "GPU-a"}}
	tells := func(context.Context) ([]activities.HostGPU, error) { return gpus, nil }
	require.Nil(t, WithoutServers("cpu", tells))
	alone := WithoutServers("l40s", tells)
	out, err := alone.List(t.Context(), activities.ServerInput{})
	require.NoError(t, err)
	require.Equal(t, gpus, out.GPUs)
	require.Equal(t, "l40s", out.Class)
	require.Empty(t, out.Servers)
	for _, name := range []string{"m", "qwen"} {
		_, err = alone.Warm(t.Context(), name, func(string) {})
		require.ErrorContains(t, err, FindOp+` "`+name+`": this worker has none`)
	}

	o := options(t, "qwen", "qwen")
	o.Devices = func(context.Context) ([]activities.HostGPU, error) {
		return nil, fault.New(fault.Capacity, "read the GPUs", "NVML", "Unknown\nError")
	}
	out, err = open(t, o).Activities().List(t.Context(), activities.ServerInput{Server: "qwen"})
	require.NoError(t, err)
	require.Len(t, out.Servers, 1)
	require.Equal(t, `read the GPUs "NVML": Unknown Error`, out.Problem)
}

func TestDriverHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out, err := WithoutServers("l40s", func(ctx context.Context) ([]activities.HostGPU, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}).List(t.Context(), activities.ServerInput{})
		require.NoError(t, err)
		require.Equal(t, "read the GPUs: the driver did not answer within 5s", out.Problem)
	})
}
