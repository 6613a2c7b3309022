package gpus

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/gputest"
)

func opened(f gpu.Devices) func() (gpu.Devices, error) {
	return func() (gpu.Devices, error) { return f, nil }
}

func TestClass(t *testing.T) {
	t.Parallel()
	named := func(name string, mib int64) gpu.Device {
		return gpu.Device{UUID: "GPU-" + name, Name: name, MemoryBytes: mib << 20}
	}
	broken := gputest.New()
	broken.Fail(fault.New(fault.Capacity, "read the GPUs", "", "Driver/library version mismatch"))
	for name, c := range map[string]struct {
		asked string
		host  gpu.Devices
		want  string
		err   string
	}{
		"none":           {asked: "none", want: "cpu"},
		"named":          {asked: "A10", want: "a10g"},
		"unknown":        {asked: "x", err: "must be auto, none or one of"},
		"no driver":      {asked: "auto", host: gpu.None{}, want: "cpu"},
		"h100":           {asked: "auto", host: gputest.New(named("NVIDIA H100 80GB HBM3", 81559), named("NVIDIA H100 80GB HBM3", 81559)), want: "h100"},
		"a100 of 40 GB":  {asked: "auto", host: gputest.New(named("NVIDIA A100-SXM4-40GB", 40960)), want: "a100-40gb"},
		"desktop":        {asked: "auto", host: gputest.New(named("NVIDIA GeForce RTX 4090", 24564)), err: "set its class with --gpu"},
		"several":        {asked: "auto", host: gputest.New(named("Tesla T4", 15360), named("NVIDIA L4", 23034)), err: "t4, l4"},
		"one of two ill": {asked: "auto", host: gputest.New(named("Tesla T4", 15360), gpu.Device{Bus: "00000000:0B:00.0", Trouble: "GPU is lost"}), want: "t4"},
		"all ill":        {asked: "auto", host: gputest.New(gpu.Device{Bus: "00000000:0B:00.0", Trouble: "GPU is lost"}), err: "GPU is lost"},
		"driver broken":  {asked: "auto", host: broken, err: "version mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Class(t.Context(), c.asked, opened(c.host))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.NotEmpty(t, fault.ClassOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// TestHealth: the pool of a worker shrinks by a GPU that is ill, health says why, and the pool grows
// again when it is well.
func TestHealth(t *testing.T) {
	t.Parallel()
	own := "GPU-test-" + rand.Text()
	one, two := own+"-a", own+"-b"
	driver := gputest.New(gputest.Whole(0, one, 40), gputest.Whole(1, two, 40))
	g := New(t.Context(), Options{Class: "a100-40gb", Open: opened(driver)})
	require.Empty(t, g.Checks(t.Context()), "nothing leases GPUs yet")
	training, _, slots, err := g.Training()
	require.NoError(t, err)
	require.Equal(t, 2, slots)
	table, err := g.Table()
	require.NoError(t, err)
	s := newSlots(table)
	require.NotNil(t, s.TryReserveSlot(nil))
	require.Equal(t, 2, s.MaxSlots())

	driver.Change(two, func(d *gpu.Device) { d.UsedBytes = 30 << 30 })
	require.Contains(t, g.Checks(t.Context())[1].Detail, "("+two+") is held by processes that this worker cannot see: 30.0 GiB")
	driver.Change(two, func(d *gpu.Device) { d.UsedBytes = 0 })
	driver.Change(one, func(d *gpu.Device) { d.Uncorrected = 1 })
	rows := g.Checks(t.Context())
	require.Len(t, rows, 2)
	require.Equal(t, "warn", rows[0].Status)
	require.Contains(t, rows[0].Detail, "NVIDIA A100-SXM4-40GB, 0.0 GiB of 40.0 GiB used ("+one+") is set aside: 1 memory errors")
	require.Contains(t, rows[1].Detail, "is free")
	require.Equal(t, 1, s.MaxSlots())
	require.Nil(t, s.TryReserveSlot(nil), "one is taken, and one is left")
	driver.Change(two, func(d *gpu.Device) { d.Trouble = "GPU is lost" })
	rows = g.Checks(t.Context())
	require.Equal(t, "fail", rows[1].Status)
	require.Negative(t, s.MaxSlots())
	_, _, err = training.Lease(t.Context(), 1, func(string) {})
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)

	driver.Change(one, func(d *gpu.Device) { d.Uncorrected = 0 })
	got := make(chan error, 1)
	go func() { _, err := s.ReserveSlot(t.Context(), nil); got <- err }()
	g.Checks(t.Context())
	s.ReleaseSlot(nil)
	require.NoError(t, <-got)
	driver.Fail(fault.New(fault.Capacity, "read", "", "hangs"))
	rows = g.Checks(t.Context())
	require.Len(t, rows, 1)
	require.Contains(t, rows[0].Detail, "hangs")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.ReserveSlot(ended, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, g.Close())
	left, err := filepath.Glob("/run/lock/cogflow-gpus/" + own + "-*.holder")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestSummary(t *testing.T) {
	t.Parallel()
	part := gputest.Whole(2, "MIG-a", 20)
	part.Profile = "3g.20gb"
	text := Summary([]gpu.Device{gputest.Whole(0, "GPU-a", 40), gputest.Whole(1, "GPU-b", 40), part, {Trouble: "lost"}})
	require.Equal(t, "2 × NVIDIA A100-SXM4-40GB, 40.0 GiB; 1 × NVIDIA A100-SXM4-40GB 3g.20gb, 20.0 GiB; 1 × GPU that cannot be read", text)
	g := New(t.Context(), Options{Class: "a100-40gb", Open: opened(gputest.New(part))})
	plugins := g.Plugins(t.Context())
	require.Len(t, plugins, 1)
	require.Equal(t, PluginName, plugins[0].Name())
	require.Empty(t, New(t.Context(), Options{Class: "cpu"}).Plugins(t.Context()))
}

// TestDevices: a worker tells the memory of its GPUs, and who holds them once it leases GPUs.
func TestDevices(t *testing.T) {
	t.Parallel()
	part := gputest.Whole(1, "MIG-test-told", 20)
	part.Profile, part.UsedBytes = "3g.20gb", -1
	driver := gputest.New(gputest.Whole(0, "GPU-test-told", 40), part)
	driver.Change("GPU-test-told", func(d *gpu.Device) { d.UsedBytes = 30 << 30 })
	g := New(t.Context(), Options{Class: "a100-40gb", Open: opened(driver)})
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	used := int64(30 << 30)
	want := []activities.HostGPU{
		{Name: "NVIDIA A100-SXM4-40GB", UUID: "GPU-test-told", Total: 40 << 30, Used: &used},
		{Name: "NVIDIA A100-SXM4-40GB 3g.20gb", UUID: "MIG-test-told", Total: 20 << 30},
	}
	found, err := g.Devices(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, found)

	_, err = g.Table()
	require.NoError(t, err)
	found, err = g.Devices(t.Context())
	require.NoError(t, err)
	require.Contains(t, found[0].Held, "is held by processes that this worker cannot see")
	found[0].Held = ""
	require.Equal(t, want, found)
	driver.Change("GPU-test-told", func(d *gpu.Device) { d.Uncorrected = 1 })
	found, err = g.Devices(t.Context())
	require.NoError(t, err)
	require.Contains(t, found[0].Aside, "1 memory errors")
	driver.Fail(fault.New(fault.Capacity, "read", "", "hangs"))
	_, err = g.Devices(t.Context())
	require.ErrorContains(t, err, "hangs")
	_, err = New(t.Context(), Options{Class: "a100-40gb", Open: opened(driver)}).Devices(t.Context())
	require.ErrorContains(t, err, "hangs")
	none, err := New(t.Context(), Options{Class: "cpu"}).Devices(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
}
