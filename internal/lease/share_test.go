package lease

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/gputest"
	"github.com/cogniverse/cogflow/internal/gpu/procs"
)

const gib = int64(1) << 30

// on makes the table of one process on a host with a driver.
func on(t testing.TB, dir string, driver gpu.Devices, devices ...string) *Table {
	t.Helper()
	at, err := locksIn(dir)
	require.NoError(t, err)
	table := New(devices)
	table.locks, table.host = at, gpu.NewHost(driver, nil)
	require.NoError(t, table.look(t.Context()))
	return table
}

// try takes a lease that has to be free, or says why it is not.
func try(t testing.TB, table *Table, bytes int64) (release func(), why string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, release, err := table.Take(ctx, Ask{N: 1, Bytes: bytes, Who: "a test", Says: func(reason string) { why = reason; cancel() }})
	if err != nil {
		require.ErrorIs(t, err, context.Canceled)
		return nil, why
	}
	return release, ""
}

// TestShares: shares of several processes fit while their sum does, and exclude who wants all.
func TestShares(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "locks")
	driver := gputest.New(gputest.Whole(0, "GPU-a", 40))
	one, other := on(t, dir, driver, "GPU-a"), on(t, dir, driver, "GPU-a")
	first, _ := try(t, one, 20*gib)
	require.NotNil(t, first)
	second, _ := try(t, other, 10*gib)
	require.NotNil(t, second)
	again, _ := try(t, other, 8*gib)
	require.NotNil(t, again, "also in the same process")

	none, why := try(t, one, gib)
	require.Nil(t, none, "2 GiB are for the driver")
	require.Contains(t, why, "GPU-a is held by a test of process "+strconv.Itoa(os.Getpid()))
	require.Contains(t, why, "with 20.0 GiB since")
	none, _ = try(t, one, 0)
	require.Nil(t, none, "the whole of it is not free")
	again()
	third, _ := try(t, one, gib)
	require.NotNil(t, third)
	first()
	second()
	third()

	whole, _ := try(t, one, 0)
	require.NotNil(t, whole)
	none, why = try(t, other, gib)
	require.Nil(t, none)
	require.Contains(t, why, "a test of process")
	whole()
	left, err := filepath.Glob(filepath.Join(dir, "*"+holderSuffix))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestShareThatNeverFits is refused at once.
func TestShareThatNeverFits(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "locks")
	unknown := gputest.Whole(0, "GPU-a", 40)
	unknown.MemoryBytes = 0
	for _, table := range []*Table{
		on(t, dir, gputest.New(gputest.Whole(0, "GPU-a", 40)), "GPU-a"), on(t, dir, gputest.New(unknown), "GPU-a"), New([]string{"GPU-a"}),
	} {
		_, _, err := table.Take(t.Context(), Ask{N: 1, Bytes: 39 * gib})
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	}
}

// TestForeignMemory: memory that strangers use is not given away, and the wait names them.
func TestForeignMemory(t *testing.T) {
	t.Parallel()
	driver := gputest.New(gputest.Whole(0, "GPU-a", 40))
	table := on(t, filepath.Join(t.TempDir(), "locks"), driver, "GPU-a")
	use := func(bytes int64, by ...gpu.Process) {
		driver.Change("GPU-a", func(d *gpu.Device) { d.UsedBytes, d.Processes = bytes, by })
	}
	use(30*gib, gpu.Process{PID: os.Getpid(), Bytes: 30 * gib})
	none, why := try(t, table, 0)
	require.Nil(t, none)
	require.Contains(t, why, "GPU-a is held by process "+strconv.Itoa(os.Getpid())+" (lease.test, user ")
	require.Contains(t, why, "): 30.0 GiB of its 40.0 GiB are used")
	none, why = try(t, table, 10*gib)
	require.Nil(t, none)
	require.Contains(t, why, "with 30.0 GiB")
	fits, _ := try(t, table, 8*gib)
	require.NotNil(t, fits)
	use(38*gib, gpu.Process{PID: os.Getpid(), Bytes: 30 * gib}) // the holder now uses its share; inside a container it is not seen
	second, why := try(t, table, gib)
	require.Nil(t, second)
	require.Contains(t, why, "a test of process")
	fits()
	use(3*gib, gpu.Process{PID: 1 << 30})
	whole, _ := try(t, table, 0)
	require.NotNil(t, whole, "a display may use a little")
	whole()
	use(30*gib, gpu.Process{PID: 1 << 30})
	_, why = try(t, table, 0)
	require.Contains(t, why, "of the host or of another container")
	use(30 * gib)
	_, why = try(t, table, 0)
	require.Contains(t, why, "processes that this worker cannot see")
	driver.Fail(fault.New(fault.Capacity, "read", "", "the driver hangs"))
	_, why = try(t, table, 0)
	require.Contains(t, why, "the driver does not answer: ")
}

