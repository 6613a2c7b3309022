package sandbox

import (
	"bufio"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var parentOff = flag.String("sandbox.parent", "", "internal: be the parent of TestParentDeath; the length of a sleep")

// A child and its descendants end when the process that started it is killed, also during
// bubblewrap's setup, when the new process has no parent-death signal yet.
func TestParentDeathKillsChildren(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("this test finds processes in /proc")
	}
	for i, off := range []string{"bubblewrap", "setup", "off", "tool", "escaped"} {
		if off == "escaped" && findGroups() == nil {
			continue // documented: only bubblewrap ends processes that leave the process group
		}
		mark := "7654" + strconv.Itoa(i) + "." + strconv.Itoa(os.Getpid())
		parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestBeParent$", "-sandbox.parent", off+" "+mark)
		out, err := parent.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, parent.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ready\n", line)
		require.NotEmpty(t, running(t, mark))
		require.NoError(t, parent.Process.Kill())
		require.Eventually(t, func() bool { return len(running(t, mark)) == 0 }, time.Minute, 10*time.Millisecond, off)
		require.Error(t, parent.Wait())
	}
}

// TestBeParent starts a child that outlives it unless the child is killed. Meanwhile many
// goroutines, and their threads, start and end: this must not end the child.
func TestBeParent(t *testing.T) {
	if *parentOff == "" {
		t.Skip("only for TestParentDeathKillsChildren")
	}
	off, mark, _ := strings.Cut(*parentOff, " ")
	s, err := New(t.Context(), Config{Off: off == "off" || off == "escaped"})
	require.NoError(t, err)
	c := shell(t, "echo ready; sleep "+mark+" & wait")
	if off == "setup" {
		c = stopInSetup(t, c)
	}
	switch off {
	case "tool":
		c.Stderr = func(line string) { _, _ = os.Stdout.WriteString(line) }
		c.Args[1] = "sleep " + mark + " & echo ready >&2; wait"
		_, err := Tool(t.Context(), c)
		require.NoError(t, err)
	case "escaped":
		c.Args[1] = "setsid sh -c 'echo ready; exec sleep " + mark + "' & wait"
		c.Limits.Processes = 64
	}
	p, err := s.Start(t.Context(), c)
	require.NoError(t, err)
	for range 100 {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			close(done)
		}()
		<-done
	}
	_, err = bufio.NewReader(p.Stdout).WriteTo(os.Stdout)
	require.NoError(t, err)
	require.NoError(t, p.Wait())
}

// stopInSetup makes bubblewrap stop after it has started its first process in the sandbox
// and before it lets that process continue. It reports when bubblewrap has reached this point.
func stopInSetup(t *testing.T, c Command) Command {
	t.Helper()
	never, writer, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { closeAll(writer) })
	info, infoChild, err := os.Pipe()
	require.NoError(t, err)
	c.Files = []*os.File{never, infoChild}
	c.bwrap = []string{"--unshare-user", "--userns-block-fd", "3", "--info-fd", "4"}
	go func() {
		if _, err := bufio.NewReader(info).ReadString('}'); err == nil {
			_, _ = os.Stdout.WriteString("ready\n")
		}
	}()
	return c
}

// running lists the processes whose command line contains mark, except the parent.
func running(t *testing.T, mark string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, path := range paths {
		if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), mark) &&
			!strings.Contains(string(line), "sandbox.parent") {
			found = append(found, string(line))
		}
	}
	return found
}
