package dbfile

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	code "modernc.org/sqlite/lib"

	"github.com/cogniverse/cogflow/fault"
)

func noted() Kind {
	return Kind{Name: "test file", ApplicationID: 0x434f4754, Migrations: []string{"CREATE TABLE note (text TEXT) STRICT"}}
}

func write(db *DB) error {
	return db.Update(context.Background(), "write", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(context.Background(), "INSERT INTO note VALUES ('x')")
		return err
	})
}

// TestCodes is the table of SQLite's result codes: what passes by itself or by a
// person's hand waits, what does not is refused.
func TestCodes(t *testing.T) {
	t.Parallel()
	for result, want := range map[int]fault.Class{
		code.SQLITE_FULL: fault.Capacity, code.SQLITE_IOERR_SHMSIZE: fault.Capacity,
		code.SQLITE_NOMEM: fault.Capacity, code.SQLITE_IOERR_NOMEM: fault.Capacity,
		code.SQLITE_CANTOPEN: fault.Capacity, code.SQLITE_CANTOPEN_FULLPATH: fault.Capacity, code.SQLITE_CANTOPEN_ISDIR: fault.Input,
		code.SQLITE_BUSY: fault.Overload, code.SQLITE_BUSY_SNAPSHOT: fault.Overload, code.SQLITE_LOCKED: fault.Overload, code.SQLITE_PROTOCOL: fault.Overload,
		code.SQLITE_READONLY: fault.Input, code.SQLITE_PERM: fault.Input, code.SQLITE_AUTH: fault.Input,
		code.SQLITE_READONLY_DBMOVED: fault.Capacity,
		code.SQLITE_CORRUPT:          fault.Input, code.SQLITE_CORRUPT_INDEX: fault.Input, code.SQLITE_NOTADB: fault.Input,
		code.SQLITE_IOERR_CORRUPTFS: fault.Input, code.SQLITE_IOERR_DATA: fault.Input,
		code.SQLITE_TOOBIG: fault.Input, code.SQLITE_IOERR: fault.Transport, code.SQLITE_IOERR_READ: fault.Transport,
		code.SQLITE_IOERR_FSYNC: fault.Transport, code.SQLITE_INTERRUPT: fault.Transport, code.SQLITE_CONSTRAINT: "", code.SQLITE_ERROR: "",
	} {
		class, _, _ := classify(result)
		require.Equal(t, want, class, "%d", result)
	}
}

// TestReadOnlyDisk needs root to mount a file system of its own.
func TestReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("no permission to mount: ", err)
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	path := filepath.Join(dir, "x.db")
	db, err := Open(t.Context(), path, noted())
	require.NoError(t, err)
	require.NoError(t, write(db))
	require.NoError(t, db.Close())
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, err = Open(t.Context(), path, noted())
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "read-only")
	_, err = Open(t.Context(), filepath.Join(dir, "new", "y.db"), noted())
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
	require.NoError(t, unix.Mount("", dir, "", unix.MS_REMOUNT, ""))
	db, err = Open(t.Context(), path, noted())
	require.NoError(t, err, "it passes")
	require.NoError(t, db.Close())
}

// TestGone: SQLite would continue with a deleted file that no other process can open.
func TestGone(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(path string) error{
		"deleted":   os.Remove,
		"wal alone": func(path string) error { return os.Remove(path + "-wal") },
		"replaced": func(path string) error {
			if err := os.Rename(path, path+".old"); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		},
		"whole directory": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "db", "x.db")
			db, err := Open(t.Context(), path, noted())
			require.NoError(t, err)
			t.Cleanup(func() { _ = db.Close() })
			require.NoError(t, write(db))
			look := func(*sql.Tx) error { return nil }
			require.NoError(t, db.Fresh(t.Context(), "look", look))
			require.NoError(t, lose(path))
			for _, err := range []error{write(db), db.View(t.Context(), "look", look), db.Fresh(t.Context(), "look", look)} {
				require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
				require.ErrorIs(t, err, ErrGone)
				require.ErrorContains(t, err, path)
			}
		})
	}
}

// TestGoneWhileWriting: the file goes after the transaction has begun.
func TestGoneWhileWriting(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := Open(t.Context(), path, noted())
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	err = db.Update(t.Context(), "write", func(*sql.Tx) error { return os.Remove(path) })
	require.ErrorIs(t, err, ErrGone)
}

// TestPutBack: the file that was moved away and back is the same.
func TestPutBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := Open(t.Context(), path, noted())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, os.Rename(path, path+".away"))
	require.Error(t, write(db))
	require.NoError(t, os.Rename(path+".away", path))
	require.NoError(t, write(db))
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

// TestPrivate sets the umask of the process, so it is not parallel.
func TestPrivate(t *testing.T) { //nolint:paralleltest // the umask is the process's
	for _, umask := range []int{0o000, 0o022, 0o077, 0o177, 0o777} {
		func() {
			base := t.TempDir()
			defer unix.Umask(unix.Umask(umask))
			for name, prepare := range map[string]func(path string){
				"new": func(string) {},
				"old": func(path string) {
					if err := os.Mkdir(filepath.Dir(path), 0o755); err == nil {
						_ = os.Chmod(filepath.Dir(path), 0o755) //nolint:gosec // as an older build left it
					}
					for _, suffix := range []string{"", "-wal", "-shm"} {
						_ = os.WriteFile(path+suffix, nil, 0o644) //nolint:gosec // as an older build left it
						_ = os.Chmod(path+suffix, 0o644)          //nolint:gosec // the same
					}
				},
			} {
				path := filepath.Join(base, name, "x.db")
				prepare(path)
				db, err := Open(t.Context(), path, noted())
				require.NoError(t, err, "%o", umask)
				require.NoError(t, write(db))
				for _, suffix := range []string{"", "-wal", "-shm"} {
					require.Equal(t, os.FileMode(0o600), mode(t, path+suffix), "umask %o, %s%s", umask, name, suffix)
				}
				require.Equal(t, os.FileMode(0o700), mode(t, filepath.Dir(path)), "umask %o, %s", umask, name)
				require.NoError(t, db.Close())
			}
		}()
	}
	shared := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(shared, "other"), nil, 0o600))
	require.NoError(t, os.Chmod(shared, 0o755)) //nolint:gosec // a directory of others
	db, err := Open(t.Context(), filepath.Join(shared, "x.db"), noted())
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.Equal(t, os.FileMode(0o755), mode(t, shared), "not ours alone")
}
