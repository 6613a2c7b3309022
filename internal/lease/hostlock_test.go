package lease

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
)

// in makes the table of one process: each has open files of its own, as processes have.
func in(t *testing.T, dir string, devices ...string) *Table {
	t.Helper()
	at, err := locksIn(dir)
	require.NoError(t, err)
	table := New(devices)
	table.locks = at
	return table
}

func lease(t *testing.T, table *Table) (string, func()) {
	t.Helper()
	l, release, err := table.Lease(t.Context(), 1)
	require.NoError(t, err)
	return l.Devices, release
}

// TestShared: tables of several processes never lease one device twice.
func TestShared(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "locks")
	one, other := in(t, dir, "GPU-a", "GPU-b"), in(t, dir, "GPU-a", "GPU-b")
	a, releaseA := lease(t, one)
	b, releaseB := lease(t, other)
	require.Equal(t, "GPU-a GPU-b", a+" "+b)

	// A wait for both holds neither, so that others go on.
	ctx, cancel := context.WithCancel(t.Context())
	both := make(chan error, 1)
	go func() { _, _, err := one.Lease(ctx, 2); both <- err }()
	require.Eventually(t, func() bool { return one.Waiting() == 1 }, time.Minute, time.Millisecond)
	releaseB()
	b, releaseB = lease(t, other)
	require.Equal(t, "GPU-b", b)
	cancel()
	require.ErrorIs(t, <-both, context.Canceled)

	// A wait ends when another process releases its device.
	got := make(chan string, 1)
	go func() {
		l, release, err := other.Lease(t.Context(), 1)
		if err == nil {
			defer release()
		}
		got <- fmt.Sprint(l.Devices, err)
	}()
	require.Eventually(t, func() bool { return other.Waiting() == 1 }, time.Minute, time.Millisecond)
	releaseA()
	require.Equal(t, "GPU-a<nil>", <-got)
	releaseB()
	require.Equal(t, []int{2, 2}, []int{one.Free(), other.Free()})
}

var holdIn = flag.String("lease.hold", "", "internal: lease GPU-a with the locks of this folder until killed")

// TestHold is the process of TestKilledHolder.
func TestHold(t *testing.T) {
	if *holdIn == "" {
		t.Skip("only for TestKilledHolder")
	}
	_, release := lease(t, in(t, *holdIn, "GPU-a"))
	defer release()
	_, _ = fmt.Fprintln(os.Stdout, "held")
	select {}
}

// TestKilledHolder: the lease of a process that was killed is free at once.
func TestKilledHolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "locks")
	holder := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestHold$", "-lease.hold", dir)
	out, err := holder.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, holder.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	table := in(t, dir, "GPU-a")
	got, err := table.lock(&waiter{Ask: Ask{N: 1}}, nil)
	require.NoError(t, err)
	require.False(t, got)
	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait())
	_, release := lease(t, table)
	release()
}

// TestLocksOfAllUsers: another user can lock a device, and cannot remove a lock.
func TestLocksOfAllUsers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "locks")
	_, release := lease(t, in(t, dir, "MIG-GPU-1/2/3"))
	release()
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, fs.ModeDir|fs.ModeSticky|0o777, info.Mode())
	info, err = os.Stat(filepath.Join(dir, "MIG-GPU-1_2_3.lock"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o444), info.Mode())
}

// TestBadLocks: where no lock can be taken, there is no lease.
func TestBadLocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "link")))
	_, err := locksIn(filepath.Join(dir, "link"))
	require.ErrorContains(t, err, "must be a directory")
	_, err = locksIn(filepath.Join(dir, "absent", "locks"))
	require.Error(t, err)

	table := in(t, filepath.Join(dir, "locks"), "GPU-a", "GPU-b")
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "locks", "GPU-b.lock")))
	_, _, err = table.Lease(t.Context(), 2)
	require.NotEmpty(t, fault.ClassOf(err), "%v", err)
	require.Equal(t, 2, table.Free(), "the other device is free again")
	_, release := lease(t, table)
	release()
}

// TestHostLocks: the folder that exists is used, so that all processes agree.
func TestHostLocks(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	absent := filepath.Join(first, "absent")
	made, err := hostLocks([]string{absent, second})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(second, folder), made.dir)
	made, err = hostLocks([]string{first, second})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(second, folder), made.dir)
	_, err = hostLocks([]string{absent})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "create this directory with mode 1777")
}

func TestNamed(t *testing.T) {
	t.Parallel()
	found := []gpu.State{{Device: gpu.Device{UUID: "GPU-a"}}, {Device: gpu.Device{Index: 1, UUID: "MIG-b", Profile: "1g.5gb"}}}
	require.Equal(t, []string{"GPU-a", "1", "7", "MIG-b"}, named([]string{"0", "1", "7", "GPU-a", "MIG-b"}, found))
}

// TestWanted: a holder sees that another process waits for its device, as long as it waits.
func TestWanted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "locks")
	holder, other := in(t, dir, "GPU-a"), in(t, dir, "GPU-a")
	l, release, err := holder.Lease(t.Context(), 1)
	require.NoError(t, err)
	defer release()
	wanted := func() bool {
		is, err := holder.Wanted(l)
		require.NoError(t, err)
		return is
	}
	require.False(t, wanted())
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error, 1)
	go func() { _, _, err := other.Lease(ctx, 1); waits <- err }()
	require.Eventually(t, wanted, time.Minute, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-waits, context.Canceled)
	require.False(t, wanted())
}

// TestAvoid: a device is avoided while others exist, and who waits for others does not
// hold up the rest.
func TestAvoid(t *testing.T) {
	t.Parallel()
	table := New([]string{"GPU-a", "GPU-b"})
	avoid := func(device string) bool { return device == "GPU-a" }
	l, release, err := table.Take(t.Context(), Ask{N: 1, Avoid: avoid})
	require.NoError(t, err)
	require.Equal(t, "GPU-b", l.Devices)
	waits := make(chan string, 1)
	go func() {
		l, release, err := table.Take(t.Context(), Ask{N: 1, Avoid: avoid})
		if err == nil {
			defer release()
		}
		waits <- fmt.Sprint(l.Devices, err)
	}()
	require.Eventually(t, func() bool { return table.Waiting() == 1 }, time.Minute, time.Millisecond)
	a, releaseA := lease(t, table)
	require.Equal(t, "GPU-a", a)
	releaseA()
	release()
	require.Equal(t, "GPU-b<nil>", <-waits)

	_, release, err = table.Take(t.Context(), Ask{N: 2, Avoid: avoid})
	require.NoError(t, err, "there are no others")
	release()
}
