package devserver_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/devserver/devservertest"
)

// binary is the real CLI. Without it these tests would say nothing, so they fail.
func binary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("COGFLOW_TEMPORAL_BIN"); path != "" {
		return path
	}
	path, err := devserver.Find(filepath.Join("..", "..", "bin"))
	require.NoError(t, err)
	return path
}

func start(t *testing.T, o devserver.Options) *devserver.Server {
	t.Helper()
	o.Binary = binary(t)
	s, err := devserver.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func dial(t *testing.T, s *devserver.Server) client.Client {
	t.Helper()
	return devservertest.Dial(t, client.Options{
		HostPort: s.Address(), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
	require.NoError(t, err)
	number, err := strconv.Atoi(text)
	require.NoError(t, err)
	return number
}

// requirePrivate: only the user may read the state, which holds workflow inputs.
func requirePrivate(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "temporal-*.db"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	for path, want := range map[string]os.FileMode{dir: 0o700, files[0]: 0o600, files[0] + "-wal": 0o600, files[0] + "-shm": 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
}

func TestKillAndStartAgainCarriesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, devserver.Options{Dir: dir})
	run, err := dial(t, first).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "library", TaskQueue: "cogflow",
		TypedSearchAttributes: temporal.NewSearchAttributes(
			temporal.NewSearchAttributeKeyKeyword("CogTenant").ValueSet("acme"),
			temporal.NewSearchAttributeKeyInt64("CogFailed").ValueSet(2),
			temporal.NewSearchAttributeKeyFloat64("CogCostUSD").ValueSet(0.5)),
		Priority: temporal.Priority{PriorityKey: 2, FairnessKey: "acme"},
	}, "IngestLibrary")
	require.NoError(t, err)
	requirePrivate(t, dir)
	require.NoError(t, first.Kill())
	require.NoError(t, first.Wait())
	require.NoError(t, os.Chmod(dir, 0o755)) //nolint:gosec // as an older build left it
	files, err := filepath.Glob(filepath.Join(dir, "*.db*"))
	require.NoError(t, err)
	for _, name := range files {
		require.NoError(t, os.Chmod(name, 0o644)) //nolint:gosec // the same
	}

	second := start(t, devserver.Options{
		Dir: dir, Port: port(t, first.Address()), UIPort: port(t, first.UI()),
	})
	require.Equal(t, first.Address(), second.Address())
	requirePrivate(t, dir)
	found := described(t, second, run)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, found.RawResponse.GetWorkflowExecutionInfo().GetStatus())
	require.Contains(t, found.RawResponse.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields(), "CogTenant")
}

func TestListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	s := start(t, devserver.Options{Dir: t.TempDir()})
	addresses := listeners(t, s.PID())
	require.GreaterOrEqual(t, len(addresses), 4, "frontend, Web UI, metrics and membership at least")
	for _, address := range addresses {
		const loopback = "0100007F:" // 127.0.0.1 as the kernel writes it
		require.True(t, strings.HasPrefix(address, loopback), "listens on %s", address)
	}
	inheritsNothing(t, s.PID())
}

// inheritsNothing: the server's environment is a short list, in which no key can be.
func inheritsNothing(t *testing.T, pid int) {
	t.Helper()
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	require.NoError(t, err)
	for variable := range strings.SplitSeq(strings.TrimRight(string(environment), "\x00"), "\x00") {
		name, _, _ := strings.Cut(variable, "=")
		require.Contains(t, []string{"HOME", "PATH", "TMPDIR", "TZ", "LANG", "LC_ALL"}, name)
	}
}

// listeners returns the local addresses of the sockets on which a process listens.
func listeners(t *testing.T, pid int) []string {
	t.Helper()
	sockets := map[string]bool{}
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	require.NoError(t, err)
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			sockets[target] = true
		}
	}
	var addresses []string
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if fields[3] == "0A" && sockets["socket:["+fields[9]+"]"] {
				addresses = append(addresses, fields[1])
			}
		}
	}
	return addresses
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	address := listener.Addr().String()

	_, err = devserver.Start(t.Context(), devserver.Options{
		Binary: binary(t), Dir: t.TempDir(), Port: port(t, address),
	})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, address)
	require.ErrorContains(t, err, "COGFLOW_PORT=")
	require.NotContains(t, err.Error(), "TEMPORAL_ADDRESS")
	if runtime.GOOS == "linux" {
		require.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
	}
}

func TestTakenByTemporal(t *testing.T) {
	t.Parallel()
	first := start(t, devserver.Options{Dir: t.TempDir(), Headless: true})
	o := devserver.Options{Binary: binary(t), Dir: t.TempDir(), Port: port(t, first.Address())}
	var err error
	await(t, func() bool { // a server that answers too slowly is not known as one
		_, err = devserver.Start(t.Context(), o)
		return err == nil || strings.Contains(err.Error(), "TEMPORAL_ADDRESS="+first.Address())
	})
	require.Equal(t, fault.Input, fault.ClassOf(err))
}

func TestSecondServerOnOneDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, devserver.Options{Dir: dir, Headless: true})
	_, err := devserver.Start(t.Context(), devserver.Options{Binary: binary(t), Dir: dir})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, fmt.Sprintf("process %d", os.Getpid()))
}

func TestIncompleteStateIsSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version, err := devserver.ServerVersion(t.Context(), binary(t))
	require.NoError(t, err)
	file := filepath.Join(dir, "temporal-"+version+".db")
	require.NoError(t, os.WriteFile(file, nil, 0o600)) // a server was killed before it wrote the schema

	start(t, devserver.Options{Dir: dir, Headless: true})
	require.FileExists(t, file+".incomplete")
}

func TestEndsByItself(t *testing.T) {
	t.Parallel()
	s := start(t, devserver.Options{Dir: t.TempDir(), Headless: true})
	require.NoError(t, syscall.Kill(s.PID(), syscall.SIGKILL))
	require.Equal(t, fault.Transport, fault.ClassOf(s.Wait()))
}

func TestFailedStartShowsTheLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "temporal")
	require.NoError(t, os.WriteFile(script, []byte(`#!/bin/sh
[ "$1" = --version ] && { echo "temporal version 9.9.9 (Server 9.9.9, UI 9.9.9)"; exit; }
echo "Error: no such flag" >&2
exit 1
`), 0o700))
	_, err := devserver.Start(t.Context(), devserver.Options{Binary: script, Dir: filepath.Join(dir, "state")})
	require.ErrorContains(t, err, "Error: no such flag")
}

func TestFindNamesTheWayOut(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := devserver.Find(t.TempDir())
	require.ErrorContains(t, err, "make tools")
}

// parentVariable makes the test program play a cogflow that starts a server and
// is then killed.
const parentVariable = "COGFLOW_TEST_PARENT_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(parentVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := devserver.Start(context.Background(), devserver.Options{
		Binary: os.Getenv("COGFLOW_TEMPORAL_BIN"), Dir: dir, Headless: true,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, s.PID())
	_ = s.Wait()
}

func TestNeverOutlivesItsParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can tie a child to its parent")
	}
	dir := t.TempDir()
	parent := exec.CommandContext(t.Context(), os.Args[0])
	parent.Env = append(os.Environ(), parentVariable+"="+dir, "COGFLOW_TEMPORAL_BIN="+binary(t), "VLM_API_KEY=secret")
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)

	inheritsNothing(t, pid)

	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH || zombie(pid) },
		10*time.Second, 20*time.Millisecond)
	start(t, devserver.Options{Dir: dir, Headless: true}) // and the directory is free again
}

// zombie reports whether a process has ended but its status was not read:
// containers often lack an init that would.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}
