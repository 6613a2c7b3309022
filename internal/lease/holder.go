package lease

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/procs"
	"github.com/cogniverse/cogflow/safetext"
)

// holder is a lease of a device, as its file says it. The process that has it holds a lock on the
// file, so that a file without a lock is of a lease that has ended.
type holder struct {
	Mark  string    `json:"mark"`            // in the environment of the processes that use the device
	Who   string    `json:"who"`             // for people
	Bytes int64     `json:"bytes,omitempty"` // of memory; 0 = the whole device
	PID   int       `json:"pid"`             // of the worker
	Since time.Time `json:"since"`
}

// describe names a holder for people. The file may be of another user, who could write anything.
func (h holder) describe(at procs.Host) string {
	worker := fmt.Sprintf("process %d", h.PID)
	if p, ok := at.Describe(h.PID); ok {
		worker = p.String()
	}
	out := safetext.Line(h.Who, 80) + " of " + worker
	if h.Bytes > 0 {
		out += " with " + gpu.Bytes(h.Bytes)
	}
	return out + " since " + h.Since.UTC().Format("15:04") + " UTC"
}

const holderSuffix = ".holder"

// file is a file of a holder.
type file struct {
	path  string
	own   bool // this user made it
	alive bool // its lease has not ended
	holder
}

// holders reads the files of the holders of a device.
func (l Locks) holders(device string) (all []file, err error) {
	paths, err := filepath.Glob(filepath.Join(l.dir, fileName(device)+".*"+holderSuffix))
	if err != nil {
		return nil, fault.Wrap(fault.Input, lockOp, device, err)
	}
	for _, path := range paths {
		f, ok, err := read(path)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, f)
		}
	}
	return all, nil
}

func read(path string) (out file, ok bool, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return out, false, nil
	} else if err != nil {
		return out, false, fault.Disk(lockOp, path, err)
	}
	defer f.Close() // also the lock of the look
	info, err := f.Stat()
	if err != nil {
		return out, false, fault.Disk(lockOp, path, err)
	}
	out.path = path
	if s, is := info.Sys().(*syscall.Stat_t); is {
		out.own = int(s.Uid) == os.Geteuid()
	}
	locked, err := flock(f, syscall.LOCK_SH)
	if err != nil {
		return out, false, fault.Disk(lockOp, path, err)
	}
	out.alive = !locked
	const largest = 4096
	text := make([]byte, largest)
	n, _ := f.ReadAt(text, 0) // shorter at the end of the file
	if json.Unmarshal(text[:n], &out.holder) != nil && out.alive {
		out.Who = "a process that has just begun" // it writes the file at this moment
	}
	return out, true, nil
}

// write makes the file of a holder and locks it.
func (l Locks) write(device string, h holder) (path string, unlock func(), err error) {
	path = filepath.Join(l.dir, fileName(device)+"."+h.Mark+holderSuffix)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return "", nil, fault.Disk(lockOp, path, err)
	}
	fail := func(err error) (string, func(), error) {
		_ = f.Close()       // the cause says more
		_ = os.Remove(path) // likewise
		return "", nil, fault.Disk(lockOp, path, err)
	}
	for locked := false; !locked; runtime.Gosched() { // another process looks at this moment
		if locked, err = flock(f, syscall.LOCK_EX); err != nil {
			return fail(err)
		}
	}
	text, err := json.Marshal(h)
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		err = f.Chmod(0o444) // whatever the umask is
	}
	if err != nil {
		return fail(err)
	}
	return path, func() { unflock(f) }, nil
}

// clean removes the files of leases that have ended, and ends the processes that these have left.
// why says that some are still there; the device is then not free. Files of other users are theirs to clean.
func (l Locks) clean(at procs.Host, files []file) (why string, err error) {
	for _, f := range files {
		if f.alive || !f.own {
			continue
		}
		if left, err := l.end(at, f.path, f.Mark); left != "" || err != nil {
			return left, err
		}
	}
	return "", nil
}

// end ends what is left of the processes with a mark, and then removes the file.
func (Locks) end(at procs.Host, path, mark string) (left string, err error) {
	if mark != "" {
		orphans, err := at.Marked(mark)
		if err != nil {
			return "", err
		}
		for _, p := range orphans {
			if err := at.Kill(p); err != nil {
				return "", err
			}
		}
		if len(orphans) > 0 { // the next look sees whether they are gone
			names := make([]string, len(orphans))
			for i, p := range orphans {
				names[i] = p.String()
			}
			return "the end of " + strings.Join(names, ", ") + ", left by a lease that has ended", nil
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fault.Disk(lockOp, path, err)
	}
	return "", nil
}

// flock locks a file without waiting.
func flock(f *os.File, how int) (ok bool, err error) {
	for {
		err = syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB) //nolint:gosec // a descriptor fits
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, err
		}
	}
}

// unflock gives a lock back at once. Closing the file would not do that while this process starts
// another one, which has all its descriptors until it runs its program.
func unflock(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) //nolint:gosec // a descriptor fits
	_ = f.Close()
}
