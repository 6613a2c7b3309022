package untrusted

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/fault"
)

// TakeOut moves a directory of the trainer's, in its work directory, to a new one below
// to, which the trainer cannot reach. The trainer still runs and may exchange what it has
// for links at any time, so the first step cannot leave the work directory, and the
// second moves a link as a link.
func TakeOut(work, name, to string) (string, error) {
	const passing = ".taken"
	from, err := Open(work)
	if err != nil {
		return "", err
	}
	defer from.Close()
	if err := from.look(name, fs.ModeDir); err != nil {
		return "", err
	}
	if err := from.root.RemoveAll(passing); err != nil {
		return "", fault.Disk("keep checkpoint", from.Path(passing), err)
	}
	if err := from.root.Rename(name, passing); err != nil {
		return "", Classify(from.Path(name), err)
	}
	empty, err := os.MkdirTemp(to, "taken-")
	if err != nil {
		return "", fault.Disk("keep checkpoint", to, err)
	}
	moved := filepath.Join(empty, "checkpoint")
	if err := os.Rename(from.Path(passing), moved); err != nil {
		return "", Classify(from.Path(passing), err)
	}
	info, err := os.Lstat(moved)
	if err == nil && !info.IsDir() {
		err = Refuse(from.Path(name), "it is not a directory")
	}
	return moved, fault.Disk("keep checkpoint", moved, err)
}
