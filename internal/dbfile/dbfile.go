// Package dbfile opens the SQLite files that several worker processes share: one writing
// and many reading connections, WAL, a checked kind and schema version, and SQLite's result
// codes as faults. The index and the ledger use it. It knows none of their tables.
package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/cogniverse/cogflow/fault"
)

// Kind identifies a sort of file and how to update it.
//
// Builds of different versions have one file open at the same time, and a rollback opens
// what a newer build wrote. A build refuses a file with more migrations than it knows, but
// accepts one with more additions. So a schema change is an addition, and a new migration
// is only for a change that an older build must not touch: every worker has to stop for it.
type Kind struct {
	Name          string   // for people: "search index"
	ApplicationID int32    // written into the file's header; never 0
	Migrations    []string // Migrations[i] turns schema version i into i+1
	// Additions come after the migrations, each once and in order. They only add: tables,
	// indexes, and columns that are NULL or have a default. The statements of a build
	// without them keep working and keep their meaning. Package dbfiletest checks that.
	Additions []string
	// Quick files are written often, by callers that wait: checkpoints are made beside the
	// writer.
	Quick bool
}

// DB is an open file. Any number of processes may have it open.
type DB struct {
	Write *sql.DB // one connection; each transaction begins IMMEDIATE
	Read  *sql.DB // cannot write; a transaction sees one snapshot
	path  string
	files identity

	checkpoints checkpoints
}

const (
	// busyTimeout is how long a writer waits for one of another process.
	busyTimeout = 10 * time.Second
	// walLimit is the size to which the WAL shrinks after a large transaction.
	walLimit = 64 << 20
)

// Open opens or creates the file and its directory. It refuses a file of another kind, of a
// newer build, or a damaged one, and does not change it.
func Open(ctx context.Context, path string, kind Kind) (*DB, error) {
	op := "open " + kind.Name
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &fault.Error{Class: fault.Input, Op: op, Subject: path, Err: err}
	}
	if info, err := os.Stat(abs); err == nil && !info.Mode().IsRegular() {
		return nil, fault.New(fault.Input, op, abs, "it must be a regular file; correct the path")
	}
	if err := MakePrivate(abs); err != nil {
		return nil, cannotOpen(op, abs, err)
	}
	db := &DB{path: abs}
	write := "_txlock=immediate&_pragma=synchronous(NORMAL)"
	if kind.Quick {
		write += "&_pragma=wal_autocheckpoint(0)"
	}
	if db.Write, err = sql.Open("sqlite", dsn(abs, write)); err != nil {
		return nil, db.Fault(op, err)
	}
	db.Write.SetMaxOpenConns(1)
	if err := prepare(ctx, db, op, kind); err != nil {
		_ = db.Write.Close() // the refusal is the cause
		return nil, db.Fault(op, err)
	}
	if db.Read, err = sql.Open("sqlite", dsn(abs, "_pragma=query_only(1)")); err != nil {
		_ = db.Write.Close()
		return nil, db.Fault(op, err)
	}
	if kind.Quick {
		db.checkpoints.path = abs + "-wal"
		if db.checkpoints.db, err = sql.Open("sqlite", dsn(abs, "_pragma=synchronous(NORMAL)")); err != nil {
			return nil, errors.Join(db.Fault(op, err), db.Close())
		}
		db.checkpoints.db.SetMaxOpenConns(1)
	}
	if err := db.remember(); err != nil {
		return nil, errors.Join(cannotOpen(op, abs, err), db.Close())
	}
	readers := max(4, 2*runtime.GOMAXPROCS(0))
	db.Read.SetMaxOpenConns(readers)
	db.Read.SetMaxIdleConns(readers)
	return db, nil
}

// Close waits for running statements and closes the file.
func (db *DB) Close() error {
	readErr := errors.Join(db.checkpoints.close(), db.Read.Close())
	if err := db.Write.Close(); err != nil {
		return db.Fault("close", err)
	}
	return db.Fault("close", readErr)
}

// dsn makes a URI, in which a path may hold any character.
func dsn(path, params string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: params +
		"&_pragma=busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")" +
		"&_pragma=cache_size(-16000)&_pragma=journal_size_limit(" + strconv.Itoa(walLimit) + ")"}
	return u.String()
}

// Update runs change in one writing transaction and commits it unless it fails.
func (db *DB) Update(ctx context.Context, op string, change func(tx *sql.Tx) error) error {
	if err := db.checkpoints.catchUp(ctx, db.Write); err != nil {
		return db.Fault(op, err)
	}
	err := db.within(ctx, db.Write, op, change)
	db.checkpoints.committed()
	if gone := db.Present(op); gone != nil {
		return gone // a commit to it is lost
	}
	return err
}

// View runs look on one snapshot of the file.
func (db *DB) View(ctx context.Context, op string, look func(tx *sql.Tx) error) error {
	return db.present(op, func() error { return db.within(ctx, db.Read, op, look) })
}

// present runs a reader, which must not take an older file for the one that others write.
func (db *DB) present(op string, do func() error) error {
	if err := db.Present(op); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return db.Present(op)
}

func (db *DB) within(ctx context.Context, pool *sql.DB, op string, do func(tx *sql.Tx) error) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return db.Fault(op, err)
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback() // the other error is the cause
		return db.Fault(op, err)
	}
	return db.Fault(op, tx.Commit())
}
