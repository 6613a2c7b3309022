package dbfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"github.com/cogniverse/cogflow/fault"
)

// ErrDamaged means that the content of a file is inconsistent.
var ErrDamaged = errors.New("damaged")

// Fault classifies an error of SQLite and names the file. Classified errors and
// cancellations are returned unchanged; nil stays nil.
func (db *DB) Fault(op string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || fault.ClassOf(err) != "" {
		return err
	}
	f := &fault.Error{Op: op, Subject: db.path, Err: err}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f.Class = fault.Transport
	case errors.Is(err, ErrDamaged):
		f.Class, f.Reason, _ = classify(code.SQLITE_CORRUPT)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		f.Class, f.Reason, f.RetryAfter = classify(e.Code())
		if why := cause(e.Code(), db.path); why != nil {
			f.Class, f.Reason = fault.DiskClass(why)
		}
	}
	return f
}

// cause finds the system's error when SQLite only says that a file cannot be opened, read
// or written; nil = none.
func cause(result int, path string) error {
	switch result & 0xff {
	case code.SQLITE_CANTOPEN, code.SQLITE_READONLY, code.SQLITE_PERM, code.SQLITE_IOERR:
	default:
		return nil
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0) // also finds that the limit of open files is reached
		if err == nil {
			err = f.Close()
		} else if name != path && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cannotOpen is for the start: an unusable path must be corrected, unless the cause is
// temporary.
func cannotOpen(op, path string, err error) error {
	f := &fault.Error{
		Class: fault.Input, Op: op, Subject: path,
		Reason: "it cannot be opened, or its directory cannot be made; check the path and its permissions", Err: err,
	}
	if class, reason := fault.DiskClass(err); class == fault.Capacity {
		f.Class, f.Reason = class, reason
	}
	return f
}

func classify(result int) (class fault.Class, reason string, after time.Duration) {
	switch result { // more specific codes
	case code.SQLITE_IOERR_SHMSIZE: // a full disk while the WAL's index grows
		result = code.SQLITE_FULL
	case code.SQLITE_IOERR_NOMEM:
		result = code.SQLITE_NOMEM
	case code.SQLITE_READONLY_DBMOVED:
		return fault.Capacity, "it was moved or deleted while this process had it open; put it back, or start the worker again", 0
	case code.SQLITE_IOERR_CORRUPTFS, code.SQLITE_IOERR_DATA:
		result = code.SQLITE_CORRUPT
	case code.SQLITE_CANTOPEN_ISDIR:
		return fault.Input, "it is a directory", 0
	}
	switch result & 0xff {
	case code.SQLITE_FULL:
		return fault.Capacity, "the disk is full; free some space", 0
	case code.SQLITE_NOMEM:
		return fault.Capacity, "out of memory", 0
	case code.SQLITE_BUSY, code.SQLITE_LOCKED, code.SQLITE_PROTOCOL:
		return fault.Overload, "another process keeps writing to it", time.Second
	case code.SQLITE_READONLY, code.SQLITE_PERM, code.SQLITE_AUTH:
		return fault.Input, "it cannot be written; give this user write permission on the file and its directory", 0
	case code.SQLITE_CANTOPEN: // of a file that the system can open: the limit of open files was reached at that moment
		return fault.Capacity, "it cannot be opened at the moment; see that the worker may open enough files (ulimit -n), and that the disk is mounted", 0
	case code.SQLITE_CORRUPT, code.SQLITE_NOTADB:
		return fault.Input, "the file is damaged or not a SQLite file; move it away, with its -wal and -shm, and start again", 0
	case code.SQLITE_TOOBIG:
		return fault.Input, "one value is too large", 0
	case code.SQLITE_IOERR, code.SQLITE_INTERRUPT:
		return fault.Transport, "", 0
	}
	return "", "", 0 // a constraint or a wrong statement: a bug
}
