package dbfile

import (
	"context"
	"errors"
	"time"

	"modernc.org/sqlite"
	code "modernc.org/sqlite/lib"

	"github.com/cogniverse/cogflow/fault"
)

// ErrDamaged says that what a file holds does not agree with itself.
var ErrDamaged = errors.New("damaged")

// Fault classifies an error of SQLite and names the file. What is classified
// already, and a cancellation, comes back unchanged; nil stays nil.
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
	}
	return f
}

func classify(result int) (class fault.Class, reason string, after time.Duration) {
	if result == code.SQLITE_IOERR_SHMSIZE { // how a full disk shows when the WAL's index grows
		result = code.SQLITE_FULL
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
	case code.SQLITE_CANTOPEN:
		return fault.Input, "it cannot be opened; it must be a file that this user may read and write, in such a directory", 0
	case code.SQLITE_CORRUPT, code.SQLITE_NOTADB:
		return fault.Input, "the file is damaged or no SQLite file; move it away, with its -wal and -shm, and start again", 0
	case code.SQLITE_TOOBIG:
		return fault.Input, "one value is too large", 0
	case code.SQLITE_IOERR, code.SQLITE_INTERRUPT:
		return fault.Transport, "", 0
	}
	return "", "", 0 // a constraint or a wrong statement: a bug
}
