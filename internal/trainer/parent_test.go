package trainer

import (
	"bufio"
	"context"
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

// TestParentDeath: when a worker is killed, the kernel kills its trainer.
func TestParentDeath(t *testing.T) {
	t.Parallel()
	for _, off := range []string{"", "yes"} {
		parentDies(t, off)
	}
}

func parentDies(t *testing.T, off string) {
	t.Helper()
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), "TRAINER_TEST_PARENT="+t.TempDir(), "TRAINER_TEST_PYTHON="+python(t), "TRAINER_TEST_NO_SANDBOX="+off)
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	trainer := strings.TrimSpace(line)
	require.DirExists(t, "/proc/"+trainer)
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	require.Eventually(t, func() bool { return !alive(trainer) }, time.Minute, 10*time.Millisecond)
}

// beParent runs a trainer until the trainer is killed. Meanwhile goroutines, and their
// threads, start and end: this must not end the trainer.
func beParent(dir string) {
	stand, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	box, err := sandbox.New(context.Background(), sandbox.Config{Off: os.Getenv("TRAINER_TEST_NO_SANDBOX") != ""})
	if err != nil {
		panic(err)
	}
	r := New(Options{Python: os.Getenv("TRAINER_TEST_PYTHON"), Dir: stand, Sandbox: box})
	err = r.Run(context.Background(), training.Job{Job: "unready", WorkDir: dir}, "", nil, nil, func(training.Event) error {
		for range 100 {
			done := make(chan struct{})
			go func() {
				runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
				close(done)
			}()
			<-done
		}
		children, err := filepath.Glob("/proc/self/task/*/children")
		if err != nil {
			return err
		}
		for _, path := range children {
			if pid, err := os.ReadFile(path); err == nil && len(pid) > 0 {
				fmt.Println(string(pid)) //nolint:forbidigo // the test reads it
			}
		}
		return nil
	})
	panic(err)
}
