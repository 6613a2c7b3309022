package devserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
)

// state is the server's database. A file fits one version of the schema, so the server's
// version is in its name. A server that dies while it writes the schema leaves an unusable
// file; a marker beside it says that it was once complete.
type state struct {
	file   string
	marker string
}

// StatePrefix is the common prefix of all files that a server keeps in dir.
func StatePrefix(dir string) string { return filepath.Join(dir, "temporal") }

func openState(dir, version string) (state, error) {
	st := state{file: StatePrefix(dir) + "-" + version + ".db"}
	st.marker = st.file + ".ready"
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory
		return st, fault.Disk("open Temporal state", dir, err)
	}
	if _, err := os.Stat(st.marker); err == nil {
		return st, fault.Disk("open Temporal state", st.file, dbfile.TightenFiles(st.file)) // an older build left them readable
	} else if !errors.Is(err, fs.ErrNotExist) {
		return st, fault.Disk("open Temporal state", st.file, err)
	}
	// Moved, not removed: if it holds data after all, it can be moved back.
	for _, suffix := range []string{"", "-wal", "-shm"} {
		err := os.Rename(st.file+suffix, st.file+".incomplete"+suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return st, fault.Disk("set aside incomplete Temporal state", st.file, err)
		}
	}
	return st, nil
}

func (st state) complete() error {
	f, err := os.OpenFile(st.marker, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.Disk("mark Temporal state", st.marker, err)
	}
	return fault.Disk("mark Temporal state", st.marker, f.Close())
}

const (
	lockWait  = 5 * time.Second // the server of a cogflow that was just killed is about to end
	lockEvery = 50 * time.Millisecond
)

// acquire takes the directory's lock, which prevents two servers on one file. It is
// released when every process that holds the returned file has closed it.
func acquire(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Disk("lock Temporal state", path, err)
	}
	deadline := time.Now().Add(lockWait)
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, writeOwner(f)
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(lockEvery):
		}
	}
	defer f.Close()
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fault.Disk("lock Temporal state", path, err)
	}
	owner, _ := os.ReadFile(path) // only for the text below
	return nil, fault.New(fault.Input, "start Temporal server", filepath.Dir(path), fmt.Sprintf(
		"a cogflow stack (process %s) already runs on this directory: use it, or stop it with Ctrl-C in its terminal",
		strings.TrimSpace(string(owner))))
}

func writeOwner(f *os.File) error {
	err := f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	if err != nil {
		return fault.Disk("lock Temporal state", f.Name(), errors.Join(err, f.Close()))
	}
	return nil
}
