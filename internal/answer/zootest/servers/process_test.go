package servers_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/zootest"
	"github.com/cogniverse/cogflow/internal/porttest"
)

// program is a program of the environment that `make test-servers` installs.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(".venv/bin/" + name)
	require.NoError(t, err)
	require.FileExists(t, path, "run `make test-servers`, which installs the servers")
	return path
}

// models writes the model in all formats and returns its folder.
func models(t *testing.T) string {
	t.Helper()
	trainer, err := filepath.Abs("../../../../trainer/src")
	require.NoError(t, err)
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program(t, "python"), "models.py", dir)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+trainer, "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// run starts a server, waits until it answers, and returns its address. PORT in its arguments is
// replaced.
func run(t *testing.T, command []string) string {
	t.Helper()
	port := porttest.Free(t)
	address := "127.0.0.1:" + port
	line := strings.Split(strings.ReplaceAll(strings.Join(command, "\x00"), "PORT", port), "\x00")
	cmd := exec.CommandContext(t.Context(), program(t, line[0]), line[1:]...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1", "HF_HOME="+cmd.Dir, "VLLM_NO_USAGE_STATS=1", "VLLM_CPU_KVCACHE_SPACE=1", "PYTHONDONTWRITEBYTECODE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // vLLM has processes of its own
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // killed at the end of the test
	}()
	t.Cleanup(func() {
		<-ended
		if t.Failed() {
			t.Logf("%s", log.Bytes()[max(0, log.Len()-4000):])
		}
	})
	require.Eventually(t, func() bool {
		select {
		case <-ended:
			return true
		default:
			return zootest.IsUp(t.Context(), "http://"+address+"/health")
		}
	}, 5*time.Minute, 100*time.Millisecond)
	return "http://" + address + "/v1"
}
