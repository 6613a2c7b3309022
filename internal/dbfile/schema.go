package dbfile

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// prepare checks the file, switches it to WAL and migrates it.
func prepare(ctx context.Context, db *DB, op string, kind Kind) error {
	refuse := func(reason string) error { return fault.New(fault.Input, op, db.path, reason) }
	// Checked first: a foreign file must not be changed, not even its journal.
	if _, err := version(ctx, db.Write, kind, refuse); err != nil {
		return err
	}
	mode, err := enterWAL(ctx, db)
	if err != nil {
		return err
	}
	if mode != "wal" {
		return refuse("its file system cannot hold a shared SQLite file (journal mode " + mode + "); use a local disk")
	}
	return db.Update(ctx, op, func(tx *sql.Tx) error {
		have, err := version(ctx, tx, kind, refuse) // again: another process may have migrated it
		if err != nil {
			return err
		}
		if have < len(kind.Migrations) {
			if err := migrate(ctx, tx, kind, have); err != nil {
				return err
			}
		}
		return add(ctx, tx, kind.Additions)
	})
}

func migrate(ctx context.Context, tx *sql.Tx, kind Kind, have int) error {
	for _, migration := range kind.Migrations[have:] {
		if _, err := tx.ExecContext(ctx, migration); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d",
		kind.ApplicationID, len(kind.Migrations)))
	return err
}

// add applies the additions that the file does not have. They are counted in a
// table: user_version is what builds without additions compare with.
func add(ctx context.Context, tx *sql.Tx, additions []string) error {
	if len(additions) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_addition (
		number     INTEGER PRIMARY KEY,
		applied_ms INTEGER NOT NULL -- Unix time
	) STRICT`)
	if err != nil {
		return err
	}
	var have int
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM schema_addition").Scan(&have); err != nil {
		return err
	}
	for i := have; i < len(additions); i++ {
		if _, err := tx.ExecContext(ctx, additions[i]); err != nil {
			return fmt.Errorf("addition %d: %w", i+1, err)
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO schema_addition VALUES (?, ?)", i+1, time.Now().UnixMilli())
		if err != nil {
			return err
		}
	}
	return nil
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// version reads the schema version, 0 for a new file.
func version(ctx context.Context, q querier, kind Kind, refuse func(string) error) (int, error) {
	var id int32
	var have, tables int
	err := q.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &have, &tables)
	switch {
	case err != nil:
		return 0, err
	case id == 0 && have == 0 && tables == 0:
		return 0, nil
	case id != kind.ApplicationID:
		return 0, refuse("this is the SQLite file of something else, not a cogflow " + kind.Name + "; name another path")
	case have > len(kind.Migrations):
		return 0, refuse("a newer cogflow wrote it (schema " + strconv.Itoa(have) + ", this build knows " +
			strconv.Itoa(len(kind.Migrations)) + "); run that version or name another path")
	}
	return have, nil
}

// enterWAL retries as long as a writer would wait: SQLite does not wait when two processes
// switch a new file at the same time.
func enterWAL(ctx context.Context, db *DB) (mode string, err error) {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		err = db.Write.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode)
		if fault.ClassOf(db.Fault("", err)) != fault.Overload {
			return mode, err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-retry.C:
		}
	}
}
