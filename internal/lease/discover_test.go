package lease

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

const (
	uuid0 = "GPU-5f2c6f7e-0a3b-9d1c-7a44-1f3f0c9b2e10"
	uuid1 = "GPU-c0ffee00-1111-2222-3333-444455556666"
	part0 = "MIG-2d0ac7b3-6a0e-5b7c-8f21-0c6f4b1f9f10"
	part1 = "MIG-7b1e4a9c-1d9f-5c3a-9e11-5a2b7d7c3e20"
)

const twoA100 = `0, ` + uuid0 + `, NVIDIA A100-SXM4-40GB, 40960, Disabled
1, ` + uuid1 + `, NVIDIA A100-SXM4-40GB, 40960, Disabled
`

const oneSplit = `0, ` + uuid0 + `, NVIDIA A100-SXM4-40GB, 40960, Enabled
1, ` + uuid1 + `, NVIDIA A100-SXM4-40GB, 40960, Disabled
`

const list = `GPU 0: NVIDIA A100-SXM4-40GB (UUID: ` + uuid0 + `)
  MIG 3g.20gb     Device  0: (UUID: ` + part0 + `)
  MIG 1c.3g.20gb+me  Device  1: (UUID: ` + part1 + `)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: ` + uuid1 + `)
`

func TestDiscover(t *testing.T) {
	t.Parallel()
	a100 := func(i int, uuid string) GPU {
		return GPU{Index: i, UUID: uuid, Name: "NVIDIA A100-SXM4-40GB", MemoryBytes: 40960 << 20}
	}
	for name, c := range map[string]struct {
		query, list string
		want        []GPU
		err         string
	}{
		"two":           {query: twoA100, want: []GPU{a100(0, uuid0), a100(1, uuid1)}},
		"carriage":      {query: strings.ReplaceAll(twoA100, "\n", "\r\n"), want: []GPU{a100(0, uuid0), a100(1, uuid1)}},
		"none":          {query: "No devices were found\n"},
		"empty":         {query: ""},
		"t4, no MIG":    {query: "0, " + uuid0 + ", Tesla T4, 15360, [N/A]\n", want: []GPU{{UUID: uuid0, Name: "Tesla T4", MemoryBytes: 15360 << 20}}},
		"shared memory": {query: "0, " + uuid0 + ", NVIDIA GB10, [N/A], [N/A]\n", want: []GPU{{UUID: uuid0, Name: "NVIDIA GB10"}}},
		"MIG": {query: oneSplit, list: list, want: []GPU{
			{UUID: part0, Name: "NVIDIA A100-SXM4-40GB", Profile: "3g.20gb", MemoryBytes: 20e9},
			{UUID: part1, Name: "NVIDIA A100-SXM4-40GB", Profile: "1c.3g.20gb+me", MemoryBytes: 20e9},
			a100(1, uuid1),
		}},
		"MIG without instances": {query: oneSplit, list: "GPU 0: A (UUID: " + uuid0 + ")\n", want: []GPU{a100(1, uuid1)}},
		"MIG, garbage":          {query: oneSplit, list: "GPU 0: A (UUID: " + uuid0 + ")\n  MIG what?\n", err: "MIG what?"},
		"MIG before its GPU":    {query: oneSplit, list: "  MIG 3g.20gb     Device  0: (UUID: " + part0 + ")\n", err: "no GPU"},
		"words":                 {query: "Unable to determine the device handle for GPU0: Unknown Error\n", err: "no GPU"},
		"lost":                  {query: "0, [Unknown Error], NVIDIA A100, 40960, Disabled\n", err: "Unknown Error"},
		"no number":             {query: "x, " + uuid0 + ", NVIDIA A100, 40960, Disabled\n", err: "no GPU"},
		"negative":              {query: "0, " + uuid0 + ", NVIDIA A100, -1, Disabled\n", err: "no GPU"},
		"malicious UUID":        {query: "0, GPU-1;rm -rf /tmp/x, NVIDIA A100, 1, Disabled\n", err: "no GPU"},
		"few fields":            {query: "0, " + uuid0 + "\n", err: "no GPU"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := discover(t.Context(), func(_ context.Context, args ...string) ([]byte, error) {
				if args[0] == "-L" {
					return []byte(c.list), nil
				}
				return []byte(c.query), nil
			})
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

// TestAsk runs a fake for the tool.
func TestAsk(t *testing.T) {
	t.Parallel()
	say := func(script string) ([]byte, error) { return ask(t.Context(), "/bin/sh", []string{"-c", script}) }
	out, err := say("env | sort")
	require.NoError(t, err)
	require.NotContains(t, string(out), "HOME=", "the tool gets none of our environment")

	out, err = say("echo No devices were found; exit 6")
	require.NoError(t, err)
	gpus, _, err := parseQuery(string(out))
	require.NoError(t, err)
	require.Empty(t, gpus)

	_, err = say("echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
	require.Equal(t, fault.Capacity, fault.ClassOf(err))
	require.ErrorContains(t, err, "Driver/library version mismatch")
	require.ErrorContains(t, err, "--gpu none")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = ask(ctx, "/bin/sh", []string{"-c", "exec sleep 60"})
	require.ErrorIs(t, err, context.Canceled)
}

// TestDiscoverHere asks this host: the answer is a list, or says what is broken.
func TestDiscoverHere(t *testing.T) {
	t.Parallel()
	gpus, err := Discover(t.Context())
	if err != nil {
		require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
	}
	for _, g := range gpus {
		require.Regexp(t, "^(GPU|MIG)-", g.UUID)
	}
}
