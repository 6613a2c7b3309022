package safetext

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
)

// Log is where a logger writes its lines, which are JSON documents: keys are
// taken out, and what could steer a terminal is escaped.
type Log struct {
	To       io.Writer
	Redactor *Redactor
}

// Write implements io.Writer.
func (l Log) Write(line []byte) (int, error) {
	var out bytes.Buffer
	for _, r := range string(l.Redactor.Answer(line)) {
		switch {
		case r == '\n' || unicode.IsGraphic(r):
			out.WriteRune(r)
		case r > 0xffff:
			out.WriteRune(unicode.ReplacementChar)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	if _, err := l.To.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(line), nil
}
