package trainer

import (
	"io"
	"strings"
)

// tailBytes is how many bytes from the end of a process's output are kept.
const tailBytes = 8 << 10

// tail keeps the end of a process's output.
type tail struct{ text []byte }

// read reads all output and copies it to log; nil = no log.
func (t *tail) read(r io.Reader, log io.Writer) {
	if log != nil {
		r = io.TeeReader(r, log)
	}
	piece := make([]byte, tailBytes)
	for {
		n, err := r.Read(piece)
		t.text = append(t.text, piece[:n]...)
		if cut := len(t.text) - tailBytes; cut > 0 {
			t.text = append(t.text[:0], t.text[cut:]...)
		}
		if err != nil {
			return
		}
	}
}

// String is valid when the process has ended. Progress bars overwrite their line, so only
// the text after the last carriage return of each line is kept.
func (t *tail) String() string {
	var kept []string
	for line := range strings.Lines(strings.ToValidUTF8(string(t.text), "·")) {
		line = strings.TrimRight(line, "\r\n ")
		line = line[strings.LastIndexByte(line, '\r')+1:]
		if line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}
