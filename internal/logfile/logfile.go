// Package logfile keeps the log of a worker in files of bounded size, and reads them while
// workers write: `cogflow logs` shows the lines of a job. A folder may serve several
// workers; each has a file of its own. It knows nothing of what the lines mean.
package logfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/DeRuina/timberjack"

	"github.com/cogniverse/cogflow/fault"
)

// What a worker keeps: the file that it writes and the four before.
const (
	maxMiB     = 16
	maxBackups = 4
	maxWorkers = 256 // that share a folder
)

// errTaken: so many workers write to a folder that another would be a mistake.
var errTaken = errors.New("256 other workers write their logs there")

// File is the log of one process. It is safe for concurrent use.
type File struct {
	*timberjack.Logger
	lock *os.File
}

// Open takes the first file of a folder that no running process writes. The folder is
// made if it is missing; other users cannot read the files.
func Open(dir string) (*File, error) { return open(dir, maxMiB) }

func open(dir string, mib int) (*File, error) {
	const op = "open the log in"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Disk(op, dir, err)
	}
	for n := 1; n <= maxWorkers; n++ {
		path := filepath.Join(dir, fmt.Sprintf("%s%d", stem, n))
		lock, err := lock(path + ".lock")
		if err != nil {
			return nil, fault.Disk(op, dir, err)
		}
		if lock == nil {
			continue
		}
		return &File{lock: lock, Logger: &timberjack.Logger{
			Filename: path + ending, MaxSize: mib, MaxBackups: maxBackups, FileMode: 0o600,
		}}, nil
	}
	return nil, fault.Disk(op, dir, errTaken)
}

// Close ends the writing; another process may then go on with the file.
func (f *File) Close() error { return errors.Join(f.Logger.Close(), f.lock.Close()) }
