package trainer

import (
	"io"
	"strings"
)

// tailBytes is how much of what a process says last is kept.
const tailBytes = 8 << 10

// tail keeps the end of what a process says.
type tail struct{ text []byte }

// read reads to the end, however much it is, and hands all of it to a log; nil = none.
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

// String is valid when the process is gone. Progress bars overwrite their line:
// of each line what was written last is left.
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
