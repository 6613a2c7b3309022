package logfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// How files are named: worker1.log, and worker1-2026-01-02T03-04-05.000-size.log for a
// former one.
const (
	stem   = "worker"
	ending = ".log"
)

// maxLine bounds a line in bytes; the rest of a longer one is left out.
const maxLine = 1 << 20

// Reader reads the lines of all files of a folder, each once. The zero value has no folder.
type Reader struct {
	Dir     string // of workers
	Pattern string // instead, files that a collector writes: a folder with all that is below it, or a pattern
	read    []place
	again   bool // it is not the first time
}

// place is how far a file is read. A file that is renamed stays the same one.
type place struct {
	file   os.FileInfo
	at     int64
	missed bool // it was not found the last time
}

// Next tells each whole line that was written since the last time, file by file. A
// folder that is missing has no lines. do must not keep the line.
func (r *Reader) Next(do func(line []byte)) error {
	paths, err := r.paths()
	if err != nil {
		return err
	}
	var now []place
	for _, path := range paths {
		p, err := r.next(path, do)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was renamed just now, and is found under its new name
		}
		if err != nil {
			return fault.Disk("read log", path, err)
		}
		now = append(now, p)
	}
	for _, old := range r.read { // one that is being renamed is found the next time
		if !old.missed && !known(now, old.file) {
			old.missed = true
			now = append(now, old)
		}
	}
	r.read, r.again = now, true
	return nil
}

func (r *Reader) paths() ([]string, error) {
	if r.Pattern != "" {
		return collected(r.Pattern)
	}
	paths, err := filepath.Glob(filepath.Join(r.Dir, stem+"*"+ending))
	return paths, fault.Disk("read logs", r.Dir, err)
}

func known(all []place, file os.FileInfo) bool {
	for _, p := range all {
		if os.SameFile(p.file, file) {
			return true
		}
	}
	return false
}

func (r *Reader) next(path string, do func(line []byte)) (place, error) {
	f, err := os.Open(path)
	if err != nil {
		return place{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return place{}, err
	}
	p := place{file: info}
	if strings.HasSuffix(path, zipped) {
		if r.again { // its lines were read before it was compressed
			return p, nil
		}
		return p, unzip(f, do)
	}
	for _, old := range r.read {
		if os.SameFile(old.file, info) && old.at <= info.Size() {
			p.at = old.at
		}
	}
	if _, err := f.Seek(p.at, io.SeekStart); err != nil {
		return place{}, err
	}
	n, err := Lines(f, do)
	p.at += n
	return p, err
}

// Lines tells each line that ends, and says how many bytes they are.
func Lines(from io.Reader, do func(line []byte)) (n int64, err error) {
	piece := make([]byte, 64<<10)
	var line []byte
	var length int64 // of the line, with what is left out of it
	for {
		got, err := from.Read(piece)
		rest := piece[:got]
		for {
			at := bytes.IndexByte(rest, '\n')
			if at < 0 {
				break
			}
			do(add(line, rest[:at]))
			n += length + int64(at) + 1
			line, length, rest = line[:0], 0, rest[at+1:]
		}
		line, length = add(line, rest), length+int64(len(rest))
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func add(line, more []byte) []byte {
	return append(line, more[:min(len(more), max(maxLine-len(line), 0))]...)
}
