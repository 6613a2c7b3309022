package trainer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/training"
)

// TestMain checks after all tests that no goroutine of this package and no child
// is left. If an environment variable is set, it is the parent of TestParentDeath instead.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TRAINER_TEST_PARENT"); dir != "" {
		beParent(dir)
	}
	code := m.Run()
	if left := leftovers(); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "left after the tests:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leftovers lists the goroutines and children that are left, after a moment for those that are ending.
func leftovers() (left string) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		left = ""
		stacks := make([]byte, 1<<20)
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if strings.Contains(stack, "internal/trainer.(*") {
				left += stack + "\n"
			}
		}
		children, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", os.Getpid()))
		for _, path := range children {
			if pids, _ := os.ReadFile(path); len(pids) > 0 {
				left += "children " + string(pids) + "\n"
			}
		}
		if left == "" {
			return ""
		}
	}
	return left
}

// python finds the real interpreter: the shim of a version manager requires an
// environment.
func python(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "python3", "-c", "import sys; print(sys.executable)").Output()
	require.NoError(t, err, "the tests of the runner need python3")
	return strings.TrimSpace(string(out))
}

// runner runs the fake trainer of testdata, in the sandbox unless o has another one.
func runner(t testing.TB, o Options) *Runner {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	require.NoError(t, err)
	o.Python, o.Dir = python(t), dir
	if o.Sandbox == nil {
		o.Sandbox, err = sandbox.New(t.Context(), sandbox.Config{})
		require.NoError(t, err, "the tests of the trainer require bubblewrap: run make tools")
	}
	return New(o)
}

// job makes a job whose name tells the fake trainer what to do.
func job(t testing.TB, what string) training.Job {
	t.Helper()
	return training.Job{Version: training.ProtocolVersion, Job: what, Method: training.SFT, WorkDir: t.TempDir(), Device: "cpu"}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid string) bool {
	line, err := os.ReadFile("/proc/" + pid + "/cmdline")
	return err == nil && len(line) > 0
}
