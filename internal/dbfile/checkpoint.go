package dbfile

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync"

	"github.com/cogniverse/cogflow/panics"
)

const (
	// checkpointEvery is the number of transactions between checkpoints, unless the WAL grows by
	// walGrowth before.
	checkpointEvery = 256
	walGrowth       = 16 << 20
	// mostFrames is the length of the WAL at which the writer waits for a checkpoint: 48 MB. The
	// WAL begins anew only when a transaction begins and a checkpoint has reached its end, which
	// never comes while transactions follow each other.
	mostFrames = 48 << 20 / 4096
)

// checkpoints move what was committed from the WAL into the file, beside the writer. SQLite itself
// does it within the commit that fills the 1,000th page: that one takes 5 to 20 ms longer than
// others, and all that wait for it.
type checkpoints struct {
	db   *sql.DB // one connection; nil = SQLite does it
	path string  // of the WAL
	work panics.Group

	mu      sync.Mutex
	commits int   // since the last checkpoint
	size    int64 // of the WAL, then
	running bool
	due     bool // the writer makes the next one: the WAL is long, or the last one failed
}

// committed notes a transaction, and starts a checkpoint from time to time.
func (c *checkpoints) committed() {
	if c.db == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commits++
	var size int64
	if info, err := os.Stat(c.path); err == nil {
		size = info.Size()
	}
	if c.running || c.commits < checkpointEvery && size < c.size+walGrowth {
		return
	}
	c.running, c.commits, c.size = true, 0, size
	c.work.Go(func() error {
		long, err := checkpoint(context.Background(), c.db)
		c.mu.Lock()
		defer c.mu.Unlock()
		// The writer tries again, and reports an error that stays.
		c.running, c.due = false, c.due || long || err != nil
		return nil
	})
}

// catchUp makes a checkpoint in the connection of the writer, if it is due. Little is left to do,
// and what another process writes meanwhile is the next one's.
func (c *checkpoints) catchUp(ctx context.Context, writer *sql.DB) error {
	c.mu.Lock()
	due := c.due
	c.mu.Unlock()
	if !due {
		return nil
	}
	if _, err := checkpoint(ctx, writer); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = false
	return nil
}

// checkpoint moves all that no reader needs and that was in the WAL when it began. It waits for nothing, and
// reports whether the WAL is long.
func checkpoint(ctx context.Context, db *sql.DB) (long bool, err error) {
	var busy, frames, moved int // frames are those when it began
	err = db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &frames, &moved)
	return frames > mostFrames, err
}

func (c *checkpoints) close() error {
	if c.db == nil {
		return nil
	}
	return errors.Join(c.work.Wait(), c.db.Close())
}
