package modelserver

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/DeRuina/timberjack"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

const (
	maxMiB   = 4 // of a log file; one older file is kept
	tailSize = 2 << 10
)

// output keeps what a server writes: in a file of bounded size, and its end in memory.
type output struct {
	mu   sync.Mutex
	file *timberjack.Logger
	end  []byte
	err  error // of the file
}

func openOutput(dir, name string) (*output, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Disk("make the directory of model server logs", dir, err)
	}
	return &output{file: &timberjack.Logger{Filename: filepath.Join(dir, name+".log"), MaxSize: maxMiB, MaxBackups: 1, FileMode: 0o600}}, nil
}

// Write never fails, because a server whose output is refused would end. The first error of
// the file is kept for tail.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end = append(o.end, p...)
	if over := len(o.end) - tailSize; over > 0 {
		o.end = append(o.end[:0], o.end[over:]...)
	}
	if _, err := o.file.Write(p); o.err == nil {
		o.err = err
	}
	return len(p), nil
}

// tail is the end of the output in one line.
func (o *output) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := safetext.Line(string(o.end), tailSize)
	if text == "" {
		text = "(nothing)"
	}
	if o.err != nil {
		text += " (the log file is incomplete: " + o.err.Error() + ")"
	}
	return text
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = errors.Join(o.err, o.file.Close())
}

// LastLines returns the last lines that a server has written, also those of former starts, and the
// path of the file.
func LastLines(dir, name string, n int) (lines []string, path string, err error) {
	path = filepath.Join(dir, name+".log")
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) { // it was never started
		return nil, path, nil
	}
	if err != nil {
		return nil, path, fault.Disk(readLogOp, path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, path, fault.Disk(readLogOp, path, err)
	}
	from := max(0, info.Size()-maxLast)
	text, err := io.ReadAll(io.NewSectionReader(file, from, maxLast))
	if err != nil {
		return nil, path, fault.Disk(readLogOp, path, err)
	}
	if from > 0 { // the first line is cut
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, path, nil
	}
	lines = strings.Split(strings.TrimRight(safetext.CleanLines(string(text)), "\n"), "\n")
	return lines[max(0, len(lines)-n):], path, nil
}

const (
	readLogOp = "read the output of a model server"
	maxLast   = 64 << 10 // bytes of the last lines
)
