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

// MakePrivate makes a SQLite file and its directory, or restricts their permissions: they
// hold tenants' data. Whatever the umask is, files are 0600 and the directory is 0700, and
// SQLite gives its -wal and -shm the mode of the file. An existing directory with anything
// but this file is not changed.
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

// tighten removes permissions of others and sets those of the owner. A file of another
// user, which only that user can change, is left unchanged.
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
			return nil //nolint:nilerr // an unreadable directory can still hold the file
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
