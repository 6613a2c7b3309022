package dbfile

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func quick() Kind {
	k := noted()
	k.Quick = true
	return k
}

// fill writes a text of so many bytes.
func fill(t *testing.T, db *DB, n int) {
	t.Helper()
	require.NoError(t, db.Update(t.Context(), "write", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO note VALUES (?)", strings.Repeat("x", n))
		return err
	}))
}

// TestCheckpoints: the file gets what was written without any commit of the writer that does it.
// When a long WAL is left, the writer makes a checkpoint, so that it begins anew.
func TestCheckpoints(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := Open(t.Context(), path, quick())
	require.NoError(t, err)
	size := func(of string) int64 {
		info, err := os.Stat(of)
		require.NoError(t, err)
		return info.Size()
	}
	fill := func(n int) { fill(t, db, n) }
	before := size(path)
	for range checkpointEvery - 1 {
		fill(10_000)
	}
	require.Equal(t, before, size(path), "no commit makes a checkpoint")
	fill(1)
	require.NoError(t, db.checkpoints.work.Wait())
	require.Greater(t, size(path), before+10_000*(checkpointEvery-1), "but one is made beside it")

	require.NoError(t, db.View(t.Context(), "look", func(tx *sql.Tx) error {
		var n int
		require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT count(*) FROM note").Scan(&n))
		fill(mostFrames * 4096)
		require.NoError(t, db.checkpoints.work.Wait())
		require.True(t, db.checkpoints.due, "a reader needs what was before")
		return nil
	}))
	fill(1)
	require.False(t, db.checkpoints.due)
	long := size(path + "-wal")
	fill(1)
	require.Equal(t, long, size(path+"-wal"), "it begins anew")
	require.NoError(t, db.Close())
}

// TestCheckpointsOfABusyWriter: the WAL begins anew also when transactions follow each other, so that one is
// always added while a checkpoint is made.
func TestCheckpointsOfABusyWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := Open(t.Context(), path, quick())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	fill := func(n int) (size int64) {
		fill(t, db, n)
		info, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		return info.Size()
	}
	size := fill(mostFrames * 4096)
	require.NoError(t, db.checkpoints.work.Wait())
	require.True(t, db.checkpoints.due, "one may have been added")
	require.Equal(t, size, fill(1))
	require.False(t, db.checkpoints.due)
	const each = 64 << 10
	for range 16 * mostFrames * 4096 / each {
		before := size
		if size = fill(each); size == before {
			return
		}
	}
	t.Errorf("the WAL has %d MB", size>>20)
}

// TestCheckpointFails: a checkpoint that cannot be made is an error of the next write.
func TestCheckpointFails(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "x.db"), quick())
	require.NoError(t, err)
	require.NoError(t, db.checkpoints.db.Close())
	for range checkpointEvery {
		require.NoError(t, write(db))
	}
	require.NoError(t, db.checkpoints.work.Wait())
	require.True(t, db.checkpoints.due)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, db.Update(ctx, "write", nil))
	require.NoError(t, write(db), "the writer makes it")
	require.False(t, db.checkpoints.due)
	require.NoError(t, db.Close())
}
