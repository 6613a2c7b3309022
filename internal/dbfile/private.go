package dbfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	fileMode fs.FileMode = 0o600
	dirMode  fs.FileMode = 0o700
)

// MakePrivate makes a SQLite file and its directory, or takes away what others
// may do with them: they hold what tenants own. Whatever the umask says, files
// are 0600 and the directory is 0700, and SQLite gives its -wal and -shm the mode
// of the file. A directory that was there before and holds anything else than
// this file is left as it is.
func MakePrivate(path string) error {
	dir := filepath.Dir(path)
	if err := makeDir(dir, filepath.Base(path)); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	if err := errors.Join(tighten(path, fileMode), f.Close()); err != nil {
		return err
	}
	return TightenFiles(path)
}

// TightenFiles makes the files of a SQLite file that exist 0600.
func TightenFiles(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := tighten(path+suffix, fileMode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// tighten takes permissions away and gives the owner what the mode gives. A file
// of another user, which only that one can change, is left as it is.
func tighten(path string, mode fs.FileMode) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() == mode {
		return err
	}
	if err := os.Chmod(path, mode); err != nil && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func makeDir(dir, base string) error {
	if _, err := os.Stat(dir); err == nil {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil //nolint:nilerr // one that cannot be read can hold the file all the same
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), base) {
				return nil
			}
		}
		return tighten(dir, dirMode)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return tighten(dir, dirMode)
}
