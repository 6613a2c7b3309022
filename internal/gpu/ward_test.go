package gpu_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/gputest"
)

// ward is a host whose clock the test moves.
type ward struct {
	*gputest.Fake
	t    *testing.T
	host *gpu.Host
	now  time.Time
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{t: t, now: time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)}
	b := gputest.Whole(1, "GPU-b", 40)
	b.Bus = "00000000:65:00.0"
	w.Fake = gputest.New(gputest.Whole(0, "GPU-a", 40), b)
	w.host = gpu.NewHost(w.Fake, func() time.Time { return w.now })
	require.Empty(t, w.aside())
	return w
}

// aside looks, and returns why devices are set aside.
func (w *ward) aside() map[string]string {
	states, _ := w.host.Look(w.t.Context())
	out := map[string]string{}
	for _, s := range states {
		if s.Aside != "" {
			out[s.UUID] = s.Aside
		}
	}
	return out
}

// TestIllness: a GPU that is lost or has errors of its memory is set aside, and comes back when the
// driver says that it is well.
func TestIllness(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fall func(d *gpu.Device)
		says string
	}{
		"unreadable": {func(d *gpu.Device) { d.Trouble = "GPU is lost" }, "the driver cannot read it (GPU is lost); end the workers of this host, then run nvidia-smi --gpu-reset -i 1"},
		"unknown":    {func(d *gpu.Device) { *d = gpu.Device{Index: -1, Bus: d.Bus, UUID: "", Trouble: "Unknown Error"} }, "Unknown Error"},
		"ECC":        {func(d *gpu.Device) { d.Uncorrected = 3 }, "3 memory errors that ECC could not correct"},
		"remap":      {func(d *gpu.Device) { d.RemapFailed = true }, "have the GPU replaced"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.Change("GPU-b", c.fall)
			require.Contains(t, w.aside()["GPU-b"], c.says)
			require.Len(t, w.aside(), 1, "the other one is well")
			well := gputest.Whole(1, "GPU-b", 40)
			w.Change("GPU-b", func(d *gpu.Device) { *d = well })
			w.Change("", func(d *gpu.Device) { *d = well })
			require.Empty(t, w.aside())
		})
	}
}

// TestLost: a driver that no longer lists a GPU has lost it.
func TestLost(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.Lose("GPU-b")
	require.Contains(t, w.aside()["GPU-b"], "it is lost")
	require.Len(t, w.aside(), 1)
}

// TestSilentDriver: one reading that fails says nothing of the GPUs; several in a row do.
func TestSilentDriver(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.Fail(errors.New("driver hangs"))
	_, err := w.host.Look(t.Context())
	require.ErrorContains(t, err, "driver hangs")
	require.Empty(t, w.aside())
	require.Len(t, w.aside(), 2)
	w.Fail(nil)
	require.Empty(t, w.aside())
}

// TestXids: errors of the hardware set a GPU aside for a while, longer each time; those that the
// work causes do not.
func TestXids(t *testing.T) {
	t.Parallel()
	for _, code := range []uint64{13, 31, 43, 45, 68, 69, 109} {
		w := newWard(t)
		w.Report(gpu.Xid{UUID: "GPU-b", Code: code})
		require.Empty(t, w.aside(), code)
	}
	for _, code := range []uint64{48, 62, 63, 64, 74, 79, 94, 95, 119, 120, 140} {
		w := newWard(t)
		w.Report(gpu.Xid{UUID: "GPU-b", Code: code})
		require.Contains(t, w.aside()["GPU-b"], "Xid", code)
		require.Len(t, w.aside(), 1)
	}
	w := newWard(t)
	w.Report(gpu.Xid{UUID: "GPU-b", Code: 79})
	require.Contains(t, w.aside()["GPU-b"], "Xid 79, it has fallen off the bus; it is tried again at 03:10 UTC")
	w.now = w.now.Add(10 * time.Minute)
	require.Empty(t, w.aside(), "it is tried again")
	w.Report(gpu.Xid{Code: 48}) // the driver does not say of which
	require.Contains(t, w.aside()["GPU-b"], "03:30 UTC")
	require.Contains(t, w.aside()["GPU-a"], "03:20 UTC")
}
