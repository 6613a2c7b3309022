package sandbox

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/child/childtest"
)

// protections runs a test with and without bubblewrap.
func protections(t *testing.T, test func(t *testing.T, s *Sandbox)) {
	t.Helper()
	for name, off := range map[string]bool{"bubblewrap": false, "off": true} {
		s, err := New(t.Context(), Config{Off: off})
		require.NoError(t, err, "these tests need bubblewrap that works: run make tools")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// confined returns a sandbox that requires bubblewrap.
func confined(t *testing.T) *Sandbox {
	t.Helper()
	s, err := New(t.Context(), Config{})
	require.NoError(t, err, "these tests need bubblewrap that works: run make tools")
	return s
}

func look(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	require.NoError(t, err)
	return path
}

func shell(t *testing.T, script string, args ...string) Command {
	t.Helper()
	return Command{Path: look(t, "sh"), Args: append([]string{"-c", script, "sh"}, args...)}
}

// groupProcesses lists the processes of a group, without those that have ended.
func groupProcesses(t *testing.T, group int) []string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	var found []string
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if fields[2] == strconv.Itoa(group) && !childtest.Ended(pidOf(t, path)) {
			found = append(found, string(stat))
		}
	}
	return found
}

// pidOf is the process whose file in /proc this is.
func pidOf(t *testing.T, path string) int {
	t.Helper()
	pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
	require.NoError(t, err)
	return pid
}

func TestRunGivesOutputAndDescriptors(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "-input\n\"")
	require.NoError(t, os.WriteFile(name, []byte("content"), 0o600))
	protections(t, func(t *testing.T, s *Sandbox) {
		file, err := os.Open(name)
		require.NoError(t, err)
		defer file.Close()
		c := shell(t, "cat; cat /dev/fd/3; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=")
		c.Files = []*os.File{file}
		c.Stdin = strings.NewReader("stdin ")
		c.Args[1] += "; true"
		out, err := s.Run(t.Context(), c, 1000)
		require.NoError(t, err)
		require.Equal(t, "stdin content", string(out), "and no environment")
	})
}

func TestRunReportsFailure(t *testing.T) {
	t.Parallel()
	protections(t, func(t *testing.T, s *Sandbox) {
		var lines []string
		c := shell(t, "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; exit 3")
		c.Stderr = func(line string) { lines = append(lines, line) }
		_, err := s.Run(t.Context(), c, 1000)
		var exit *ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, "exit status 3", exit.Status)
		require.LessOrEqual(t, len(exit.Stderr), stderrTail)
		require.True(t, strings.HasSuffix(exit.Stderr, "line 1999\n"))
		require.Len(t, lines, 2000)

		_, err = s.Run(t.Context(), shell(t, "while :; do echo much; done"), 1000)
		require.ErrorIs(t, err, ErrOutput)
	})
}

func TestStartNamesMissingProgram(t *testing.T) {
	t.Parallel()
	s := &Sandbox{}
	_, err := s.Start(t.Context(), Command{Path: "/nowhere/program"})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "/nowhere/program")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("limits need Linux")
	}
	protections(t, func(t *testing.T, s *Sandbox) {
		c := shell(t, "ulimit -v; ulimit -t; ulimit -n; ulimit -f; ulimit -c")
		c.Limits = Limits{Memory: 1 << 30, CPU: 1500 * time.Millisecond, Files: 40}
		out, err := s.Run(t.Context(), c, 1000)
		require.NoError(t, err)
		require.Equal(t, []string{"1048576", "2", "40", "0", "0"}, strings.Fields(string(out)))

		c = shell(t, "echo x > file; cat file")
		c.Dir = t.TempDir()
		_, err = s.Run(t.Context(), c, 1000)
		require.Error(t, err, "no file may be written by default")
		c.Limits.FileSize = 100
		out, err = s.Run(t.Context(), c, 1000)
		require.NoError(t, err)
		require.Equal(t, "x\n", string(out))
	})
}

