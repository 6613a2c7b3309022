package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// watchOpen returns a function that reports whether the file was opened since its last report.
func watchOpen(t *testing.T, path string) (opened func() bool) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	_, err = unix.InotifyAddWatch(fd, path, unix.IN_OPEN|unix.IN_ACCESS)
	require.NoError(t, err)
	return func() bool {
		n, err := unix.Read(fd, make([]byte, 4096))
		if err == unix.EAGAIN {
			return false
		}
		require.NoError(t, err)
		return n > 0
	}
}

func TestWatchOpenSeesAReader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	opened := watchOpen(t, path)
	require.False(t, opened())
	_, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, opened())
}

// TestFullDiskIsWaitedOut: if the disk becomes full during an extraction, the run reports
// what it waits for, and continues when there is space.
func TestFullDiskIsWaitedOut(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	const frames = 400
	dir := videos(t)
	tiny(t, filepath.Join(dir, "good.mp4"), frames)
	s := newStack(t, nil)
	disk := filepath.Join(s.dir, "disk")
	require.NoError(t, os.Mkdir(disk, 0o755))
	require.NoError(t, unix.Mount("tmpfs", disk, "tmpfs", 0, "size=32m,mode=0755"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(disk, unix.MNT_DETACH)) })
	s.worker(nil, "COGFLOW_STORE=file://"+filepath.Join(disk, "store"), "COGFLOW_INDEX="+filepath.Join(disk, "index.db"),
		"COGFLOW_LEDGER="+filepath.Join(disk, "ledger.db"))
	_, err := execute[map[string]any](s, "health", "CheckHealth", map[string]any{})
	require.NoError(t, err)
	ballast := fill(t, disk)
	require.NoError(t, os.Truncate(ballast, size(t, ballast)-256<<10)) // space for some of the frames

	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("full"), "IngestLibrary", ingest.LibraryInput{Source: dir})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.waitsFor("full/000000", "Extract", fault.Capacity, "disk full") }, soon, 100*time.Millisecond)
	require.NoError(t, os.Remove(ballast))
	out := await[ingest.LibraryResult](s, run, soon)
	require.Empty(t, out.Failures)
	require.Equal(t, 1, out.Indexed)
	require.Equal(t, frames, out.Documents)
	require.Equal(t, frames, out.DescribeCalls)
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Size()
}

// fill uses up all space of a file system.
func fill(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for page := make([]byte, 4096); err == nil; {
		_, err = f.Write(page)
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	return path
}

// waitsFor reports whether an activity waits for a retry, and its last error has the class and
// contains the text.
func (s *stack) waitsFor(id, activity string, class fault.Class, text string) bool {
	d, err := s.client.DescribeWorkflow(s.t.Context(), id, "")
	if err != nil {
		return false // not started yet
	}
	for _, a := range d.RawResponse.PendingActivities {
		f := a.GetLastFailure()
		if a.GetActivityType().GetName() == activity && f.GetApplicationFailureInfo().GetType() == string(class) {
			return strings.Contains(f.GetMessage(), text)
		}
	}
	return false
}
