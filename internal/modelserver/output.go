package modelserver

import (
	"errors"
	"os"
	"path/filepath"
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
