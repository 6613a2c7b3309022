//go:build cgo && linux

package nvml_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/gputest"
	"github.com/cogniverse/cogflow/internal/gpu/nvml"
)

// library builds the fake library, which reads its facts from a file.
func library(t *testing.T) (path, spec string) {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	require.NoError(t, err, "install gcc, which the race detector requires, too; it builds the fake of the library")
	header, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml/pkg/nvml").Output()
	require.NoError(t, err)
	dir := t.TempDir()
	path, spec = filepath.Join(dir, "libnvidia-ml.so.1"), filepath.Join(dir, "spec")
	out, err := exec.CommandContext(t.Context(), gcc, "-shared", "-fPIC", "-w", "-DSPEC=\""+spec+"\"", "-I"+strings.TrimSpace(string(header)), "-o", path, "testdata/fake.c").CombinedOutput() //nolint:gosec // paths of the test
	require.NoError(t, err, "%s", out)
	return path, spec
}

// facts are the lines of a host.
func facts(name string, c gputest.Case) string {
	var out strings.Builder
	whole := ""
	for _, d := range c.Want {
		flag := map[bool]int{true: 1}
		switch {
		case d.Trouble != "":
			out.WriteString("lost\n")
			continue
		case d.Profile != "":
			if whole != d.Whole {
				fmt.Fprintf(&out, "gpu %s %s %d %d 1 %d %d %s\n", d.Whole, d.Bus, 80<<30, 0, d.Uncorrected, flag[d.RemapFailed], d.Name)
				whole = d.Whole
			}
			fmt.Fprintf(&out, "mig %s %d %d %s MIG %s\n", d.UUID, d.MemoryBytes, d.UsedBytes, d.Name, d.Profile)
		default:
			fmt.Fprintf(&out, "gpu %s %s %d %d 0 %d %d %s\n", d.UUID, d.Bus, d.MemoryBytes, d.UsedBytes, d.Uncorrected, flag[d.RemapFailed], d.Name)
		}
		for _, p := range d.Processes {
			fmt.Fprintf(&out, "proc %d %d\n", p.PID, p.Bytes)
		}
	}
	const mismatch, notLoaded = 18, 9
	switch name {
	case "driver mismatch":
		fmt.Fprintf(&out, "init %d\n", mismatch)
	case "no driver":
		fmt.Fprintf(&out, "init %d\n", notLoaded)
	}
	return out.String()
}

// TestNVML: the library says what nvidia-smi says. All of it is one test, because a process has one
// such library.
func TestNVML(t *testing.T) {
	_, found, err := nvml.Open(filepath.Join(t.TempDir(), "absent.so"))
	require.NoError(t, err)
	require.False(t, found)
	path, spec := library(t)
	open := func(text string) gpu.Devices {
		require.NoError(t, os.WriteFile(spec, []byte(text), 0o600))
		d, found, err := nvml.Open(path)
		require.NoError(t, err)
		require.True(t, found)
		return d
	}
	gputest.Conform(t, func(_ *testing.T, name string, c gputest.Case) gpu.Devices { return open(facts(name, c)) })

	d := open(facts("", gputest.Cases()["two"]) + "xid 79\n")
	require.Empty(t, d.Xids())
	devices, err := d.Read(t.Context())
	require.NoError(t, err)
	var got []gpu.Xid
	require.Eventually(t, func() bool { got = append(got, d.Xids()...); return len(got) > 0 }, time.Minute, time.Millisecond)
	require.Equal(t, []gpu.Xid{{UUID: devices[0].UUID, Code: 79}}, got)
	require.NoError(t, d.Close())
}
