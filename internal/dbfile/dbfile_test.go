package dbfile_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
)

func kind(migrations ...string) dbfile.Kind {
	return dbfile.Kind{Name: "test file", ApplicationID: 7, Migrations: migrations}
}

const first = "CREATE TABLE a (n INTEGER)"

func open(t *testing.T, path string, k dbfile.Kind) *dbfile.DB {
	t.Helper()
	db, err := dbfile.Open(t.Context(), path, k)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func refused(t *testing.T, path string, k dbfile.Kind, reason string) {
	t.Helper()
	before, _ := os.ReadFile(path)
	_, err := dbfile.Open(t.Context(), path, k)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, reason)
	require.ErrorContains(t, err, filepath.Base(path))
	after, _ := os.ReadFile(path)
	require.Equal(t, before, after, "a refused file is left alone")
}

func insert(ctx context.Context, db *dbfile.DB, n int) error {
	return db.Update(ctx, "insert", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO a VALUES (?)", n)
		return err
	})
}

func count(t *testing.T, db *dbfile.DB) (n int) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), "count", func(tx *sql.Tx) error {
		return tx.QueryRowContext(t.Context(), "SELECT count(*) FROM a").Scan(&n)
	}))
	return n
}

func TestAnyPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new dir", "50% of #1?mode=ro&x 'ü\".db")
	db := open(t, path, kind(first))
	require.NoError(t, insert(t.Context(), db, 1))
	require.FileExists(t, path)
	require.Equal(t, 1, count(t, open(t, path, kind(first))))
}

func TestMigration(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := dbfile.Open(t.Context(), path, kind(first))
	require.NoError(t, err)
	require.NoError(t, insert(t.Context(), db, 1))
	require.NoError(t, db.Close())

	second := kind(first, "ALTER TABLE a ADD COLUMN m INTEGER; INSERT INTO a VALUES (2, 2)")
	db, err = dbfile.Open(t.Context(), path, second)
	require.NoError(t, err)
	require.Equal(t, 2, count(t, db))
	require.NoError(t, db.Close())
	refused(t, path, kind(first), "a newer cogflow wrote it (schema 2, this build knows 1)")
	require.Equal(t, 2, count(t, open(t, path, second)), "a migration runs once")
}

// TestAddition: what a newer build adds, an older one neither misses nor minds.
func TestAddition(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	old := kind(first)
	newer := kind(first)
	newer.Additions = []string{"ALTER TABLE a ADD COLUMN m INTEGER DEFAULT 5", "INSERT INTO a VALUES (2, 2)"}
	running := open(t, path, old)
	_, err := running.Write.PrepareContext(t.Context(), "INSERT INTO a (n) VALUES (?)")
	require.NoError(t, err)
	before := newer
	before.Additions = newer.Additions[:1]
	open(t, path, before)
	db := open(t, path, newer)
	require.Equal(t, 1, count(t, db))
	require.NoError(t, running.Update(t.Context(), "insert", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO a (n) VALUES (1)")
		return err
	}), "a build that has the file open goes on")
	for _, k := range []dbfile.Kind{old, before, newer} {
		require.Equal(t, 2, count(t, open(t, path, k)), "an addition is applied once, and no build refuses the file for it")
	}
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	_, err := dbfile.Open(t.Context(), path, kind(first, "CREATE TABLE b (n INTEGER)", "nonsense"))
	require.Error(t, err)
	require.Zero(t, count(t, open(t, path, kind(first))))
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := kind(first)
	other.ApplicationID = 8
	db, err := dbfile.Open(t.Context(), filepath.Join(dir, "other.db"), other)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	refused(t, filepath.Join(dir, "other.db"), kind(first), "not a cogflow test file")

	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("no database ", 1000)), 0o600))
	refused(t, garbage, kind(first), "damaged or not a SQLite file")

	refused(t, dir, kind(first), "must be a regular file")
	refused(t, filepath.Join(garbage, "x.db"), kind(first), "directory cannot be made")
}

func TestDamagedPage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := dbfile.Open(t.Context(), path, kind(first))
	require.NoError(t, err)
	require.NoError(t, insert(t.Context(), db, 1))
	require.NoError(t, db.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 4096; i < len(data); i++ {
		data[i] = 0xaa
	}
	require.NoError(t, os.WriteFile(path, data, 0o600))
	err = insert(t.Context(), open(t, path, kind(first)), 2)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "move it away")
}

func TestFull(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), kind(first))
	_, err := db.Write.ExecContext(t.Context(), "PRAGMA max_page_count=3")
	require.NoError(t, err)
	fill := func() error {
		return db.Update(t.Context(), "fill", func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), "INSERT INTO a VALUES (zeroblob(100000))")
			return err
		})
	}
	err = fill()
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
	_, err = db.Write.ExecContext(t.Context(), "PRAGMA max_page_count=1000")
	require.NoError(t, err)
	require.NoError(t, fill(), "it goes on by itself when there is space")
	require.Equal(t, 1, count(t, db))
}

func TestBusy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, holder := open(t, path, kind(first)), open(t, path, kind(first))
	for _, d := range []*dbfile.DB{db, holder} {
		_, err := d.Write.ExecContext(t.Context(), "PRAGMA busy_timeout=20")
		require.NoError(t, err)
	}
	require.NoError(t, holder.Update(t.Context(), "hold", func(*sql.Tx) error {
		err := insert(t.Context(), db, 1)
		require.Equal(t, fault.Overload, fault.ClassOf(err), "%v", err)
		require.Positive(t, fault.RetryAfter(err))
		require.Zero(t, count(t, db), "readers do not wait")
		return nil
	}))
	require.NoError(t, insert(t.Context(), db, 1))
}

func TestCancelledWait(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, holder := open(t, path, kind(first)), open(t, path, kind(first))
	require.NoError(t, holder.Update(t.Context(), "hold", func(*sql.Tx) error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.Equal(t, fault.Transport, fault.ClassOf(insert(ctx, db, 1)), "the wait ends with its context, not by its limit, which is an overload")
		return nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, insert(ctx, db, 1), context.Canceled)
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), kind(first))
	err := db.View(t.Context(), "look", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
		return err
	})
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "write permission")
}

func TestRollback(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), kind(first))
	own := errors.New("own")
	err := db.Update(t.Context(), "insert", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
		require.NoError(t, err)
		return own
	})
	require.ErrorIs(t, err, own)
	require.Zero(t, count(t, db))
	damaged := db.Fault("look", dbfile.ErrDamaged)
	require.Equal(t, fault.Input, fault.ClassOf(damaged))
	require.NoError(t, db.Fault("look", nil))
}

// TestOpenAtOnce lets many handles make the same file.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	var openers sync.WaitGroup
	const handles = 8
	for i := range handles {
		openers.Go(func() {
			db, err := dbfile.Open(t.Context(), path, kind(first, "INSERT INTO a VALUES (-1)"))
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			if err := insert(t.Context(), db, i); err != nil {
				t.Errorf("insert: %v", err)
			}
			if err := db.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	openers.Wait()
	require.Equal(t, handles+1, count(t, open(t, path, kind(first, ""))))
}
