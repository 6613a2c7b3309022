package gpu_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/gputest"
)

// said is what the tool prints on a host: texts as real drivers print them, with made-up UUIDs.
type said struct {
	GPU    string `json:"gpu"`
	Remap  string `json:"remap"`
	Apps   string `json:"apps"`
	List   string `json:"list"`
	Status int    `json:"status"`
}

func (s said) run(_ context.Context, args ...string) ([]byte, error) {
	out := ""
	switch {
	case strings.HasPrefix(args[0], "--query-gpu="):
		out = s.GPU
	case strings.HasPrefix(args[0], "--query-remapped-rows="):
		out = s.Remap
	case strings.HasPrefix(args[0], "--query-compute-apps="):
		out = s.Apps
	case args[0] == "-L":
		out = s.List
	}
	if s.Status != 0 {
		return []byte(out), errors.New("exit status")
	}
	return []byte(out), nil
}

func TestSMIConforms(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/smi.json")
	require.NoError(t, err)
	var all map[string]said
	require.NoError(t, json.Unmarshal(text, &all))
	gputest.Conform(t, func(t *testing.T, name string, _ gputest.Case) gpu.Devices {
		t.Helper()
		require.Contains(t, all, name)
		return &gpu.SMI{Run: all[name].run}
	})
}

func TestFakeConforms(t *testing.T) {
	t.Parallel()
	gputest.Conform(t, func(_ *testing.T, _ string, c gputest.Case) gpu.Devices {
		f := gputest.New(c.Want...)
		if c.Fault != "" {
			f.Fail(fault.New(fault.Capacity, "read", "", c.Fault))
		}
		return f
	})
}

const (
	uuid0 = "GPU-5f2c6f7e-0a3b-9d1c-7a44-1f3f0c9b2e10"
	part0 = "MIG-2d0ac7b3-6a0e-5b7c-8f21-0c6f4b1f9f10"
	split = "0, " + uuid0 + ", 00000000:07:00.0, NVIDIA A100, 40960, 4, Enabled, 0\n"
)

// TestStrangeSMI: what the tool may print besides the cases of all adapters.
func TestStrangeSMI(t *testing.T) {
	t.Parallel()
	line := func(fields ...string) string { return strings.Join(fields, ", ") + "\n" }
	for name, c := range map[string]struct {
		says said
		want []gpu.Device
		err  string
	}{
		"carriage returns": {
			says: said{GPU: "0, " + uuid0 + ", 00000000:07:00.0, Tesla T4, 15360, 3, [N/A], [N/A]\r\n"},
			want: []gpu.Device{{UUID: uuid0, Name: "Tesla T4", Bus: "00000000:07:00.0", MemoryBytes: 15360 << 20, UsedBytes: 3 << 20}},
		},
		"memory shared with the CPU": {
			says: said{GPU: line("0", uuid0, "0000000F:01:00.0", "NVIDIA GB10", "[N/A]", "[N/A]", "[N/A]", "[N/A]")},
			want: []gpu.Device{{UUID: uuid0, Name: "NVIDIA GB10", Bus: "0000000F:01:00.0", UsedBytes: -1}},
		},
		"process in a container": {
			says: said{GPU: line("0", uuid0, "00000000:07:00.0", "Tesla T4", "15360", "900", "[N/A]", "0"), Apps: line(uuid0, "17", "[N/A]") + "x\n"},
			want: []gpu.Device{{
				UUID: uuid0, Name: "Tesla T4", Bus: "00000000:07:00.0", MemoryBytes: 15360 << 20, UsedBytes: 900 << 20,
				Processes: []gpu.Process{{PID: 17}},
			}},
		},
		"lost, listed": {
			says: said{GPU: line("1", "[GPU is lost]", "00000000:0B:00.0", "[GPU is lost]", "[GPU is lost]", "[GPU is lost]", "[GPU is lost]", "[GPU is lost]")},
			want: []gpu.Device{{Index: 1, Bus: "00000000:0B:00.0", Trouble: "GPU is lost", UsedBytes: -1}},
		},
		"ERR!": {
			says: said{GPU: line("0", uuid0, "00000000:0B:00.0", "NVIDIA A100", "ERR!", "ERR!", "Disabled", "0")},
			want: []gpu.Device{{UUID: uuid0, Bus: "00000000:0B:00.0", Trouble: "ERR!", UsedBytes: -1}},
		},
		"only a lost one": {
			says: said{GPU: "Unable to determine the device handle for GPU 0000:0B:00.0: Unknown Error\n", Status: 15},
			want: []gpu.Device{{Index: -1, Bus: "00000000:0B:00.0", Trouble: "Unknown Error", UsedBytes: -1}},
		},
		"MIG without instances": {says: said{GPU: split, List: "GPU 0: A (UUID: " + uuid0 + ")\n"}},
		"MIG with a compute instance": {
			says: said{GPU: split, List: "GPU 0: A (UUID: " + uuid0 + ")\n  MIG 1c.3g.20gb+me  Device  1: (UUID: " + part0 + ")\n"},
			want: []gpu.Device{{UUID: part0, Whole: uuid0, Name: "NVIDIA A100", Bus: "00000000:07:00.0", Profile: "1c.3g.20gb+me", MemoryBytes: 20e9, UsedBytes: -1}},
		},
		"MIG, garbage":      {says: said{GPU: split, List: "GPU 0: A (UUID: " + uuid0 + ")\n  MIG what?\n"}, err: "MIG what?"},
		"MIG before a GPU":  {says: said{GPU: split, List: "  MIG 3g.20gb     Device  0: (UUID: " + part0 + ")\n"}, err: "no GPU"},
		"words":             {says: said{GPU: "Field \"x\" is not a valid field to query.\n"}, err: "no GPU"},
		"no number":         {says: said{GPU: line("x", uuid0, "", "A", "1", "0", "", "0")}, err: "no GPU"},
		"negative":          {says: said{GPU: line("0", uuid0, "", "A", "-1", "0", "", "0")}, err: "no GPU"},
		"malicious UUID":    {says: said{GPU: line("0", "GPU-1;rm -rf /tmp/x", "", "A", "1", "0", "", "0")}, err: "no GPU"},
		"few fields":        {says: said{GPU: "0, " + uuid0 + "\n"}, err: "no GPU"},
		"tool fails":        {says: said{GPU: "Insufficient Permissions", Status: 4}, err: "Insufficient Permissions; repair the driver"},
		"driver not loaded": {says: said{GPU: "Failed to initialize NVML: Driver Not Loaded\n", Status: 9}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := (&gpu.SMI{Run: c.says.run}).Read(t.Context())
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.Equal(t, fault.Capacity, fault.ClassOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// TestSMIRuns runs a script in place of the tool, which gets none of our environment.
func TestSMIRuns(t *testing.T) {
	t.Parallel()
	tool := t.TempDir() + "/nvidia-smi"
	require.NoError(t, os.WriteFile(tool, []byte("#!/bin/sh\nif [ -n \"$HOME\" ]; then exit 3; fi\necho 'No devices were found'\nexit 6\n"), 0o700)) //nolint:gosec // it is run
	got, err := gpu.SMIAt(tool).Read(t.Context())
	require.NoError(t, err)
	require.Empty(t, got)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = gpu.SMIAt(tool).Read(ended)
	require.ErrorIs(t, err, context.Canceled)
}
