package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/postgres"
)

// ErrAbsent marks a ledger that no worker has created yet.
var ErrAbsent = postgres.ErrAbsent

// OpenExisting is Open for a ledger that workers have created. Commands use it: a ledger that
// they created would be one that no worker reads.
func OpenExisting(place string) (*Ledger, error) {
	if !postgres.Is(place) {
		if err := CheckFile(place); err != nil {
			return nil, err
		}
		return Open(place)
	}
	process := rand.Text()
	db, err := openShared(context.Background(), place, process, postgres.OpenExisting)
	if err != nil {
		return nil, err
	}
	return start(db, process, beatEvery), nil
}

// CheckFile returns a fault with ErrAbsent if a ledger has no file.
func CheckFile(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return &fault.Error{
			Class: fault.Input, Op: "open call ledger", Subject: path,
			Err: fmt.Errorf("%w on this host; workers create it when they start. Run the command on their host, or set COGFLOW_LEDGER", ErrAbsent),
		}
	}
	return nil
}
