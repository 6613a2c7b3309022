package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/cogniverse/cogflow/fault"
)

// identity identifies the files on disk that a DB has open. SQLite continues with a file
// that was deleted or replaced, and later commits are lost.
type identity struct {
	mu  sync.Mutex
	db  fs.FileInfo
	wal fs.FileInfo // nil: not made yet
}

// ErrGone means that the file, or its -wal, is not the one that was opened.
var ErrGone = errors.New("not the file that was opened")

// remember records the file at the path. Call it while the file is open.
func (db *DB) remember() (err error) {
	db.files.mu.Lock()
	defer db.files.mu.Unlock()
	db.files.db, err = os.Stat(db.path)
	return err
}

// Present checks that commits go to the file that others read. If not, the error is a
// capacity fault: it ends when the file is put back, or when the process restarts with the
// current file.
func (db *DB) Present(op string) error {
	db.files.mu.Lock()
	defer db.files.mu.Unlock()
	if err := db.same(op, db.path, &db.files.db); err != nil {
		return err
	}
	return db.same(op, db.path+"-wal", &db.files.wal)
}

func (db *DB) same(op, path string, known *fs.FileInfo) error {
	now, err := os.Stat(path)
	if *known == nil {
		if err == nil {
			*known = now
		}
		return nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &fault.Error{
			Class: fault.Capacity, Op: op, Subject: path, Err: ErrGone,
			Reason: "it was deleted while this process had it open; stop all workers and restore it from a backup, or start them again and ingest again what was in it",
		}
	case err != nil:
		return fault.Disk(op, path, err)
	case !os.SameFile(now, *known):
		return &fault.Error{
			Class: fault.Capacity, Op: op, Subject: path, Err: ErrGone,
			Reason: "it was replaced while this process had it open; start the worker again",
		}
	}
	return nil
}

// Fresh runs look on a new connection by the path of the file, as another process would see
// it.
func (db *DB) Fresh(ctx context.Context, op string, look func(tx *sql.Tx) error) (err error) {
	fresh, err := sql.Open("sqlite", dsn(db.path, "mode=rw&_pragma=query_only(1)"))
	if err != nil {
		return db.Fault(op, err)
	}
	defer func() { err = errors.Join(err, db.Fault(op, fresh.Close())) }()
	fresh.SetMaxOpenConns(1)
	return db.present(op, func() error { return db.within(ctx, fresh, op, look) })
}
