package blob_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/blob/blobtest"
	"github.com/cogniverse/cogflow/object"
)

// TestMain lets the test binary be its own second process.
func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv("BLOB_TEST_CHILD"); ok {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// child increments a counter with compare-and-swap for as long as it lives, and
// writes a large object in between.
func child(dir string) int {
	ctx := context.Background()
	s, err := blob.Open(ctx, "file://"+dir)
	for err == nil {
		var now string
		if now, err = text(ctx, s, "acme/counter"); err != nil {
			break
		}
		switch _, err = s.Replace(ctx, "acme/counter", blobtest.Sum(now), strings.NewReader(now+"x")); {
		case err == nil:
			_, err = os.Stdout.WriteString("x\n")
		case errors.Is(err, object.ErrChanged):
			err = nil
		}
		if err == nil {
			_, err = s.Put(ctx, "acme/large", strings.NewReader(strings.Repeat(now, 1000)))
		}
	}
	_, _ = os.Stderr.WriteString(err.Error() + "\n")
	return 1
}

func text(ctx context.Context, s blob.Store, key string) (string, error) {
	r, _, err := s.Get(ctx, key)
	if err != nil {
		return "", err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

// TestKilledProcesses kills processes that swap and write at any moment: no
// swap that was reported is lost, and every object is whole.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := s.Put(t.Context(), "acme/counter", strings.NewReader("x"))
	require.NoError(t, err)
	reported, processes := 0, make([]*exec.Cmd, 3)
	outputs := make([]*bufio.Scanner, len(processes))
	start := func(i int) {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "BLOB_TEST_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		processes[i], outputs[i] = cmd, bufio.NewScanner(out)
	}
	for i := range processes {
		start(i)
	}
	for round := range 15 {
		i := round % len(processes)
		for range round%4 + 1 { // some way into its work
			require.True(t, outputs[i].Scan(), "process %d ended by itself", i)
			reported++
		}
		require.NoError(t, processes[i].Process.Kill())
		for outputs[i].Scan() {
			reported++
		}
		require.Error(t, processes[i].Wait())
		if round < 12 {
			start(i)
		}
	}
	s = open(t, dir)
	left, err := filepath.Glob(filepath.Join(dir, ".tmp", "put-*"))
	require.NoError(t, err)
	require.Empty(t, left)
	counter, err := text(t.Context(), s, "acme/counter")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(counter)-1, reported)
	require.LessOrEqual(t, len(counter)-1, reported+15, "at most the swap in flight at each kill was not reported")
	if _, err = text(t.Context(), s, "acme/large"); !errors.Is(err, object.ErrNotFound) {
		require.NoError(t, err)
	}
}

// TestDiskFull needs root to mount a small file system of its own.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skip("no permission to mount: ", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	s := open(t, dir)
	_, err := s.Put(t.Context(), "acme/small", strings.NewReader("x"))
	require.NoError(t, err)
	large := func() io.Reader { return io.LimitReader(zeros{}, 2<<20) }
	for name, write := range map[string]func() error{
		"put":     func() error { _, err := s.Put(t.Context(), "acme/a", large()); return err },
		"create":  func() error { _, err := s.Create(t.Context(), "acme/b", large()); return err },
		"replace": func() error { _, err := s.Replace(t.Context(), "acme/small", blobtest.Sum("x"), large()); return err },
	} {
		err := write()
		require.Equal(t, fault.Capacity, fault.ClassOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, "disk full")
	}
	staged, err := filepath.Glob(filepath.Join(dir, ".tmp", "put-*"))
	require.NoError(t, err)
	require.Empty(t, staged)
	// Between its fork and its exec, a process that another test starts holds the
	// removed files open, and so their space.
	require.Eventually(t, func() bool {
		_, err := s.Put(t.Context(), "acme/a", strings.NewReader("there is room again"))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestNoPermission(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // the testing package keeps it to its own user
	store := filepath.Join(dir, "store")
	s := open(t, store)
	_, err := s.Put(t.Context(), "acme/x", strings.NewReader("x"))
	require.NoError(t, err)
	for _, name := range []string{".tmp", "acme", ""} {
		require.NoError(t, os.Chmod(filepath.Join(store, name), 0o500))
	}
	t.Cleanup(func() { _ = os.Chmod(store, 0o700); _ = os.Chmod(filepath.Join(store, "acme"), 0o700) })
	asOrdinaryUser(t)

	denied := func(err error) {
		t.Helper()
		require.Equal(t, fault.Auth, fault.ClassOf(err), err)
		require.ErrorContains(t, err, store)
		require.ErrorContains(t, err, "no permission")
	}
	_, err = s.Put(t.Context(), "acme/y", strings.NewReader("y"))
	denied(err)
	_, err = s.Create(t.Context(), "acme/y", strings.NewReader("y"))
	denied(err)
	denied(s.Delete(t.Context(), "acme/x"))
	_, err = blob.Open(t.Context(), "file://"+store)
	denied(err)
}

// asOrdinaryUser lets the calling test reach files as an ordinary user would:
// to root, nothing is forbidden. Only this thread changes, and only for files.
func asOrdinaryUser(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	require.NoError(t, unix.Setfsuid(65534))
	t.Cleanup(func() { require.NoError(t, unix.Setfsuid(0)) })
}

// TestNoAttributes opens a store where the system has files without extended
// attributes.
func TestNoAttributes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("ramfs", dir, "ramfs", 0, ""); err != nil {
		t.Skip("no permission to mount: ", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	_, err := blob.Open(t.Context(), "file://"+dir)
	require.Equal(t, fault.Input, fault.ClassOf(err), err)
	require.ErrorContains(t, err, "extended attributes")
	require.ErrorContains(t, err, "choose a directory on ext4")
}
