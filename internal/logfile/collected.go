package logfile

import (
	"compress/gzip"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/fault"
)

// zipped is the ending of a file that a collector has compressed. It no longer grows.
const zipped = ".gz"

// collected returns the files of a folder and of all below it, or of a pattern.
func collected(pattern string) (paths []string, err error) {
	const op = "read collected logs"
	if info, err := os.Stat(pattern); err != nil || !info.IsDir() {
		if paths, err = filepath.Glob(pattern); err == nil && len(paths) == 0 {
			return nil, fault.New(fault.Input, op, pattern, "no file matches")
		}
		return paths, fault.Wrap(fault.Input, op, pattern, err)
	}
	err = filepath.WalkDir(pattern, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	return paths, fault.Disk(op, pattern, err)
}

// unzip tells the lines of a compressed file.
func unzip(f io.Reader, do func(line []byte)) error {
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	_, err = Lines(unzipped, do)
	return err
}
