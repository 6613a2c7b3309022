package procs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gpu/procs"
)

// fake makes a /proc of made-up processes.
func fake(t *testing.T) (h procs.Host, add func(pid int, files map[string]string, open ...string)) {
	t.Helper()
	dir := t.TempDir()
	h = procs.Host{Proc: filepath.Join(dir, "proc"), Dev: filepath.Join(dir, "dev")}
	write := func(path, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	write(filepath.Join(h.Proc, "driver/nvidia/gpus/0000:0b:00.0/information"), "Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t\t 77\nDevice Minor: \t 3\nGPU Excluded:\t No\n")
	write(filepath.Join(h.Dev, "nvidia3"), "")
	return h, func(pid int, files map[string]string, open ...string) {
		own := filepath.Join(h.Proc, strconv.Itoa(pid))
		write(filepath.Join(own, "stat"), strconv.Itoa(pid)+" (a) b (c)) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 777 0 0")
		for name, text := range files {
			write(filepath.Join(own, name), text)
		}
		require.NoError(t, os.MkdirAll(filepath.Join(own, "fd"), 0o700))
		for i, target := range open {
			require.NoError(t, os.Symlink(filepath.Join(h.Dev, target), filepath.Join(own, "fd", strconv.Itoa(i))))
		}
	}
}

func TestHolding(t *testing.T) {
	t.Parallel()
	h, add := fake(t)
	id := strings.Repeat("0123456789abcdef", 4)
	add(7, map[string]string{"cmdline": "/opt/bin/python\x00-m\x00vllm\x00--api-key\x00SECRET", "cgroup": "0::/system.slice/docker-" + id + ".scope\n"}, "null", "nvidia3")
	add(8, map[string]string{"cmdline": "python3\x00/home/a/train.py\x00SECRET", "environ": "A=1\x00" + procs.Variable + "=m1\x00B=2"}, "nvidia1")
	add(9, map[string]string{"comm": "kthread\n", "environ": procs.Variable + "=m12\x00"})

	found, err := h.Holding("00000000:0B:00.0")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Regexp(t, `^process 7 \(python -m vllm, user \S+, container 0123456789ab\)$`, found[0].String())
	found, err = h.Holding("00000000:FF:00.0")
	require.NoError(t, err)
	require.Empty(t, found)

	found, err = h.Marked("m1")
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, 8, found[0].PID)
	require.Equal(t, "python3 train.py", found[0].Command)
	require.EqualValues(t, 777, found[0].Started)

	p, ok := h.Describe(9)
	require.True(t, ok)
	require.Equal(t, "kthread", p.Command)
	_, ok = h.Describe(10)
	require.False(t, ok)
}

// TestKill: a number that another process has meanwhile is left alone.
func TestKill(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	require.NoError(t, cmd.Start())
	var h procs.Host
	p, ok := h.Describe(cmd.Process.Pid)
	require.True(t, ok)
	other := p
	other.Started++
	require.NoError(t, h.Kill(other))
	_, ok = h.Describe(cmd.Process.Pid)
	require.True(t, ok, "it lives")
	require.NoError(t, h.Kill(p))
	require.ErrorContains(t, cmd.Wait(), "killed")
	require.NoError(t, h.Kill(p), "it has ended")
}
