package devserver

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/cogniverse/cogflow/fault"
)

const (
	maxLog   = 16 << 20 // at a start, a longer log is rotated
	tailSize = 2048
	// stackSize is how much of a log is searched for the beginning of a panic.
	stackSize = 64 << 10
)

// openLog opens the server's log for appending. One older log is kept.
func openLog(path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fault.Disk("open log", path, err)
	case info.Size() > maxLog:
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fault.Disk("rotate log", path, err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fault.Disk("open log", path, err)
	}
	return f, nil
}

// tail returns the last lines of the log after a line break, for the text of an error;
// nothing if it cannot be read. Of a panic it returns the message without the stack.
func tail(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > stackSize {
		if _, err := f.Seek(-stackSize, io.SeekEnd); err != nil {
			return ""
		}
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	if from := bytes.LastIndex(text, []byte("panic: ")); from >= 0 {
		if n := bytes.Index(text[from:], []byte("\ngoroutine ")); n >= 0 {
			text = text[:from+n]
		}
	}
	text = bytes.TrimSpace(text[max(0, len(text)-tailSize):])
	if len(text) == 0 {
		return ""
	}
	return "\n" + string(text) + "\n"
}