// TestAside: a device that is ill is not leased; work that needs more than are well goes elsewhere.
func TestAside(t *testing.T) {
	t.Parallel()
	driver := gputest.New(gputest.Whole(0, "GPU-a", 40), gputest.Whole(1, "GPU-b", 40))
	table := on(t, filepath.Join(t.TempDir(), "locks"), driver, "GPU-a", "GPU-b")
	driver.Report(gpu.Xid{UUID: "GPU-a", Code: 79})
	l, release, err := table.Lease(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "GPU-b", l.Devices)
	require.Equal(t, 1, table.Usable())
	_, why := try(t, table, 0)
	require.Contains(t, why, "GPU-a is set aside: the driver reported Xid 79")
	_, _, err = table.Lease(t.Context(), 2)
	require.Equal(t, fault.Capacity, fault.ClassOf(err))
	require.ErrorContains(t, err, "too few GPUs of this worker are well: GPU-a is set aside")
	states, err := table.Look(t.Context())
	require.NoError(t, err)
	require.Len(t, states, 2)
	require.Contains(t, table.Held()["GPU-b"], "work of process")
	release()
	require.Empty(t, table.Held())
}

// TestOrphans: processes that outlive their lease are ended before the next lease, and strangers are
// not. An ordinary file stands for the device.
func TestOrphans(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "locks")
	driver := gputest.New(gputest.Whole(0, "GPU-a", 40))
	table := on(t, dir, driver, "GPU-a")
	start := func(mark string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "sleep", "600")
		cmd.Env, cmd.SysProcAttr = []string{"PATH=/usr/bin:/bin", procs.Variable + "=" + mark}, &syscall.SysProcAttr{Setsid: true}
		require.NoError(t, cmd.Start())
		return cmd
	}
	l, release, err := table.Lease(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, l.Mark, table.Mark("GPU-a"))
	orphan, stranger := start(l.Mark), start("of-another-lease")
	release() // the orphan is ended now
	err = orphan.Wait()
	require.ErrorContains(t, err, "killed")
	require.Empty(t, table.Mark("GPU-a"))

	// The same when the holder has died: its file is left, and its lock is not.
	dead := holder{Mark: "dead-holder", Who: "training", PID: 1 << 30, Since: time.Now()}
	_, unlock, err := table.locks.write("GPU-a", dead)
	require.NoError(t, err)
	orphan = start(dead.Mark)
	unlock()
	ended := make(chan error, 1)
	go func() { ended <- orphan.Wait() }()
	l, release, err = table.Lease(t.Context(), 1)
	require.NoError(t, err)
	require.ErrorContains(t, <-ended, "killed", "before the lease was given")
	release()
	require.NoError(t, stranger.Process.Signal(syscall.Signal(0)), "it lives")
	require.NoError(t, stranger.Process.Kill())
	require.Error(t, stranger.Wait())
	left, err := filepath.Glob(filepath.Join(dir, "*"+holderSuffix))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestSharesNeverExceed: whatever processes take and give back in whatever order, and whatever strangers
// use, shares and foreign memory fit into the device.
func TestSharesNeverExceed(t *testing.T) {
	t.Parallel()
	dir, none := filepath.Join(t.TempDir(), "locks"), procs.Host{Proc: t.TempDir()}
	rapid.Check(t, func(r *rapid.T) {
		driver := gputest.New(gputest.Whole(0, "GPU-a", 40))
		tables := []*Table{on(t, dir, driver, "GPU-a"), on(t, dir, driver, "GPU-a")}
		for _, table := range tables { // looking at all processes of the host takes time
			table.procs = none
		}
		type given struct {
			bytes   int64
			release func()
		}
		var all []given
		defer func() { // also when rapid gives this sequence up
			for _, g := range all {
				g.release()
			}
		}()
		var foreign int64
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch action := rapid.IntRange(0, 3).Draw(r, "action"); {
			case action == 0 && len(all) > 0:
				at := rapid.IntRange(0, len(all)-1).Draw(r, "which")
				all[at].release()
				all = append(all[:at], all[at+1:]...)
			case action == 1:
				foreign = int64(rapid.IntRange(0, 40).Draw(r, "foreign")) * gib
				driver.Change("GPU-a", func(d *gpu.Device) { d.UsedBytes = foreign })
			default:
				bytes := int64(rapid.IntRange(0, 30).Draw(r, "bytes")) * gib
				var sum int64
				for _, g := range all {
					sum += max(g.bytes, 1)
				}
				release, why := try(t, tables[rapid.IntRange(0, 1).Draw(r, "process")], bytes)
				// Holders use nothing here, so the driver's memory may be theirs up to their shares.
				free := bytes > 0 && !slices.ContainsFunc(all, func(g given) bool { return g.bytes == 0 }) && sum+bytes+max(0, foreign-sum) <= 38*gib && foreign+bytes <= 40*gib ||
					bytes == 0 && len(all) == 0 && foreign <= 4*gib
				if (release != nil) != free {
					r.Fatalf("%d GiB with %v and %d GiB of strangers: given %v, want %v: %s", bytes/gib, all, foreign/gib, release != nil, free, why)
				}
				if release != nil {
					all = append(all, given{bytes, release})
				}
			}
		}
	})
}