func TestWallLimitKillsTheGroup(t *testing.T) {
	t.Parallel()
	protections(t, func(t *testing.T, s *Sandbox) {
		c := shell(t, "sleep 1000 & sleep 1000")
		c.Limits.Wall = 50 * time.Millisecond
		start := time.Now()
		_, err := s.Run(t.Context(), c, 1000)
		require.ErrorIs(t, err, ErrWall)
		require.Less(t, time.Since(start), 500*time.Second, "the child would take 1,000 s")
	})
}

func TestCancelKillsTheGroup(t *testing.T) {
	t.Parallel()
	protections(t, func(t *testing.T, s *Sandbox) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p, err := s.Start(ctx, shell(t, "sleep 1000 & sleep 1000 & echo ready; wait"))
		require.NoError(t, err)
		ready := make([]byte, 6)
		_, err = p.Stdout.Read(ready)
		require.NoError(t, err)
		pid := p.cmd.Process.Pid
		require.GreaterOrEqual(t, len(groupProcesses(t, pid)), 4, "the watcher, the shell and what it started: the program is in the group, so that Kill also reaches it before bubblewrap has set a parent-death signal")
		cancel()
		require.ErrorIs(t, p.Wait(), context.Canceled)
		require.Empty(t, groupProcesses(t, pid), "the process group is gone")
	})
}

// Processes that outlive the child are killed as well.
func TestExitKillsDescendants(t *testing.T) {
	t.Parallel()
	protections(t, func(t *testing.T, s *Sandbox) {
		p, err := s.Start(t.Context(), shell(t, "sleep 1000 & exit 0"))
		require.NoError(t, err)
		pid := p.cmd.Process.Pid
		require.NoError(t, p.Wait())
		require.Empty(t, groupProcesses(t, pid))
	})
}

func TestBubblewrapHidesTheMachine(t *testing.T) {
	t.Parallel()
	s := confined(t)
	canary := filepath.Join(t.TempDir(), "canary")
	require.NoError(t, os.WriteFile(canary, []byte("secret"), 0o644))
	out, err := s.Run(t.Context(), shell(t, `
		cat "$1" /etc/passwd 2>/dev/null && echo read
		cat /proc/`+strconv.Itoa(os.Getpid())+`/environ >/dev/null 2>&1 && echo processes
		grep -q -v -e lo: -e Inter -e face /proc/net/dev && echo network
		(echo x > /usr/x) 2>/dev/null && echo write
		echo end`, canary), 1000)
	require.NoError(t, err)
	require.Equal(t, "end\n", string(out))
}

func TestProtection(t *testing.T) {
	t.Parallel()
	require.True(t, confined(t).Protection().Bubblewrap)
	s, err := New(t.Context(), Config{Off: true})
	require.NoError(t, err)
	require.False(t, s.Protection().Bubblewrap)
	require.Contains(t, s.Protection().String(), "process limits only")

	// A bwrap that cannot make namespaces is refused like a missing one.
	for says, bwrap := range map[string]string{"not installed; install it": "no-such-bwrap", "self-test failed": look(t, "false")} {
		_, err := New(t.Context(), Config{Bubblewrap: bwrap})
		require.Equal(t, fault.Input, fault.ClassOf(err))
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "--no-sandbox")
		s, err := New(t.Context(), Config{Bubblewrap: bwrap, Off: true})
		require.NoError(t, err)
		require.False(t, s.Protection().Bubblewrap)
	}
}

// TestDrain: what a child said before it wrote is known once that was read.
func TestDrain(t *testing.T) {
	t.Parallel()
	protections(t, func(t *testing.T, s *Sandbox) {
		var said []string
		c := shell(t, "for i in 1 2 3 4 5 6 7 8 9; do echo line $i >&2; printf $i; done; printf rest >&2")
		c.Stderr = func(line string) { said = append(said, line) }
		p, err := s.Start(t.Context(), c)
		require.NoError(t, err)
		for i := range 9 {
			var one [1]byte
			_, err := io.ReadFull(p.Stdout, one[:])
			require.NoError(t, err)
			p.Drain()
			p.stderr.mu.Lock()
			require.Greater(t, len(said), i)
			require.Equal(t, "line "+strconv.Itoa(i+1)+"\n", said[i])
			p.stderr.mu.Unlock()
		}
		require.NoError(t, p.Wait())
		require.Equal(t, "rest", said[9])
		p.Drain()
	})
}
